import { randomUUID } from "node:crypto";
import { link, mkdir, open, readFile, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { exportJWK, generateKeyPair, importJWK, type CryptoKey, type JWK } from "jose";
import { fail } from "#base/errors.ts";

/** The key that our tokens are signed with. `id` is its `kid`. */
export type TokenKey = { readonly id: string; readonly sign: CryptoKey; readonly verify: CryptoKey };

export const ALGORITHM = "ES256";

/** The key in the file (a JWK, for its owner's eyes only), or a new one. Of several who start at once, one makes it. */
export async function openTokenKey(path: string): Promise<TokenKey> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw fail("unavailable", `read the token key ${path}: ${error.message}`, { cause: error });
    return undefined;
  });
  if (text !== undefined) return await readKey(text, path);
  await makeKey(path);
  return await readKey(await readFile(path, "utf8"), path);
}

async function readKey(text: string, path: string): Promise<TokenKey> {
  try {
    const jwk = JSON.parse(text) as JWK;
    const { d: _secret, ...shared } = jwk;
    const [sign, verify] = [await importJWK(jwk, ALGORITHM), await importJWK(shared, ALGORITHM)];
    if (typeof jwk.kid !== "string" || sign instanceof Uint8Array || verify instanceof Uint8Array) throw new Error("no key for ES256");
    return { id: jwk.kid, sign, verify };
  } catch (cause) {
    throw fail("invalid", `read the token key ${path}: it holds no ES256 key as JWK`, { cause });
  }
}

/** Written whole beside its place, then linked there, unless somebody was faster. */
async function makeKey(path: string): Promise<void> {
  const { privateKey } = await generateKeyPair(ALGORITHM, { extractable: true });
  const jwk = { ...(await exportJWK(privateKey)), kid: randomUUID(), alg: ALGORITHM, use: "sig" };
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const beside = `${path}.${randomUUID()}`;
  const file = await open(beside, "wx", 0o600);
  try {
    await file.writeFile(`${JSON.stringify(jwk)}\n`);
    await file.sync();
    await link(beside, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  } finally {
    await file.close();
    await rm(beside, { force: true });
  }
}
