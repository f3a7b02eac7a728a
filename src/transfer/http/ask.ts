/**
 * A request to one host of a registry: with what it wants to know of us, and along redirects. Credentials and the host's
 * own headers go to its origin alone; once a redirect has left it, nothing of them goes anywhere (security RC-01, RC-03).
 */
import { createHash } from "node:crypto";
import { fail } from "#base/errors.ts";
import { type Challenge, parseChallenge } from "../auth/challenge.ts";
import { checkRealm } from "../auth/realm.ts";
import { basic, type TokenRequest, type Tokens } from "../auth/tokens.ts";
import type { Endpoint } from "../hosts/endpoints.ts";
import { proxyFor } from "../hosts/proxies.ts";
import type { Access, Limits, TransferSettings } from "../transfer.ts";
import { isInner } from "./addresses.ts";
import { type Connections, PLAIN_TLS, type TlsSettings } from "./connections.ts";
import { type Answer, type Body, exchange, nameOf } from "./exchange.ts";

export type Ask = {
  readonly method: string;
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Body | undefined;
  /** "repository:library/busybox:pull" */
  readonly scopes: readonly string[];
  readonly signal: AbortSignal;
  readonly answerMs?: number;
};

/** `url`: who answered in the end; `credentials`: whether any were sent to it. */
export type Answered = Answer & { readonly url: URL; readonly credentials: boolean };

export type AskParts = {
  readonly endpoint: Endpoint;
  readonly access: Access;
  readonly settings: TransferSettings;
  readonly limits: Limits;
  readonly connections: Connections;
  readonly tokens: Tokens;
  /** What hosts asked for before, by their base: saves asking in vain. */
  readonly challenges: Map<string, Challenge>;
  /** The TLS settings of another host, to which this one redirects. */
  tlsOf(url: URL): Promise<TlsSettings>;
};

export type Asker = { ask(ask: Ask): Promise<Answered> };

const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const USER_AGENT = "gantry/0.1";

export function openAsker(parts: AskParts): Asker {
  const { endpoint, access, limits, settings } = parts;
  const root = new URL(endpoint.base);
  const credentials = endpoint.own ? access.credentials : undefined;
  /** Whether the host is inside this network itself: then it may name others that are. Unknown behind a proxy. */
  let isOutside = false;
  return { ask };

  async function ask(request: Ask): Promise<Answered> {
    let url = request.url;
    let { method, body } = request;
    let away = url.origin !== root.origin;
    let refused: { header: string | undefined; challenge: Challenge } | undefined;
    if (away) checkPlain(root, url);
    for (let hops = 0; ; ) {
      const header = away ? undefined : await authorization(request, refused);
      const answer = await send({ ...request, method, body, url }, away, header);
      if (!away && proxyFor(url, settings.proxies) === "") isOutside = answer.address !== "" && !isInner(answer.address);
      if (answer.status === 401 && !away && refused === undefined) {
        const challenge = parseChallenge(answer.headers["www-authenticate"]);
        if (challenge !== undefined && canMeet(challenge)) {
          answer.drop();
          parts.challenges.set(endpoint.base, challenge);
          refused = { header, challenge };
          continue;
        }
      }
      const next = redirectOf(answer, url, method);
      if (next === undefined) return { ...answer, url, credentials: header !== undefined && credentials !== undefined };
      answer.drop();
      if (++hops > limits.redirects) throw fail("unavailable", `${nameOf(request.method, request.url)}: stopped after ${limits.redirects} redirects`, { facts: { network: true } });
      checkPlain(url, next);
      away ||= next.origin !== root.origin;
      if (answer.status === 303) [method, body] = ["GET", undefined];
      url = next;
    }
  }

  async function send(request: Ask, away: boolean, header: string | undefined): Promise<Answer> {
    const tls = away ? await parts.tlsOf(request.url) : endpoint.tls;
    return plainSend(request, { tls, publicOnly: settings.publicOnly === true || (away && isOutside), headers: {
      ...(away ? {} : endpoint.headers),
      ...(header !== undefined && { authorization: header }),
    } });
  }

  async function plainSend(request: Ask, { tls, publicOnly, headers }: { tls: TlsSettings; publicOnly: boolean; headers: Record<string, string> }): Promise<Answer> {
    const { url } = request;
    const proxy = proxyFor(url, settings.proxies);
    const agent = await parts.connections.agentFor(url.protocol, url.protocol === "https:" ? tls : PLAIN_TLS, proxy);
    const own = { "user-agent": USER_AGENT, "accept-encoding": "identity", ...headers, ...request.headers };
    const lookup = proxy === "" && url.hostname === root.hostname ? endpoint.lookup : undefined;
    return exchange({ ...request, headers: own, agent, limits, publicOnly: publicOnly && proxy === "", lookup });
  }

  /** https must not become http on the way, unless the host is listed as insecure. */
  function checkPlain(from: URL, to: URL): void {
    if (!/^https?:$/.test(to.protocol)) throw fail("forbidden", `${from.host} redirects to ${to.protocol.slice(0, 20)}, which is not followed`);
    if (from.protocol === "https:" && to.protocol === "http:" && !endpoint.insecure) {
      throw fail("forbidden", `${from.host} redirects from https to http://${to.host}, which is not followed (behind a proxy of its own it must be told that it is reached by https)`);
    }
  }

  function canMeet(challenge: Challenge): boolean {
    return challenge.scheme === "bearer" || credentials?.kind === "password";
  }

  async function authorization(request: Ask, refused: { header: string | undefined; challenge: Challenge } | undefined): Promise<string | undefined> {
    if (endpoint.headers["authorization"] !== undefined) return undefined;
    if (credentials?.kind === "registry") return `Bearer ${credentials.token}`;
    const challenge = refused?.challenge ?? parts.challenges.get(endpoint.base);
    if (challenge === undefined) return undefined;
    if (challenge.scheme === "basic") return credentials?.kind === "password" ? basic(credentials) : undefined;
    const stale = refused?.header?.startsWith("Bearer ") ? refused.header.slice(7) : undefined;
    return `Bearer ${await parts.tokens.get(tokenRequest(request, challenge, refused !== undefined), stale)}`;
  }

  function tokenRequest(request: Ask, challenge: Challenge & { scheme: "bearer" }, isFresh: boolean): TokenRequest {
    const realm = checkRealm(challenge.realm, root, { insecure: endpoint.insecure, credentials: credentials !== undefined });
    const asked = isFresh ? challenge.scope.split(" ").filter((scope) => scope !== "") : [];
    return {
      url: realm.url,
      service: challenge.service,
      scopes: [...new Set([...request.scopes, ...asked])].toSorted(),
      credentials,
      // Others may wait for the same token: it does not end with the one who asked first.
      send: async (method, url, headers, body) => {
        const tls = url.origin === root.origin ? endpoint.tls : await parts.tlsOf(url);
        return plainSend({ method, url, headers, body, scopes: [], signal: AbortSignal.timeout(limits.connectMs + limits.idleMs) }, { tls, publicOnly: settings.publicOnly === true || (isOutside && !realm.related), headers: {} });
      },
    };
  }
}

function redirectOf(answer: Answer, url: URL, method: string): URL | undefined {
  const { location } = answer.headers;
  if (!REDIRECTS.has(answer.status) || location === undefined) return undefined;
  if (method !== "GET" && method !== "HEAD" && answer.status < 307) return undefined;
  const next = location.length > 8192 ? null : URL.parse(location, url);
  if (next === null) throw fail("invalid", `${nameOf(method, url)}: it redirects to what is no address`);
  next.username = "";
  next.password = "";
  return next;
}

/** One name for one set of credentials, in memory only. */
export function accessKey({ credentials }: Access): string {
  return credentials === undefined ? "" : createHash("sha256").update(JSON.stringify(credentials)).digest("base64");
}
