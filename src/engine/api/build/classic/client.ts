/** The client of a classic build: an archive that came with the request, and credentials in its head. */
import type { IncomingHttpHeaders } from "node:http";
import { fail } from "#base/errors.ts";
import type { BuildClient } from "#builder/builder.ts";
import type { Contexts } from "#builder/contexts/contexts.ts";
import type { FileTree } from "#builder/tree.ts";
import type { Credentials } from "#transfer/transfer.ts";
import { authConfig, credentialsOf } from "../../registries/auth.ts";

export function openClassicClient(contexts: Pick<Contexts, "filter">, tree: FileTree, headers: IncomingHttpHeaders): BuildClient {
  const credentials = registryConfig(headers);
  return {
    files: async (name, wish) => {
      if (name !== "context") throw fail("not-found", `the client has no folder ${JSON.stringify(name)}`);
      return contexts.filter(tree, wish);
    },
    secret: async () => undefined,
    ssh: async () => undefined,
    credentials: async (host) => credentials.get(host),
    receive: async () => {
      throw fail("invalid", "outputs other than an image are for clients of BuildKit's protocol");
    },
  };
}

/** X-Registry-Config: base64url of a map from servers to credentials. Docker Hub's server is the address of its first version. */
export function registryConfig(headers: IncomingHttpHeaders): ReadonlyMap<string, Credentials> {
  const header = headers["x-registry-config"];
  const found = new Map<string, Credentials>();
  if (typeof header !== "string") return found;
  for (const [server, config] of Object.entries(readMap(header))) {
    const credentials = credentialsOf(authConfig(config));
    if (credentials !== undefined) found.set(hostOf(server), credentials);
  }
  return found;
}

/** What cannot be read is none, as in Docker. */
function readMap(header: string): Record<string, unknown> {
  try {
    const map: unknown = JSON.parse(Buffer.from(header, "base64url").toString("utf8"));
    return typeof map === "object" && map !== null ? (map as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function hostOf(server: string): string {
  const host = server.replace(/^https?:\/\//, "").split("/")[0]!;
  return host === "index.docker.io" || host === "registry-1.docker.io" ? "docker.io" : host;
}
