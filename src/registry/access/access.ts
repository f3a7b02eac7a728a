/**
 * Who somebody is, and what they may do.
 *
 *     const decision = await access.authorize(call, { repository: "team/app", action: "read" });
 *     if (decision.kind !== "allowed") return refuse(call, decision);
 *
 * The API asks before it looks at anything: whoever may not read a repository cannot tell whether it exists.
 *
 * `openAccounts` makes one of a password file, tokens and a policy (docs/guides/registry-accounts.md):
 * - `passwords.ts`, `htpasswd.ts`, `bcrypt.ts`: who somebody is by name and password
 * - `tokens.ts`, `issuers.ts`, `token-door.ts`: who somebody is by token, ours and others'; where ours are had
 * - `policy.ts`, `scope.ts`: what they may do, and how the token specification says it
 * - `failures.ts`: how often somebody may guess
 */
import type { Call } from "#base/http.ts";

export type Action = "read" | "write" | "delete";

export type Need =
  | { readonly repository: string; readonly action: Action }
  /** GET /v2/: only that somebody is known, or that nobody has to be. */
  | { readonly repository?: undefined; readonly action: "ping" }
  | { readonly repository?: undefined; readonly action: "catalog" };

/** `name` is "" for whoever gave no credentials. Uploads belong to it; events and the audit log say it. */
export type Identity = { readonly name: string };

export type Decision =
  | { readonly kind: "allowed"; readonly identity: Identity }
  /** 401, with this `WWW-Authenticate`. */
  | { readonly kind: "challenge"; readonly header: string; readonly message?: string }
  /** 403: known, and not allowed. */
  | { readonly kind: "denied"; readonly message?: string };

export type Access = {
  /** At once where it can be (what was verified a moment ago is remembered): it is asked for every request. */
  authorize(call: Call, need: Need): Decision | Promise<Decision>;
  /** Without a request's credentials: may this identity, as it was authorized for `call`, do that too (mount, catalog)? */
  may(call: Call, identity: Identity, repository: string, action: Action): boolean | Promise<boolean>;
  /** True when nobody has to say who they are: then the server listens on loopback only, unless it has been told otherwise. */
  readonly open: boolean;
};

const nobody: Decision = Object.freeze({ kind: "allowed", identity: Object.freeze({ name: "" }) });

// openAccounts is imported from accounts.ts by whoever needs it: it brings what reads tokens and passwords with it.
export type { Accounts, AccountsSettings } from "./accounts.ts";

/** Everybody may do everything. */
export const openAccess: Access = { authorize: () => nobody, may: () => true, open: true };
