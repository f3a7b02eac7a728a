/**
 * Tokens of somebody else's token service (a CI system, a company's login): by keys that the operator wrote into a file,
 * as a JWKS or as PEM, and by no others. Only signatures with public keys are taken: there is no secret that a public key
 * could be mistaken for.
 */
import { createLocalJWKSet, importSPKI, importX509, exportJWK, jwtVerify, type JSONWebKeySet, type JWK } from "jose";
import { fail } from "#base/errors.ts";
import { parseJson } from "#base/json.ts";
import type { Log } from "#base/log.ts";
import { verifiedOf, type Verified } from "./tokens.ts";
import { watchFile } from "./watched-file.ts";

export type IssuerSettings = {
  /** The tokens' `iss`. */
  readonly issuer: string;
  /** The tokens' `aud`, and "service" in a challenge. */
  readonly audience: string;
  /** A file: JWKS, or PEM of public keys or certificates. Read again when it changes. */
  readonly keys: string;
  /** Where tokens are had: what a challenge names when we have no token service of our own. */
  readonly realm?: string | undefined;
};

export type Issuer = {
  readonly settings: IssuerSettings;
  refresh(): Promise<void> | undefined;
  verify(token: string): Promise<Verified | undefined>;
};

const ALGORITHMS = ["ES256", "ES384", "ES512", "EdDSA", "Ed25519", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];

export async function openIssuer(settings: IssuerSettings, log: Log): Promise<Issuer> {
  // A parser that may wait: the promise is what is kept.
  const file = await watchFile(settings.keys, (text) => readKeys(text, settings.keys).then(createLocalJWKSet), log);
  await file.value;
  return {
    settings,
    refresh: () => file.refresh(),
    async verify(token) {
      try {
        const options = { algorithms: ALGORITHMS, issuer: settings.issuer, audience: settings.audience, requiredClaims: ["exp"], clockTolerance: 30 };
        return verifiedOf((await jwtVerify(token, await file.value, options)).payload);
      } catch {
        return undefined;
      }
    },
  };
}

async function readKeys(text: string, path: string): Promise<JSONWebKeySet> {
  try {
    const keys = text.trimStart().startsWith("{") ? keysOfSet(text) : await keysOfPem(text);
    if (keys.length === 0) throw new Error("there is no public key in it");
    return { keys };
  } catch (cause) {
    throw fail("invalid", `read the keys of an issuer from ${path}: ${(cause as Error).message}`, { cause });
  }
}

function keysOfSet(text: string): JWK[] {
  const { keys } = parseJson(text) as { keys?: JWK[] };
  if (!Array.isArray(keys)) throw new Error('"keys" is expected to be a list');
  // Of a private key only what is public; a secret is no key for this.
  return keys.filter(({ kty }) => kty !== "oct").map(({ d: _d, p: _p, q: _q, dp: _dp, dq: _dq, qi: _qi, x5c: _x5c, x5u: _x5u, ...shared }) => shared);
}

async function keysOfPem(text: string): Promise<JWK[]> {
  const blocks = text.match(/-----BEGIN (PUBLIC KEY|CERTIFICATE)-----[^-]+-----END \1-----/g) ?? [];
  return await Promise.all(blocks.map(async (pem) => await exportJWK(await importPem(pem))));
}

async function importPem(pem: string) {
  const read = pem.includes("CERTIFICATE") ? importX509 : importSPKI;
  for (const algorithm of ["ES256", "RS256", "EdDSA", "ES384", "ES512"]) {
    const key = await read(pem, algorithm, { extractable: true }).catch(() => undefined);
    if (key !== undefined) return key;
  }
  throw new Error("a key of a kind that is not known");
}
