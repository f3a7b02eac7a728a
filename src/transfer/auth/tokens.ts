/** Tokens of a registry's token server: asked for once per scope, used until shortly before they end. */
import { sha256 } from "#base/digest.ts";
import { fail } from "#base/errors.ts";
import { parseJson } from "#base/json.ts";
import { collect } from "#base/streams.ts";
import { answerFailure } from "../http/answer-failure.ts";
import { type Answer, type Body, nameOf } from "../http/exchange.ts";
import type { Credentials } from "../transfer.ts";

export type TokenRequest = {
  readonly url: URL;
  readonly service: string;
  readonly scopes: readonly string[];
  readonly credentials: Credentials | undefined;
  /** Ask for a refresh token too. */
  readonly offline?: boolean;
  /** Performs one request with the registry's TLS settings, proxies and limits. */
  send(method: string, url: URL, headers: Record<string, string>, body?: Body): Promise<Answer>;
};

export type Token = { readonly token: string; readonly expires: number; readonly refresh: string | undefined };

export type Tokens = {
  /** `stale`: one that the registry did not take; another is asked for. */
  get(request: TokenRequest, stale?: string): Promise<string>;
};

const MOST_TOKENS = 1000;
const MOST_ANSWER = 2 ** 20;
const CLIENT = "gantry";
/** As Docker: a token without a time is good for a minute. */
const DEFAULT_SECONDS = 60;

export function openTokens(): Tokens {
  const known = new Map<string, Promise<Token>>();
  return {
    async get(request, stale) {
      const key = sha256(JSON.stringify([request.url.href, request.service, request.scopes, request.credentials ?? null]));
      const kept = known.get(key);
      const token = await kept?.catch(() => undefined);
      if (token !== undefined && token.token !== stale && token.expires > Date.now()) return token.token;
      // Whoever came first of those who wait asks.
      const current = known.get(key);
      if (current !== undefined && current !== kept) return (await current).token;
      const asked = requestToken(request);
      known.delete(key);
      known.set(key, asked);
      if (known.size > MOST_TOKENS) known.delete(known.keys().next().value!);
      asked.catch(() => known.get(key) === asked && known.delete(key));
      return (await asked).token;
    },
  };
}

/** GET with a password or nothing, as Docker; POST with a refresh token, or where GET is not known. @throws forbidden */
export async function requestToken(request: TokenRequest): Promise<Token> {
  const { credentials } = request;
  if (credentials?.kind === "identity") return read(request, "POST", await post(request, { grant_type: "refresh_token", refresh_token: credentials.token }));
  const answer = await get(request);
  if (credentials?.kind !== "password" || (answer.status !== 404 && answer.status !== 405)) return read(request, "GET", answer);
  answer.drop();
  const { username, password } = credentials;
  return read(request, "POST", await post(request, { grant_type: "password", username, password, ...(request.offline && { access_type: "offline" }) }));
}

function get({ url, service, scopes, credentials, offline, send }: TokenRequest): Promise<Answer> {
  const full = new URL(url);
  if (service !== "") full.searchParams.set("service", service);
  for (const scope of scopes) full.searchParams.append("scope", scope);
  if (offline) {
    full.searchParams.set("offline_token", "true");
    full.searchParams.set("client_id", CLIENT);
  }
  if (credentials?.kind !== "password") return send("GET", full, {});
  full.searchParams.set("account", credentials.username);
  return send("GET", full, { authorization: basic(credentials) });
}

function post({ url, service, scopes, send }: TokenRequest, grant: Record<string, string>): Promise<Answer> {
  const form = Buffer.from(new URLSearchParams({ ...grant, service, client_id: CLIENT, ...(scopes.length > 0 && { scope: scopes.join(" ") }) }).toString());
  return send("POST", url, { "content-type": "application/x-www-form-urlencoded" }, { length: form.length, bytes: () => [form] });
}

async function read({ url, credentials }: TokenRequest, method: string, answer: Answer): Promise<Token> {
  if (answer.status !== 200) {
    const sent = credentials !== undefined;
    const failure = await answerFailure(method, url, answer, sent);
    if (answer.status !== 400 && answer.status !== 401 && answer.status !== 403) throw failure;
    throw fail("forbidden", sent ? `${failure.message} (the user name or the password is wrong, or access is not allowed)` : failure.message, { cause: failure, facts: { ...failure.facts, status: 401, tokenServer: true } });
  }
  const what = nameOf(method, url);
  const json = asObject(parse((await collect(answer.read({ limit: MOST_ANSWER }), MOST_ANSWER, what)).toString("utf8"), what));
  const token = json["token"] || json["access_token"];
  if (typeof token !== "string" || !/^[\x21-\x7e]+$/.test(token)) throw fail("invalid", `${what}: the answer holds no token`);
  const seconds = typeof json["expires_in"] === "number" && json["expires_in"] > 0 ? json["expires_in"] : DEFAULT_SECONDS;
  const refresh = typeof json["refresh_token"] === "string" && json["refresh_token"] !== "" ? json["refresh_token"] : undefined;
  return { token, refresh, expires: Date.now() + Math.min(seconds, 86_400) * 900 };
}

function parse(text: string, what: string): unknown {
  try {
    return parseJson(text);
  } catch {
    throw fail("invalid", `${what}: the answer is no JSON`);
  }
}

const asObject = (value: unknown): Record<string, unknown> => (typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {});

export const basic = ({ username, password }: { username: string; password: string }): string =>
  `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
