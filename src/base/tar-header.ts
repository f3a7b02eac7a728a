/** One header block of 512 bytes: https://www.gnu.org/software/tar/manual/html_node/Standard.html */
import { fail } from "./errors.ts";

export type RawHeader = {
  readonly flag: string;
  readonly name: Buffer;
  readonly linkName: Buffer;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly sec: number;
  readonly nsec: number;
  readonly major: number;
  readonly minor: number;
  readonly xattrs: readonly (readonly [Buffer, Buffer])[];
};

const MAX_ID = 2 ** 32 - 2;

/** @throws invalid */
export function parseHeader(block: Buffer): RawHeader {
  if (!checksumHolds(block)) throw fail("invalid", "read a tar archive: a header's checksum is wrong, so it is damaged or no tar archive");
  const flag = String.fromCharCode(block[156]!);
  const posix = block.toString("latin1", 257, 263) === "ustar\0";
  const device = flag === "3" || flag === "4";
  return {
    flag,
    name: posix ? joinPrefix(textAt(block, 345, 155), textAt(block, 0, 100)) : textAt(block, 0, 100),
    linkName: textAt(block, 157, 100),
    mode: number(block, 100, 8, 0, Number.MAX_SAFE_INTEGER, "mode"),
    uid: number(block, 108, 8, 0, MAX_ID, "user ID"),
    gid: number(block, 116, 8, 0, MAX_ID, "group ID"),
    size: number(block, 124, 12, 0, Number.MAX_SAFE_INTEGER, "size"),
    sec: number(block, 136, 12, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, "time"),
    nsec: 0,
    // The kernel packs 12 bits of major and 20 of minor; a larger one would become another device.
    major: device ? number(block, 329, 8, 0, 0xfff, "device number") : 0,
    minor: device ? number(block, 337, 8, 0, 0xfffff, "device number") : 0,
    xattrs: [],
  };
}

/** The sum of all bytes, the checksum's own counted as spaces. Some old programs added signed bytes. */
function checksumHolds(block: Buffer): boolean {
  let unsigned = 0;
  let high = 0;
  for (let at = 0; at < 512; at++) {
    const byte = at >= 148 && at < 156 ? 32 : block[at]!;
    unsigned += byte;
    if (byte > 127) high += 256;
  }
  const stored = octal(block, 148, 8);
  return stored === unsigned || stored === unsigned - high;
}

function textAt(block: Buffer, at: number, length: number): Buffer {
  let end = at;
  while (end < at + length && block[end] !== 0) end++;
  // A copy: the block is a slice of somebody's chunk.
  return Buffer.from(block.subarray(at, end));
}

const SLASH = Buffer.from("/");
const joinPrefix = (prefix: Buffer, name: Buffer): Buffer => (prefix.length === 0 ? name : Buffer.concat([prefix, SLASH, name]));

function number(block: Buffer, at: number, length: number, least: number, most: number, what: string): number {
  const value = (block[at]! & 0x80) !== 0 ? base256(block, at, length) : octal(block, at, length);
  if (value === undefined || value < least || value > most) {
    throw fail("invalid", `read a tar archive: an entry's ${what} is out of range`);
  }
  return value;
}

/** Octal digits between spaces and NULs; nothing at all is 0. Undefined for anything else. */
function octal(block: Buffer, at: number, length: number): number | undefined {
  let value = 0;
  let begun = false;
  let ended = false;
  for (let i = at; i < at + length; i++) {
    const byte = block[i]!;
    if (byte === 0 || byte === 32) {
      ended = begun;
      if (byte === 0 && begun) break;
      continue;
    }
    if (byte < 48 || byte > 55 || ended) return undefined;
    begun = true;
    value = value * 8 + (byte - 48);
  }
  return value;
}

/** GNU: the first bit says so, the rest is a big-endian two's complement number. Undefined beyond 2^53. */
function base256(block: Buffer, at: number, length: number): number | undefined {
  const negative = (block[at]! & 0x40) !== 0;
  let value = BigInt(block[at]! & 0x7f);
  for (let i = at + 1; i < at + length; i++) value = (value << 8n) | BigInt(block[i]!);
  if (negative) value -= 1n << BigInt(length * 8 - 1);
  const result = Number(value);
  return Number.isSafeInteger(result) ? result : undefined;
}
