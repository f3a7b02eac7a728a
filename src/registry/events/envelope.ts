/** Events as the distribution registry tells them to webhooks, for whoever listens to those already. */
import { randomUUID } from "node:crypto";
import type { RegistryEvent } from "./events.ts";

export const ENVELOPE_TYPE = "application/vnd.docker.distribution.events.v2+json";

export type Envelope = { readonly id: string; readonly timestamp: string; readonly action: string; readonly [field: string]: unknown };

export function toEnvelope({ kind, target, repository, digest, tag, mediaType, size, from, actor }: RegistryEvent, host: string): Envelope {
  const path = digest === undefined ? undefined : `/v2/${repository}/${target === "blob" ? "blobs" : "manifests"}/${digest}`;
  return {
    id: randomUUID(),
    timestamp: new Date().toISOString(),
    action: kind,
    target: { mediaType, size, length: size, digest, repository, fromRepository: from, url: path === undefined || host === "" ? undefined : `${host}${path}`, tag },
    request: { id: actor.requestId, addr: actor.address, host: host.replace(/^https?:\/\//, ""), useragent: actor.userAgent },
    actor: { name: actor.identity },
    source: { addr: host.replace(/^https?:\/\//, ""), instanceID: INSTANCE },
  };
}

const INSTANCE = randomUUID();
