/** `docker login`: whether a registry takes these credentials. */
import { fail, kindOf, messageOf } from "#base/errors.ts";
import type { Credentials, Transfer } from "#transfer/transfer.ts";

const DEFAULT = "docker.io";
const DEFAULT_NAMES = new Set(["", DEFAULT, "index.docker.io", "registry-1.docker.io"]);

/** @throws unauthorized when it does not */
export async function login(transfer: Transfer, server: string, credentials: Credentials, signal: AbortSignal): Promise<{ identityToken: string }> {
  try {
    const { identityToken = "" } = await transfer.login(registryOf(server), credentials, signal);
    return { identityToken };
  } catch (error) {
    throw kindOf(error) === "forbidden" ? fail("unauthorized", messageOf(error), { cause: error }) : error;
  }
}

/** "https://index.docker.io/v1/" is docker.io; of any other address the host counts. */
export function registryOf(server: string): string {
  const host = server.trim().replace(/^https?:\/\//i, "").replace(/\/.*$/s, "");
  if (DEFAULT_NAMES.has(host)) return DEFAULT;
  if (!/^(\[[0-9a-f:]+\]|[a-z0-9._-]+)(:\d{1,5})?$/i.test(host)) throw fail("invalid", `invalid registry address ${JSON.stringify(server)}`);
  return host;
}
