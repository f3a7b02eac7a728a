/**
 * The tokens of our own token service. An access token says who and what for, for a few minutes; a refresh token says who,
 * until the password changes ("docker login" keeps it in place of the password).
 *
 * What is verified is remembered by the token's hash until it expires: a request costs one SHA-256 of a kilobyte. Keys come
 * from our file alone; what a token says of keys (`jwk`, `x5c`, `jku`, `kid`) is not looked at (RS-02).
 */
import { createHash, randomUUID } from "node:crypto";
import { jwtVerify, SignJWT, type JWTPayload } from "jose";
import type { Scope } from "./scope.ts";
import { ALGORITHM, type TokenKey } from "./token-key.ts";

export type Claims = { readonly user: string; readonly scopes: readonly Scope[] };

export type TokenSettings = {
  /** In a challenge, and the tokens' audience. */
  readonly name: string;
  readonly accessSeconds: number;
  readonly refreshSeconds: number;
};

export type Tokens = {
  issue(user: string, scopes: readonly Scope[]): Promise<{ token: string; issuedAt: Date; seconds: number }>;
  issueRefresh(user: string, fingerprint: string): Promise<string>;
  /** Undefined for what is not, or no longer, ours. */
  verify(token: string): Promise<Verified | undefined>;
  verifyRefresh(token: string): Promise<{ user: string; fingerprint: string } | undefined>;
};

/** `until`: milliseconds since 1970. */
export type Verified = { readonly claims: Claims; readonly until: number };

const ISSUER = "gantry-registry";

export function openTokens(key: TokenKey, settings: TokenSettings): Tokens {
  const sign = async (payload: JWTPayload, user: string, { typ, seconds, audience }: { typ: string; seconds: number; audience: string }) => {
    const now = Math.floor(Date.now() / 1000);
    const token = new SignJWT(payload).setProtectedHeader({ alg: ALGORITHM, typ, kid: key.id }).setIssuer(ISSUER).setAudience(audience).setSubject(user);
    return { token: await token.setIssuedAt(now).setNotBefore(now - 5).setExpirationTime(now + seconds).setJti(randomUUID()).sign(key.sign), issuedAt: new Date(now * 1000), seconds };
  };
  const check = async (token: string, typ: string, audience: string): Promise<JWTPayload | undefined> => {
    try {
      const options = { algorithms: [ALGORITHM], issuer: ISSUER, audience, typ, requiredClaims: ["exp", "sub"], clockTolerance: 5 };
      return (await jwtVerify(token, key.verify, options)).payload;
    } catch {
      return undefined;
    }
  };
  const refreshAudience = `${settings.name} refresh`;
  return {
    issue: (user, scopes) => sign({ access: scopes }, user, { typ: "JWT", seconds: settings.accessSeconds, audience: settings.name }),
    issueRefresh: async (user, fingerprint) => (await sign({ fp: fingerprint }, user, { typ: "refresh+jwt", seconds: settings.refreshSeconds, audience: refreshAudience })).token,
    async verify(token) {
      const payload = await check(token, "JWT", settings.name);
      return payload === undefined ? undefined : verifiedOf(payload);
    },
    async verifyRefresh(token) {
      const payload = await check(token, "refresh+jwt", refreshAudience);
      return payload === undefined ? undefined : { user: payload.sub ?? "", fingerprint: String(payload["fp"]) };
    },
  };
}

/** As the specification has a token's claims. */
export function verifiedOf(payload: JWTPayload): Verified {
  const access = Array.isArray(payload["access"]) ? (payload["access"] as unknown[]) : [];
  return { claims: { user: payload.sub ?? "", scopes: access.filter(isScope) }, until: (payload.exp ?? 0) * 1000 };
}

function isScope(value: unknown): value is Scope {
  if (typeof value !== "object" || value === null) return false;
  const { type, name, actions } = value as Partial<Scope>;
  return typeof type === "string" && typeof name === "string" && Array.isArray(actions) && actions.every((action) => typeof action === "string");
}

export type Remembered<T> = { get(token: string): T | undefined; put(token: string, value: T, until: number): void };

const MOST_REMEMBERED = 4096;

/** What was found out about a token, under its hash: the token itself is not kept. */
export function rememberTokens<T>(now: () => number = Date.now): Remembered<T> {
  const known = new Map<string, { value: T; until: number }>();
  const keyOf = (token: string) => createHash("sha256").update(token).digest("base64");
  return {
    get(token) {
      const found = known.get(keyOf(token));
      return found === undefined || found.until <= now() ? undefined : found.value;
    },
    put(token, value, until) {
      known.set(keyOf(token), { value, until });
      if (known.size > MOST_REMEMBERED) known.delete(known.keys().next().value as string);
    },
  };
}
