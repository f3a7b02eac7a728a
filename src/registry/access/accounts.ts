/**
 * Accounts: a password file, a policy, tokens of our own and of other issuers.
 *
 *     await using accounts = await openAccounts({ htpasswd: "/etc/registry/htpasswd", policy: "/etc/registry/policy.json", … });
 *     openRegistry({ access: accounts.access, doors: accounts.doors, … });
 *
 * A request may come with a password (Basic) or with a token (Bearer). Which of them a challenge asks for: tokens if there
 * is a token service, ours or another's. Ours runs when the policy gives anybody anything without a name: Docker's client
 * learns by its first request what a registry asks for, and could otherwise not do both, pull without an account and push
 * with one.
 */
import type { Call } from "#base/http.ts";
import type { Log } from "#base/log.ts";
import type { Refusal } from "../events/events.ts";
import type { Access, Action, Decision, Identity, Need } from "./access.ts";
import { basicChallenge, bearerChallenge, type Realm } from "./challenge.ts";
import { addressOf, readCredentials } from "./credentials.ts";
import { countFailures, defaultLimits, type FailureLimits } from "./failures.ts";
import { parseHtpasswd, type Htpasswd } from "./htpasswd.ts";
import { openIssuer, type Issuer, type IssuerSettings } from "./issuers.ts";
import { openPasswords, type Passwords, type Verdict } from "./passwords.ts";
import { defaultPolicy, parsePolicy, type Policy } from "./policy.ts";
import { covers, type Scope } from "./scope.ts";
import { tokenDoor } from "./token-door.ts";
import { openTokenKey, type KeyHome } from "./token-key.ts";
import { openTokens, rememberTokens, type Tokens } from "./tokens.ts";
import { watchFile } from "./watched-file.ts";

export type AccountsSettings = {
  /** The password file; undefined: nobody has a password. */
  readonly htpasswd?: string | undefined;
  /** The policy file; undefined: every account may do everything. */
  readonly policy?: string | undefined;
  /** Without a policy file: everybody may read. */
  readonly anonymousPull?: boolean | undefined;
  readonly tokens?: {
    /** undefined: where anonymous requests may do something. */
    readonly serve?: boolean | undefined;
    /** Where the key is, and made if there is none: a file, or beside the registry's objects. */
    readonly key: string | KeyHome;
    /** The service's name in challenges; several instances of one registry have the same. */
    readonly service?: string | undefined;
    /** Where clients reach /token, if not at the address that they asked. */
    readonly url?: string | undefined;
    readonly accessSeconds?: number | undefined;
    readonly refreshSeconds?: number | undefined;
  } | undefined;
  readonly issuers?: readonly IssuerSettings[] | undefined;
  readonly failures?: FailureLimits | undefined;
  /** Told of who is turned away. */
  readonly refused?: ((refusal: Refusal) => void) | undefined;
};

export type Accounts = AsyncDisposable & {
  readonly access: Access;
  /** By path: /token. */
  readonly doors: Readonly<Record<string, (call: Call) => Promise<void>>>;
};

/** @throws invalid for a file that cannot be understood */
export async function openAccounts(settings: AccountsSettings, log: Log): Promise<Accounts> {
  const { issuers: issuerSettings = [], tokens: tokenSettings } = settings;
  const [htpasswd, policy] = [await openHtpasswd(settings.htpasswd, log), await openPolicy(settings, log)];
  const issuers = await Promise.all(issuerSettings.map((one) => openIssuer(one, log)));
  const passwords = openPasswords(() => htpasswd?.value ?? new Map(), countFailures(settings.failures ?? defaultLimits));
  const serve = tokenSettings !== undefined && (tokenSettings.serve ?? policy.value.anonymous);
  const service = tokenSettings?.service ?? "gantry-registry";
  const tokens = serve ? openTokens(await openTokenKey(tokenSettings.key), { name: service, accessSeconds: tokenSettings.accessSeconds ?? 300, refreshSeconds: tokenSettings.refreshSeconds ?? 90 * 86_400 }) : undefined;
  const realm = serve ? { url: tokenSettings.url, service } : realmOf(issuers);
  const files = [htpasswd, policy, ...issuers].filter((file) => file !== undefined);
  const fresh = () => {
    const waits = files.map((file) => file.refresh()).filter((wait) => wait !== undefined);
    return waits.length === 0 ? undefined : Promise.all(waits);
  };
  const refused = settings.refused ?? (() => {});
  const parts: Parts = { passwords, tokens, issuers, policy: () => policy.value, realm, refused };
  const authorize = authorizer(parts);
  return {
    access: {
      authorize(call, need) {
        const wait = fresh();
        return wait === undefined ? authorize(call, need) : wait.then(() => authorize(call, need));
      },
      may: (_call, identity, repository, action) => mayToo(parts, identity, repository, action),
      open: false,
    },
    doors: tokens === undefined ? {} : { "/token": async (call) => void (await fresh(), await tokenDoor(call, { passwords, tokens, policy: policy.value, service, refused })) },
    [Symbol.asyncDispose]: () => passwords[Symbol.asyncDispose](),
  };
}

const openHtpasswd = async (path: string | undefined, log: Log) => (path === undefined ? undefined : await watchFile<Htpasswd>(path, (text) => parseHtpasswd(text, path), log));

async function openPolicy({ policy: path, anonymousPull = false }: AccountsSettings, log: Log): Promise<{ readonly value: Policy; refresh(): Promise<void> | undefined }> {
  if (path === undefined) return { value: defaultPolicy(anonymousPull), refresh: () => undefined };
  return await watchFile(path, (text) => parsePolicy(text, path), log);
}

const realmOf = (issuers: readonly Issuer[]): Realm | undefined => {
  const named = issuers.find(({ settings }) => settings.realm !== undefined);
  return named === undefined ? undefined : { url: named.settings.realm, service: named.settings.audience };
};

type Parts = {
  readonly passwords: Passwords;
  readonly tokens: Tokens | undefined;
  readonly issuers: readonly Issuer[];
  readonly policy: () => Policy;
  readonly realm: Realm | undefined;
  readonly refused: (refusal: Refusal) => void;
};

/** `scopes`: what a token is limited to. `foreign`: its issuer decides, our policy does not know its people. */
type Known = Identity & { readonly scopes?: readonly Scope[]; readonly foreign?: boolean; readonly wholeCatalog?: boolean };

const anonymous: Known = Object.freeze({ name: "" });

function authorizer(parts: Parts): Access["authorize"] {
  const remembered = rememberTokens<Known>();
  const challenge = (call: Call, need: Need, message: string, error?: "invalid_token" | "insufficient_scope"): Decision => ({
    kind: "challenge",
    header: parts.realm === undefined ? basicChallenge : bearerChallenge(call, need, parts.realm, error),
    message,
  });

  const tell = (call: Call, { action, repository }: Need, identity: string, why: Refusal["why"]) => parts.refused({ identity, address: addressOf(call), why, action, repository });

  const decide = (call: Call, need: Need, known: Known): Decision => {
    if (known.scopes !== undefined && !covers(known.scopes, need)) return challenge(call, need, "the token is not for this", "insufficient_scope");
    if (known.foreign === true || isAllowed(parts, need, known)) return { kind: "allowed", identity: need.action === "catalog" ? { ...known, wholeCatalog: true } : known };
    if (known.name === "" || known.scopes !== undefined) return challenge(call, need, "authentication required");
    tell(call, need, known.name, "right");
    return { kind: "denied", message: `${known.name} may not do this` };
  };

  const withPassword = (call: Call, need: Need, name: string, verdict: Verdict): Decision => {
    if (verdict.kind === "right") return decide(call, need, { name });
    tell(call, need, name, "password");
    return challenge(call, need, verdict.kind === "wait" ? `too many failed logins: try again in ${verdict.seconds} seconds` : "incorrect username or password");
  };

  const withToken = async (call: Call, need: Need, token: string): Promise<Decision> => {
    const known = await verifyToken(parts, token, remembered.put);
    if (known !== undefined) return decide(call, need, known);
    tell(call, need, "", "token");
    return challenge(call, need, "the token is not valid", "invalid_token");
  };

  return (call, need) => {
    const sent = readCredentials(call.headers.authorization);
    switch (sent.kind) {
      case "none":
        return decide(call, need, anonymous);
      case "garbage":
        return challenge(call, need, "the Authorization header cannot be read");
      case "password": {
        const verdict = parts.passwords.verify({ ...sent, address: addressOf(call) });
        return verdict instanceof Promise ? verdict.then((late) => withPassword(call, need, sent.name, late)) : withPassword(call, need, sent.name, verdict);
      }
      case "token": {
        const known = remembered.get(sent.token);
        return known === undefined ? withToken(call, need, sent.token) : decide(call, need, known);
      }
    }
  };
}

const REMEMBERED_MS = 5 * 60_000;

async function verifyToken({ tokens, issuers }: Parts, token: string, remember: (token: string, known: Known, until: number) => void): Promise<Known | undefined> {
  const ours = await tokens?.verify(token);
  let found = ours;
  for (const issuer of issuers) found ??= await issuer.verify(token);
  if (found === undefined) return undefined;
  const known: Known = { name: found.claims.user, scopes: found.claims.scopes, foreign: ours === undefined };
  // Not for long: an issuer may take back a key.
  remember(token, known, Math.min(found.until, Date.now() + REMEMBERED_MS));
  return known;
}

function isAllowed({ passwords, policy, realm }: Parts, need: Need, { name, scopes }: Known): boolean {
  // A token may outlive its account by minutes.
  if (name !== "" && !passwords.has(name)) return false;
  switch (need.action) {
    // Where tokens are had, a client learns it here; a token says that it has learnt it.
    case "ping":
      return name !== "" || scopes !== undefined || (realm === undefined && policy().anonymous);
    case "catalog":
      return policy().lists(name);
    default:
      return policy().allows(name, need.repository, need.action);
  }
}

/** Of what a catalog shows, a token for the catalog need not name each. */
function mayToo({ policy }: Parts, identity: Known, repository: string, action: Action): boolean {
  const { name, scopes, foreign, wholeCatalog } = identity;
  if (scopes !== undefined && wholeCatalog !== true && !covers(scopes, { repository, action })) return false;
  return foreign === true || policy().allows(name, repository, action);
}
