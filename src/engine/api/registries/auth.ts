/** Credentials in requests: X-Registry-Auth, and the body of POST /auth. */
import type { IncomingHttpHeaders } from "node:http";
import type { Credentials } from "#transfer/transfer.ts";

/** Docker's AuthConfig; every field may be missing. */
export type AuthConfig = Readonly<Partial<Record<"username" | "password" | "auth" | "serveraddress" | "identitytoken" | "registrytoken", string>>>;

/** Base64url of JSON. Like Docker, what cannot be read counts as none: the registry will say if it wants some. */
export function authOf(headers: IncomingHttpHeaders, name = "x-registry-auth"): Credentials | undefined {
  const header = headers[name];
  return typeof header === "string" ? credentialsOf(readConfig(header)) : undefined;
}

function readConfig(header: string): AuthConfig {
  try {
    return authConfig(JSON.parse(Buffer.from(header, "base64url").toString("utf8")));
  } catch {
    return {};
  }
}

/** Fields that are no texts are left out. */
export function authConfig(json: unknown): AuthConfig {
  if (typeof json !== "object" || json === null) return {};
  return Object.fromEntries(Object.entries(json).filter(([, value]) => typeof value === "string").map(([key, value]) => [key.toLowerCase(), value]));
}

export function credentialsOf(config: AuthConfig): Credentials | undefined {
  if (config.registrytoken) return { kind: "registry", token: config.registrytoken };
  if (config.identitytoken) return { kind: "identity", token: config.identitytoken };
  const [username, password] = config.username ? [config.username, config.password ?? ""] : splitAuth(config.auth ?? "");
  return username === "" ? undefined : { kind: "password", username, password };
}

/** "user:password" in base64. */
function splitAuth(auth: string): [username: string, password: string] {
  const text = Buffer.from(auth, "base64").toString("utf8");
  const colon = text.indexOf(":");
  return colon < 0 ? ["", ""] : [text.slice(0, colon), text.slice(colon + 1).replace(/\0+$/, "")];
}
