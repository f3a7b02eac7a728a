/** Asks a registry whether credentials are good. */
import { fail, Failure } from "#base/errors.ts";
import { parseChallenge } from "./auth/challenge.ts";
import { checkRealm } from "./auth/realm.ts";
import { basic, requestToken } from "./auth/tokens.ts";
import { findEndpoints, type Endpoint } from "./hosts/endpoints.ts";
import { proxyFor } from "./hosts/proxies.ts";
import { answerFailure } from "./http/answer-failure.ts";
import { type Answer, type Body, exchange, nameOf } from "./http/exchange.ts";
import { PLAIN_TLS } from "./http/connections.ts";
import type { SessionParts } from "./session.ts";
import type { Credentials } from "./transfer.ts";

/** @throws unauthorized when they are not; forbidden, unavailable */
export async function login(parts: SessionParts, registry: string, credentials: Credentials, signal: AbortSignal): Promise<{ identityToken?: string }> {
  const hosts = (await findEndpoints(registry, parts.settings)).filter(({ own }) => own);
  for (const [index, endpoint] of hosts.entries()) {
    try {
      return await loginAt(parts, endpoint, credentials, signal);
    } catch (error) {
      if (signal.aborted || index === hosts.length - 1 || !(error instanceof Failure) || error.facts["network"] !== true) throw error;
    }
  }
  throw fail("unavailable", `${registry}: its hosts.toml names no host of its own`);
}

async function loginAt(parts: SessionParts, endpoint: Endpoint, credentials: Credentials, signal: AbortSignal): Promise<{ identityToken?: string }> {
  const url = new URL(`${endpoint.base}/`);
  const send = async (method: string, to: URL, headers: Record<string, string>, body?: Body): Promise<Answer> => {
    const proxy = proxyFor(to, parts.settings.proxies);
    const tls = to.origin === url.origin ? endpoint.tls : ((await findEndpoints(to.host, { ...parts.settings, mirrors: [] }))[0]?.tls ?? PLAIN_TLS);
    const agent = await parts.connections.agentFor(to.protocol, to.protocol === "https:" ? tls : PLAIN_TLS, proxy);
    const own = to.origin === url.origin ? endpoint.headers : {};
    return exchange({ method, url: to, headers: { "user-agent": "gantry/0.1", "accept-encoding": "identity", ...own, ...headers }, body, agent, limits: parts.limits, signal, publicOnly: parts.settings.publicOnly === true && proxy === "" });
  };
  const first = await send("GET", url, {});
  if (first.status === 200) {
    first.drop();
    return {};
  }
  const challenge = first.status === 401 ? parseChallenge(first.headers["www-authenticate"]) : undefined;
  if (challenge === undefined) throw await answerFailure("GET", url, first, false);
  first.drop();
  if (challenge.scheme === "basic") {
    if (credentials.kind !== "password") throw fail("unauthorized", `${nameOf("GET", url)}: unauthorized: a user name and a password are needed`);
    await verify({ authorization: basic(credentials) });
    return {};
  }
  if (credentials.kind === "registry") {
    await verify({ authorization: `Bearer ${credentials.token}` });
    return {};
  }
  const realm = checkRealm(challenge.realm, url, { insecure: endpoint.insecure, credentials: true });
  const token = await requestToken({ url: realm.url, service: challenge.service, scopes: [], credentials, offline: true, send }).catch((error: unknown) => {
    throw error instanceof Failure && error.facts["tokenServer"] === true ? wrong(url, error) : error;
  });
  await verify({ authorization: `Bearer ${token.token}` });
  return token.refresh === undefined ? {} : { identityToken: token.refresh };

  async function verify(headers: Record<string, string>): Promise<void> {
    const answer = await send("GET", url, headers);
    if (answer.status === 200) return answer.drop();
    const failure = await answerFailure("GET", url, answer, true);
    throw answer.status === 401 || answer.status === 403 ? wrong(url, failure) : failure;
  }
}

const wrong = (url: URL, cause: Failure) => fail("unauthorized", `Get "${url.href}": unauthorized: incorrect username or password`, { cause, facts: cause.facts });
