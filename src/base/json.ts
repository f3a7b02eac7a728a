/** JSON from strangers: bounded, UTF-8, and without the numbers that JavaScript would silently change. */
import { fail, messageOf } from "./errors.ts";

export type JsonLimits = { readonly what: string; readonly limit?: number };

const DEFAULT_LIMIT = 4 * 2 ** 20;
const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Parses bytes. @throws invalid: too long, not UTF-8, not JSON, or an integer beyond 2^53 (which would be rounded).
 */
export function parseJson(bytes: Uint8Array, { what, limit = DEFAULT_LIMIT }: JsonLimits): unknown {
  if (bytes.length > limit) throw fail("invalid", `read ${what}: ${bytes.length} bytes, more than the limit of ${limit}`);
  try {
    return JSON.parse(utf8.decode(bytes), exact);
  } catch (error) {
    throw fail("invalid", `read ${what}: ${messageOf(error)}`, { cause: error });
  }
}

function exact(_key: string, value: unknown): unknown {
  if (typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value)) {
    throw new RangeError(`the integer ${value} is too large`);
  }
  return value;
}
