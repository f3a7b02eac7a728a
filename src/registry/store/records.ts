/** The small JSON objects of the store: descriptors. We wrote them; what does not read is a damaged store. */
import { messageOf } from "#base/errors.ts";
import { isDigest } from "./digest.ts";
import type { ManifestDescriptor } from "./store.ts";

export function readDescriptor(bytes: Uint8Array, key: string): ManifestDescriptor {
  const value = parsed(bytes, key) as Partial<ManifestDescriptor>;
  if (!isDigest(value.digest) || typeof value.mediaType !== "string" || typeof value.size !== "number") throw new Error(`read ${key}: it is no descriptor`);
  return value as ManifestDescriptor;
}

function parsed(bytes: Uint8Array, key: string): object {
  try {
    return Object(JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()));
  } catch (error) {
    throw new Error(`read ${key}: ${messageOf(error)}`);
  }
}
