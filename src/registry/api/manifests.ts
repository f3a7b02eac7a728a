import type { Digest } from "../store/digest.ts";
import { MAX_DOCUMENT } from "#spec/image.ts";
import type { ManifestRef } from "../store/store.ts";
import { answer, refuse } from "./answer.ts";
import { emit, type Asked, type RouteOf } from "./api.ts";
import { readBody } from "./body.ts";

/** Who only looks may mean to push an index that names it. */
const CLAIM = { claim: true } as const;

type AskedManifest = Asked<RouteOf<"manifest">>;

export async function getManifest(asked: AskedManifest): Promise<void> {
  const { call, route, api } = asked;
  const found = await api.store.manifest(route.name, route.reference, call.method === "HEAD" ? CLAIM : undefined);
  if (found === undefined) return refuseUnknown(asked);
  const { mediaType, digest, bytes } = found;
  const etag = `"${digest}"`;
  if (call.headers["if-none-match"] === etag) return answer(call, 304, ["Etag", etag]);
  answer(call, 200, ["Content-Type", mediaType, "Content-Length", bytes.length, "Docker-Content-Digest", digest, "Etag", etag], bytes);
  if (call.method === "GET") emit(asked, { kind: "pull", target: "manifest", repository: route.name, digest, mediaType, size: bytes.length, ...tagOf(route.reference) });
}

const tagOf = ({ tag }: ManifestRef): { tag?: string } => (tag === undefined ? {} : { tag });

function refuseUnknown({ call, route }: AskedManifest): void {
  const reference = route.reference.tag ?? route.reference.digest;
  refuse(call, 404, "MANIFEST_UNKNOWN", `the repository ${route.name} has no manifest ${reference}`);
}

export async function putManifest(asked: AskedManifest): Promise<void> {
  const { call, route, api } = asked;
  const bytes = await readBody(call, MAX_DOCUMENT);
  const mediaType = call.headers["content-type"] ?? "";
  const { digest, subject } = await api.store.putManifest(route.name, { bytes, mediaType, ...route.reference });
  const location = `/v2/${route.name}/manifests/${digest}`;
  answer(call, 201, ["Location", location, "Docker-Content-Digest", digest, "Content-Length", 0, ...(subject === undefined ? [] : ["OCI-Subject", subject])]);
  emit(asked, { kind: "push", target: "manifest", repository: route.name, digest, mediaType, size: bytes.length, ...tagOf(route.reference) });
}

/** By tag: the tag alone goes. */
export async function deleteManifest(asked: AskedManifest): Promise<void> {
  const { call, route, api } = asked;
  const { tag, digest } = route.reference;
  const gone = tag === undefined ? await api.store.deleteManifest(route.name, digest as Digest) : await api.store.deleteTag(route.name, tag);
  if (!gone) return refuseUnknown(asked);
  answer(call, 202, ["Content-Length", 0]);
  emit(asked, { kind: "delete", repository: route.name, ...(tag === undefined ? { target: "manifest" as const, digest: digest as Digest } : { target: "tag" as const, tag }) });
}
