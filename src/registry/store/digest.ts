/** Digests that the registry stores by: SHA-256, which everybody uses, and SHA-512 for who asks for it. They become keys. */
import { createHash, hash } from "node:crypto";

const LENGTHS = { sha256: 64, sha512: 128 } as const;

export type Algorithm = keyof typeof LENGTHS;
export type Digest = `${Algorithm}:${string}`;

export function isDigest(text: unknown): text is Digest {
  if (typeof text !== "string") return false;
  const length = LENGTHS[text.slice(0, 6) as Algorithm];
  return length !== undefined && text.length === 7 + length && text[6] === ":" && HEX.test(text.slice(7));
}

const HEX = /^[a-f0-9]+$/;

export const isSha256 = (digest: Digest): digest is `sha256:${string}` => algorithmOf(digest) === "sha256";
export const algorithmOf = (digest: Digest): Algorithm => digest.slice(0, 6) as Algorithm;
export const digits = (digest: Digest): string => digest.slice(7);

/** Undefined for what is not the digits of a digest. How many there are says of which algorithm. */
export function digestOfDigits(text: string): Digest | undefined {
  const digest = `${text.length === LENGTHS.sha512 ? "sha512" : "sha256"}:${text}`;
  return isDigest(digest) ? digest : undefined;
}

export const digestOfBytes = (bytes: Uint8Array, algorithm: Algorithm): Digest => `${algorithm}:${hash(algorithm, bytes)}`;

export type Hasher = { readonly algorithm: Algorithm; update(bytes: Uint8Array): void; digest(): Digest };

/** For bytes that come in pieces. */
export function hasher(algorithm: Algorithm): Hasher {
  const state = createHash(algorithm);
  return { algorithm, update: (bytes) => void state.update(bytes), digest: () => `${algorithm}:${state.digest("hex")}` };
}
