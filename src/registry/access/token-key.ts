import { randomUUID } from "node:crypto";
import { link, mkdir, open, readFile, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { exportJWK, generateKeyPair, importJWK, type CryptoKey, type JWK } from "jose";
import { fail } from "#base/errors.ts";

/** The key that our tokens are signed with. `id` is its `kid`. */
export type TokenKey = { readonly id: string; readonly sign: CryptoKey; readonly verify: CryptoKey };

export const ALGORITHM = "ES256";

/** Where a key is when it is no file: of several who create it at once, one does. */
export type KeyHome = { readonly name: string; read(): Promise<Uint8Array | undefined>; create(bytes: Uint8Array): Promise<unknown> };

/** The key that is there (a JWK), or a new one. */
export async function openTokenKey(home: string | KeyHome): Promise<TokenKey> {
  const { name, read, create } = typeof home === "string" ? fileHome(home) : home;
  const found = await read();
  if (found === undefined) await create(Buffer.from(`${JSON.stringify(await makeKey())}\n`));
  return await readKey(String(found ?? (await read())), name);
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

async function makeKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair(ALGORITHM, { extractable: true });
  return { ...(await exportJWK(privateKey)), kid: randomUUID(), alg: ALGORITHM, use: "sig" };
}

const fileHome = (path: string): KeyHome => ({
  name: path,
  read: () =>
    readFile(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw fail("unavailable", `read the token key ${path}: ${error.message}`, { cause: error });
      return undefined;
    }),
  create: (bytes) => createFile(path, bytes),
});

/** For its owner's eyes only. Written whole beside its place, then linked there, unless somebody was faster. */
async function createFile(path: string, bytes: Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const beside = `${path}.${randomUUID()}`;
  const file = await open(beside, "wx", 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
    await link(beside, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  } finally {
    await file.close();
    await rm(beside, { force: true });
  }
}
