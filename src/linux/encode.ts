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
import { codeOf, MINUS_ONE, OPS, type Op, type OpName, type Program } from "./ops.ts";

const MAGIC = 0x31504347;
const HEADER = 16;
const names = Object.keys(OPS) as OpName[];
const codes = new Map(names.map((name) => [name, codeOf(name)]));

/** The ops in the order of the wire: each followed by its undos. An index in a reply counts in this list. */
export function flatten(program: Program): Op[] {
  return program.flatMap((op) => [op, ...(op.undo ?? [])]);
}

/** Encodes a program. Throws a TypeError for an unknown op or field: a mistake in our code, never in input. */
export function encodeProgram(program: Program): Buffer {
  const ops = program.flatMap((op) => [measure(op, 0), ...(op.undo ?? []).map((undo) => measure(undo, 1))]);
  // Measured first, so that what is written into files is copied once only.
  const out = Buffer.allocUnsafe(HEADER + ops.reduce((sum, op) => sum + op.length, 0));
  out.fill(0, 0, HEADER);
  out.writeUInt32LE(MAGIC, 0);
  out.writeUInt32LE(ops.length, 4);
  out.writeUInt32LE(out.length, 8);
  let at = HEADER;
  for (const op of ops) at = writeOp(out, at, op);
  return out;
}

/** Data of at least this many bytes is not copied by `encodeParts`. */
const LARGE = 8192;

/** The same bytes in pieces: large data as it is, not copied, which nobody may change until the pieces are written. */
export function encodeParts(program: Program): { parts: Uint8Array[]; length: number } {
  const ops = program.flatMap((op) => [measure(op, 0), ...(op.undo ?? []).map((undo) => measure(undo, 1))]);
  const length = HEADER + ops.reduce((sum, op) => sum + op.length, 0);
  const large = ops.reduce((sum, { strings }) => sum + strings.reduce((all, bytes) => all + (bytes.length >= LARGE ? bytes.length : 0), 0), 0);
  const out = Buffer.allocUnsafe(length - large);
  out.fill(0, 0, HEADER);
  out.writeUInt32LE(MAGIC, 0);
  out.writeUInt32LE(ops.length, 4);
  out.writeUInt32LE(length, 8);
  const parts: Uint8Array[] = [];
  let from = 0;
  let at = HEADER;
  const pass = (data: Uint8Array, end: number) => {
    parts.push(out.subarray(from, end), data);
    from = end;
  };
  for (const op of ops) at = writeOp(out, at, op, pass);
  if (from < at) parts.push(out.subarray(from, at));
  return { parts, length };
}

type Fields = Record<string, number | bigint | string | Uint8Array | Program | undefined>;
type Measured = { fields: Fields; code: number; tolerate: number; flags: number; ints: readonly string[]; strings: Uint8Array[]; length: number };

function measure(op: Op, flags: number): Measured {
  const shape = OPS[op.op];
  const code = codes.get(op.op);
  if (shape === undefined || code === undefined) throw new TypeError(`encode a program: no op named ${op.op}`);
  const fields = op as unknown as Fields;
  const strings = (shape.strs as readonly string[]).map((name) => stringBytes(fields[name]));
  const length = HEADER + 8 * shape.ints.length + strings.reduce((sum, bytes) => sum + padded(4 + bytes.length + 1), 0);
  return { fields, code, tolerate: op.tolerate ?? 0, flags, ints: shape.ints, strings, length };
}

/** `pass` takes large strings, with where in `out` they belong. */
function writeOp(out: Buffer, start: number, { fields, code, tolerate, flags, ints, strings, length }: Measured, pass?: (data: Uint8Array, at: number) => void): number {
  out.fill(0, start, start + HEADER);
  out.writeUInt16LE(code, start);
  out.writeUInt16LE(tolerate, start + 2);
  out[start + 4] = ints.length;
  out[start + 5] = strings.length;
  out[start + 6] = flags;
  out.writeUInt32LE(length, start + 8);
  let at = start + HEADER;
  for (const name of ints) at = writeInt(out, at, (fields[name] as number | bigint) ?? (MINUS_ONE.has(name) ? -1 : 0));
  for (const bytes of strings) {
    const end = padded(4 + bytes.length + 1) - 4 - bytes.length;
    out.writeUInt32LE(bytes.length, at);
    at += 4;
    if (pass !== undefined && bytes.length >= LARGE) pass(bytes, at);
    else {
      out.set(bytes, at);
      at += bytes.length;
    }
    out.fill(0, at, at + end);
    at += end;
  }
  return at;
}

/** Most are small, and a BigInt is slow. */
function writeInt(out: Buffer, at: number, value: number | bigint): number {
  if (typeof value === "number" && value === (value | 0)) {
    out.writeInt32LE(value, at);
    return out.writeInt32LE(value < 0 ? -1 : 0, at + 4);
  }
  return out.writeBigInt64LE(BigInt.asIntN(64, BigInt(value)), at);
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
