/** `WWW-Authenticate`, as the distribution specifications have it. */
import type { Call } from "#base/http.ts";
import type { Need } from "./access.ts";
import { formatScope, parseScope, scopeOf } from "./scope.ts";

/** Where tokens are had. Without `url`: at /token of the host that was asked. */
export type Realm = { readonly url?: string | undefined; readonly service: string };

export const basicChallenge = 'Basic realm="gantry-registry"';

/** `error` as RFC 6750 has it: what is wrong with the token that was sent. */
export function bearerChallenge(call: Call, need: Need, realm: Realm, error?: "invalid_token" | "insufficient_scope"): string {
  const fields: [string, string][] = [["realm", realm.url ?? `${originOf(call)}/token`], ["service", realm.service]];
  const scope = [scopeOf(need), mountedFrom(call, need)].filter((one) => one !== undefined).map(formatScope).join(" ");
  if (scope !== "") fields.push(["scope", scope]);
  if (error !== undefined) fields.push(["error", error]);
  return `Bearer ${fields.map(([name, value]) => `${name}="${value.replaceAll(/["\\\p{Cc}]/gu, "")}"`).join(",")}`;
}

/** A mount reads from the repository that has the blob. */
function mountedFrom(call: Call, need: Need) {
  const from = need.action === "write" && call.method === "POST" ? call.query.get("from") : null;
  return from === null || from.includes(":") ? undefined : parseScope(`repository:${from}:pull`);
}

/** As the client wrote it: it is the client that goes there. What it, or a proxy before us, says of TLS concerns nobody else. */
function originOf(call: Call): string {
  const secure = (call.request.socket as { encrypted?: boolean }).encrypted === true || call.headers["x-forwarded-proto"] === "https";
  const { localAddress = "127.0.0.1", localPort } = call.request.socket;
  const host = call.headers.host;
  const plain = host !== undefined && /^[\w.:[\]-]{1,255}$/.test(host) ? host : `${localAddress.includes(":") ? `[${localAddress}]` : localAddress}:${localPort}`;
  return `${secure ? "https" : "http"}://${plain}`;
}
