/**
 * The token service: GET with Basic as the distribution token specification has it, POST as OAuth 2 (what Docker's client
 * does with the token that "docker login" left it). Whoever asks without an account gets a token for what everybody may do.
 */
import type { Call } from "#base/http.ts";
import { messageOf } from "#base/errors.ts";
import { collect } from "#base/streams.ts";
import type { Refusal } from "../events/events.ts";
import { basicChallenge } from "./challenge.ts";
import { addressOf, readCredentials } from "./credentials.ts";
import type { Login, Passwords } from "./passwords.ts";
import type { Policy } from "./policy.ts";
import { granted, parseScope, type Scope } from "./scope.ts";
import type { Tokens } from "./tokens.ts";

export type TokenService = { readonly passwords: Passwords; readonly tokens: Tokens; readonly policy: Policy; readonly service: string; readonly refused: (refusal: Refusal) => void };

const MOST_SCOPES = 64;
const LARGEST_FORM = 64 * 1024;

export async function tokenDoor(call: Call, service: TokenService): Promise<void> {
  if (call.method === "GET") return await answer(call, service, askedByQuery(call));
  if (call.method === "POST") {
    const asked = await askedByForm(call).catch((error: unknown) => messageOf(error));
    return typeof asked === "string" ? refuse(call, 400, asked) : await answer(call, service, asked);
  }
  call.response.writeHead(405, { allow: "GET, POST" }).end();
}

type Proof =
  | { readonly kind: "none" }
  | { readonly kind: "password"; readonly name: string; readonly password: string }
  | { readonly kind: "refresh"; readonly token: string }
  | { readonly kind: "bad"; readonly why: string };

type Asked = { readonly proof: Proof; readonly service: string | null; readonly scopes: readonly string[]; readonly offline: boolean };

function askedByQuery(call: Call): Asked {
  const { query } = call;
  const sent = readCredentials(call.headers.authorization);
  const proof: Proof = sent.kind === "password" || sent.kind === "none" ? sent : { kind: "bad", why: "the Authorization header cannot be read" };
  return { proof, service: query.get("service"), scopes: query.getAll("scope"), offline: query.get("offline_token") === "true" };
}

async function askedByForm(call: Call): Promise<Asked> {
  const form = new URLSearchParams((await collect(call.request as AsyncIterable<Buffer>, LARGEST_FORM, "the form")).toString());
  const offline = form.get("access_type") === "offline";
  return { proof: proofOf(form), service: form.get("service"), scopes: form.getAll("scope"), offline };
}

function proofOf(form: URLSearchParams): Proof {
  switch (form.get("grant_type")) {
    case "password":
      return { kind: "password", name: form.get("username") ?? "", password: form.get("password") ?? "" };
    case "refresh_token":
      return { kind: "refresh", token: form.get("refresh_token") ?? "" };
    default:
      return { kind: "bad", why: "grant_type: password or refresh_token is expected" };
  }
}

async function answer(call: Call, service: TokenService, asked: Asked): Promise<void> {
  if (asked.proof.kind === "bad") return refuse(call, 400, asked.proof.why);
  if (asked.service !== null && asked.service !== service.service) return refuse(call, 400, `service: ${JSON.stringify(service.service)} is expected`);
  const who = await identify(call, service, asked.proof);
  if (who.kind !== "known") service.refused({ identity: asked.proof.kind === "password" ? asked.proof.name : "", address: addressOf(call), why: asked.proof.kind === "password" ? "password" : "token", action: "token" });
  if (who.kind === "wait") return refuse(call, 429, `too many failed logins: try again in ${who.seconds} seconds`, { "retry-after": String(who.seconds) });
  if (who.kind === "wrong") return refuse(call, 401, "incorrect username or password", { "www-authenticate": basicChallenge });
  const { token, issuedAt, seconds } = await service.tokens.issue(who.name, scopesFor(service.policy, who.name, asked.scopes));
  const refresh = await refreshFor(service, who.name, asked);
  reply(call, 200, { token, access_token: token, expires_in: seconds, issued_at: issuedAt.toISOString(), ...(refresh === undefined ? {} : { refresh_token: refresh }) });
}

type Who = { readonly kind: "known"; readonly name: string } | { readonly kind: "wrong" } | { readonly kind: "wait"; readonly seconds: number };

async function identify(call: Call, { passwords, tokens }: TokenService, proof: Proof): Promise<Who> {
  switch (proof.kind) {
    case "password": {
      const login: Login = { name: proof.name, password: proof.password, address: addressOf(call) };
      const verdict = await passwords.verify(login);
      return verdict.kind === "right" ? { kind: "known", name: proof.name } : verdict;
    }
    case "refresh": {
      const found = await tokens.verifyRefresh(proof.token);
      const good = found !== undefined && passwords.fingerprint(found.user) === found.fingerprint;
      return good ? { kind: "known", name: found.user } : { kind: "wrong" };
    }
    default:
      return { kind: "known", name: "" };
  }
}

/** A parameter may hold several, by spaces. */
function scopesFor(policy: Policy, user: string, texts: readonly string[]): Scope[] {
  const asked = texts.flatMap((text) => text.split(" ")).filter(Boolean).slice(0, MOST_SCOPES).map(parseScope).filter((scope) => scope !== undefined);
  return granted(asked, (repository, action) => policy.allows(user, repository, action), policy.lists(user));
}

/** A refresh that was used stays good. */
async function refreshFor({ passwords, tokens }: TokenService, user: string, { proof, offline }: Asked): Promise<string | undefined> {
  if (proof.kind === "refresh") return proof.token;
  const fingerprint = offline ? passwords.fingerprint(user) : undefined;
  return fingerprint === undefined ? undefined : await tokens.issueRefresh(user, fingerprint);
}

const refuse = (call: Call, status: number, message: string, headers: Record<string, string> = {}): void =>
  reply(call, status, { errors: [{ code: status === 429 ? "TOOMANYREQUESTS" : status === 401 ? "UNAUTHORIZED" : "UNSUPPORTED", message }], details: message }, headers);

function reply(call: Call, status: number, body: unknown, headers: Record<string, string> = {}): void {
  const text = JSON.stringify(body);
  call.response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text), "cache-control": "no-store", ...headers }).end(text);
}
