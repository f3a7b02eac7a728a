/** A pack's index: for each file 32 bytes of its digest, its offset and its length in 8 bytes each, little-endian. */
import type { Digest } from "#spec/digest.ts";

export type PackRecord = { readonly digest: Digest; readonly offset: number; readonly length: number };

export const RECORD = 48;

export function encodeRecords(records: readonly PackRecord[]): Buffer {
  const bytes = Buffer.alloc(records.length * RECORD);
  records.forEach(({ digest, offset, length }, index) => {
    const at = index * RECORD;
    bytes.write(digest.slice("sha256:".length), at, 32, "hex");
    bytes.writeUIntLE(offset, at + 32, 6);
    bytes.writeUIntLE(length, at + 40, 6);
  });
  return bytes;
}

/** What is left of a record that was not written whole is none. */
export function decodeRecords(bytes: Buffer): PackRecord[] {
  const records: PackRecord[] = [];
  for (let at = 0; at + RECORD <= bytes.length; at += RECORD) {
    records.push({ digest: `sha256:${bytes.toString("hex", at, at + 32)}`, offset: bytes.readUIntLE(at + 32, 6), length: bytes.readUIntLE(at + 40, 6) });
  }
  return records;
}
