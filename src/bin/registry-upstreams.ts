/** The registry's cache gets the registry client: neither knows the other. */
import { join } from "node:path";
import type { JsonObject } from "#base/json.ts";
import type { Log } from "#base/log.ts";
import type { UpstreamRepository, Upstreams } from "#registry/cache/cache.ts";
import { openUpstreams } from "#registry/cache/upstreams.ts";
import { readUpstream } from "#registry/config/listeners.ts";
import { openTokens } from "#transfer/auth/tokens.ts";
import { openConnections } from "#transfer/http/connections.ts";
import { openRemote } from "#transfer/remote.ts";
import { openSession, type SessionParts } from "#transfer/session.ts";
import { LIMITS, type Remote, type TransferSettings } from "#transfer/transfer.ts";

export async function openRegistryUpstreams(objects: readonly JsonObject[], log: Log): Promise<Upstreams> {
  const settings = await Promise.all(objects.map(readUpstream));
  const connections = openConnections();
  const parts: SessionParts = { settings: transferSettings(settings.filter(({ insecure }) => insecure).map(({ registry }) => registry)), limits: LIMITS, connections, tokens: openTokens(), challenges: new Map(), speaks: new Map(), log };
  const upstreams = openUpstreams(settings, {
    log,
    open({ registry, credentials }, path) {
      const access = credentials === undefined ? {} : { credentials: { kind: "password" as const, ...credentials } };
      return repositoryOf(openRemote(openSession({ registry, path }, access, parts)));
    },
  });
  return {
    ...upstreams,
    async [Symbol.asyncDispose]() {
      await upstreams[Symbol.asyncDispose]();
      connections[Symbol.dispose]();
    },
  };
}

function repositoryOf(remote: Remote): UpstreamRepository {
  return {
    resolve: (tagOrDigest, signal) => remote.resolve(tagOrDigest, signal),
    manifest: (tagOrDigest, signal) => remote.manifest(tagOrDigest, signal),
    blob: (descriptor, signal) => remote.blob(descriptor, signal),
    tags: (signal) => remote.tags(signal),
    referrers: (digest, signal) => remote.referrers(digest, signal),
    async blobSize(digest, signal) {
      const reply = await remote.session.request({ method: "HEAD", at: `blobs/${digest}`, can: "pull", expect: [200, 404], signal });
      reply.drop();
      const length = Number(reply.headers["content-length"]);
      return reply.status === 200 && Number.isSafeInteger(length) ? length : undefined;
    },
  };
}

/** Certificates and hosts.toml of registries are where the engine has them. */
function transferSettings(insecureRegistries: readonly string[]): TransferSettings {
  const environment = (name: string) => process.env[name] ?? process.env[name.toLowerCase()] ?? "";
  return {
    insecureRegistries,
    mirrors: [],
    hostFolders: [join("/etc/gantry", "certs.d"), "/etc/docker/certs.d"],
    proxies: { http: environment("HTTP_PROXY"), https: environment("HTTPS_PROXY"), no: environment("NO_PROXY") },
    maxDownloads: 16,
    maxUploads: 1,
    maxAttempts: 3,
  };
}
