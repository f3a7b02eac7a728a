/** One GET along redirects. Credentials, which are the URL's own or the client's, go to its origin alone. */
import { fail } from "#base/errors.ts";
import { type Connections, PLAIN_TLS } from "#transfer/http/connections.ts";
import { type Answer, exchange } from "#transfer/http/exchange.ts";
import { proxyFor } from "#transfer/hosts/proxies.ts";
import { LIMITS } from "#transfer/transfer.ts";
import type { SourceContext } from "../source-context.ts";

export type Proxies = { readonly http: string; readonly https: string; readonly no: string };
export type AskOptions = { readonly connections: Connections; readonly proxies: Proxies; readonly context: SourceContext };

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const MOST_REDIRECTS = 10;
const USER_AGENT = "gantry/0.1";

export async function ask(first: URL, headers: Readonly<Record<string, string>>, options: AskOptions): Promise<Answer> {
  const authorization = await authorizationOf(first, options.context);
  let url = withoutUser(first);
  let own = true;
  for (let hops = 0; ; hops++) {
    const answer = await send(url, { ...headers, ...(own && authorization !== undefined && { authorization }) }, options);
    const { location } = answer.headers;
    if (!REDIRECTS.has(answer.status) || location === undefined) return answer;
    answer.drop();
    if (hops === MOST_REDIRECTS) throw fail("unavailable", `download ${first.host}${first.pathname}: stopped after ${MOST_REDIRECTS} redirects`);
    const next = location.length > 8192 ? null : URL.parse(location, url);
    if (next === null || !/^https?:$/.test(next.protocol)) throw fail("invalid", `download ${first.host}${first.pathname}: it redirects to what is no http or https URL`);
    // Once it has left, nothing follows it back either.
    own &&= next.origin === url.origin;
    url = withoutUser(next);
  }
}

async function send(url: URL, headers: Record<string, string>, { connections, proxies, context }: AskOptions): Promise<Answer> {
  const agent = await connections.agentFor(url.protocol, PLAIN_TLS, proxyFor(url, proxies));
  return await exchange({ method: "GET", url, agent, limits: LIMITS, signal: context.signal, headers: { "user-agent": USER_AGENT, "accept-encoding": "identity", ...headers } });
}

function withoutUser(url: URL): URL {
  const bare = new URL(url);
  bare.username = bare.password = "";
  return bare;
}

async function authorizationOf({ username, password, host }: URL, { client, signal }: SourceContext): Promise<string | undefined> {
  if (username + password !== "") return `Basic ${Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString("base64")}`;
  const header = await client.secret(`HTTP_AUTH_HEADER_${host}`, signal);
  if (header !== undefined) return oneLine(header);
  const token = await client.secret(`HTTP_AUTH_TOKEN_${host}`, signal);
  return token === undefined ? undefined : `Bearer ${oneLine(token)}`;
}

const oneLine = (secret: Buffer): string => secret.toString().trim().replace(/[\r\n\0]/g, "");
