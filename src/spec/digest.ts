/** Digests: "sha256:" and 64 lower-case hexadecimal digits. The only algorithm that Gantry stores by. */
import { fail } from "#base/errors.ts";

export type Digest = `sha256:${string}`;

const PATTERN = /^sha256:[a-f0-9]{64}$/;

export function isDigest(text: unknown): text is Digest {
  return typeof text === "string" && PATTERN.test(text);
}

/** @throws invalid */
export function parseDigest(text: unknown): Digest {
  if (isDigest(text)) return text;
  throw fail("invalid", `invalid digest: ${JSON.stringify(typeof text === "string" ? text.slice(0, 100) : text)}`);
}

/** The 64 digits. Made from a parsed digest, so it is safe as a file name. */
export function digits(digest: Digest): string {
  return digest.slice(7);
}

/** Docker's short form: the first 12 digits. */
export function shortId(digest: string): string {
  return digest.slice(digest.indexOf(":") + 1).slice(0, 12);
}
