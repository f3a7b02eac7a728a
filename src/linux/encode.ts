/**
 * Programs as bytes, little-endian, as native/cell.c decodes them:
 *
 *     program: u32 magic "GCP1", u32 op count, u32 total length, u32 0, ops…
 *     op:      u16 code, u16 tolerated errno, u8 ints, u8 strings, u8 flags (1: an undo of the op before), u8 0,
 *              u32 length of the whole op, u32 0, i64 × ints, strings…
 *     string:  u32 length, bytes, NUL, padding to 8
 *
 * Undo ops follow the op that they undo, flagged; they are counted and numbered like any other.
 */
import { MINUS_ONE, OPS, type Op, type OpName, type Program } from "./ops.ts";

const MAGIC = 0x31504347;
const HEADER = 16;
const names = Object.keys(OPS) as OpName[];
const codes = new Map(names.map((name, index) => [name, index + 1]));

/** The ops in the order of the wire: each followed by its undos. An index in a reply counts in this list. */
export function flatten(program: Program): Op[] {
  return program.flatMap((op) => [op, ...(op.undo ?? [])]);
}

/** Encodes a program. Throws a TypeError for an unknown op or field: a mistake in our code, never in input. */
export function encodeProgram(program: Program): Buffer {
  const parts: Buffer[] = [];
  let count = 0;
  for (const op of program) {
    parts.push(encodeOp(op, 0));
    for (const undo of op.undo ?? []) parts.push(encodeOp(undo, 1));
    count += 1 + (op.undo?.length ?? 0);
  }
  const header = Buffer.alloc(HEADER);
  header.writeUInt32LE(MAGIC, 0);
  header.writeUInt32LE(count, 4);
  header.writeUInt32LE(HEADER + parts.reduce((sum, part) => sum + part.length, 0), 8);
  return Buffer.concat([header, ...parts]);
}

function encodeOp(op: Op, flags: number): Buffer {
  const shape = OPS[op.op];
  const code = codes.get(op.op);
  if (shape === undefined || code === undefined) throw new TypeError(`encode a program: no op named ${op.op}`);
  const fields = op as unknown as Record<string, number | bigint | string | Uint8Array | Program | undefined>;
  const strings = (shape.strs as readonly string[]).map((name) => stringBytes(fields[name]));
  const ints = shape.ints as readonly string[];
  const length = HEADER + 8 * ints.length + strings.reduce((sum, bytes) => sum + padded(4 + bytes.length + 1), 0);
  const out = Buffer.alloc(length);
  out.writeUInt16LE(code, 0);
  out.writeUInt16LE(op.tolerate ?? 0, 2);
  out[4] = ints.length;
  out[5] = strings.length;
  out[6] = flags;
  out.writeUInt32LE(length, 8);
  let at = HEADER;
  for (const name of ints) {
    out.writeBigInt64LE(BigInt.asIntN(64, BigInt((fields[name] as number) ?? (MINUS_ONE.has(name) ? -1 : 0))), at);
    at += 8;
  }
  for (const bytes of strings) {
    out.writeUInt32LE(bytes.length, at);
    out.set(bytes, at + 4);
    at += padded(4 + bytes.length + 1);
  }
  return out;
}

function stringBytes(value: number | bigint | string | Uint8Array | Program | undefined): Uint8Array {
  if (value === undefined) return Buffer.alloc(0);
  if (typeof value === "string") return Buffer.from(value);
  if (value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return encodeProgram(value as Program);
  throw new TypeError("encode a program: a string field holds a number");
}

const padded = (length: number) => (length + 7) & ~7;

/** NUL-terminated strings in a row, as `exec` takes them. Throws if one holds a NUL. */
export function stringList(list: readonly string[]): Buffer {
  for (const item of list) if (item.includes("\0")) throw new TypeError("a string holds a NUL byte");
  return Buffer.from(list.map((item) => item + "\0").join(""));
}
