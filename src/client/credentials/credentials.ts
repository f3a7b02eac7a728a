/**
 * Credentials of registries, shared with docker: in config.json (`auths`), or in a credential helper that it names
 * (`credHelpers` for one registry, `credsStore` for all others).
 *
 *     const header = await authHeader(cli, reference.domain);     // X-Registry-Auth; undefined: none
 *     await openStore(cli, server).put(server, { username, password });
 *
 * Only those of the registry in question are ever looked up and sent. A helper that does not work is an error, not "no
 * credentials": else a request would go out without them, or with somebody else's (security RC-05).
 */
import type { Cli } from "../client.ts";
import type { Config } from "../connect/config.ts";
import { fileStore, memoryStore } from "./file.ts";
import { helperStore } from "./keychain.ts";
import { serverOf } from "./server.ts";

export { DOCKER_HUB, hostOf, serverOf } from "./server.ts";

export type Credentials = {
  readonly username: string;
  readonly password: string;
  /** A refresh token, in place of a password. */
  readonly identitytoken?: string;
  readonly registrytoken?: string;
};

export type Store = {
  /** undefined: none. @throws when the store does not work */
  get(server: string): Promise<Credentials | undefined>;
  put(server: string, credentials: Credentials): Promise<void>;
  /** @throws when the store does not work; what is not there may be erased */
  erase(server: string): Promise<void>;
  /** Where passwords stand in the clear; undefined: nowhere. */
  readonly plainFile?: string;
};

type Place = Pick<Cli, "env"> & { config(): Config };

/** The store that holds this server's. */
export function openStore({ config, env }: Place, server: string): Store {
  const settings = config();
  const { credHelpers, credsStore } = settings.all;
  const own = typeof credHelpers === "object" && credHelpers !== null ? (credHelpers as Record<string, unknown>)[server] : undefined;
  const name = typeof own === "string" ? own : typeof credsStore === "string" ? credsStore : "";
  const store = name === "" ? fileStore(settings) : helperStore(settings, name, env);
  return memoryStore(env["DOCKER_AUTH_CONFIG"], store);
}

/** X-Registry-Auth for a registry. Undefined: nothing is known of it. */
export async function authHeader(place: Place, domain: string): Promise<string | undefined> {
  const server = serverOf(domain);
  const found = await openStore(place, server).get(server);
  return found === undefined ? undefined : encodeAuth({ ...found, serveraddress: server });
}

export function encodeAuth(auth: Credentials & { readonly serveraddress: string }): string {
  return Buffer.from(JSON.stringify(auth)).toString("base64url");
}
