/**
 * Protocol buffers (proto3) by tables: a message is a table of fields, its types follow from it.
 *
 *     const vertex = message("Vertex", { digest: text(1), inputs: many(text(2)), started: sub(5, timestamp) });
 *     vertex.decode(vertex.encode({ digest: "sha256:…" }))      // { digest: "sha256:…", inputs: [], started: undefined }
 *
 * Decoding is bounded: it reads only the bytes it was given, makes at most MAX_ITEMS list and map entries, and descends no
 * deeper than the tables do. Unknown fields are skipped. What is damaged (cut short, a wrong wire type, text that is no
 * UTF-8) is a Failure "invalid". https://protobuf.dev/programming-guides/encoding/
 */
import { isUtf8 } from "node:buffer";
import { fail } from "./errors.ts";

/** A field: what decoding gives, and what encoding takes. Unset numbers are 0, texts "", lists and maps empty. */
export type Field<Out, In = Out> = { readonly number: number; readonly type: Type; readonly how: "one" | "many" | "map"; readonly key?: Type; readonly types?: (value: In) => Out };

export type Fields = Readonly<Record<string, Field<unknown, never>>>;

export type Decoded<F extends Fields> = { readonly [K in keyof F]: F[K] extends Field<infer Out, never> ? Out : never };

export type Encodable<F extends Fields> = { readonly [K in keyof F]?: (F[K] extends Field<unknown, infer In> ? In : never) | undefined };

export type Message<Out, In> = {
  readonly name: string;
  /** `headroom`: so many bytes are left free before it. */
  encode(value: In, headroom?: number): Buffer;
  /** Byte fields are views of `bytes`. @throws invalid */
  decode(bytes: Uint8Array): Out;
  readonly write: (out: Writer, value: In) => void;
  readonly read: (from: Reader, end: number) => Out;
};

/** What a message decodes to, and what it is encoded of. */
export type Of<M> = M extends Message<infer Out, never> ? Out : never;
export type In<M> = M extends Message<unknown, infer Value> ? Value : never;

export const MAX_ITEMS = 200_000;

type Type = {
  readonly wire: 0 | 2;
  readonly zero: unknown;
  read(from: Reader, end: number): unknown;
  write(out: Writer, value: never): void;
  isZero(value: never): boolean;
};

type Reader = { readonly bytes: Buffer; at: number; items: number };
type Writer = { bytes: Buffer; at: number };

export const text = (number: number): Field<string> => ({ number, type: TEXT, how: "one" });
export const bytes = (number: number): Field<Buffer, Uint8Array> => ({ number, type: BYTES, how: "one" });
export const bool = (number: number): Field<boolean> => ({ number, type: BOOL, how: "one" });
export const uint32 = (number: number): Field<number> => ({ number, type: UINT32, how: "one" });
/** int32 and enums. */
export const int32 = (number: number): Field<number> => ({ number, type: INT32, how: "one" });
/** int64 as a number: exact up to 2^53. */
export const int64 = (number: number): Field<number> => ({ number, type: INT64, how: "one" });
/** int64, exact. */
export const bigint64 = (number: number): Field<bigint> => ({ number, type: BIGINT64, how: "one" });
export const sub = <Out, Value>(number: number, of: Message<Out, Value>): Field<Out | undefined, Value | undefined> => ({ number, type: subType(of), how: "one" });
export const many = <Out, Value>(field: Field<Out, Value>): Field<readonly Exclude<Out, undefined>[], readonly Exclude<Value, undefined>[]> => ({ number: field.number, type: field.type, how: "many" });

/** Keys are texts; those of numbers are their decimals. */
export const map = <Out, Value>(number: number, value: Field<Out, Value>, key: "text" | "int64" = "text"): Field<Readonly<Record<string, Exclude<Out, undefined>>>, Readonly<Record<string, Exclude<Value, undefined>>>> => ({
  number,
  type: value.type,
  how: "map",
  key: key === "text" ? TEXT : INT64,
});

export function message<F extends Fields>(name: string, fields: F): Message<Decoded<F>, Encodable<F>> {
  // Most messages that a program knows it never meets.
  let entries: [string, Field<unknown, never>][] | undefined;
  let reading: ReturnType<typeof prepare> | undefined;

  function prepare() {
    const byNumber: ({ readonly name: string; readonly field: Field<unknown, never> } | undefined)[] = [];
    entries ??= Object.entries(fields);
    for (const [key, field] of entries) byNumber[field.number] = { name: key, field };
    /** Copied for each message: quicker than making one key after another. Lists and maps are made with their first entry. */
    const zeros = Object.fromEntries(entries.map(([key, { how, type }]) => [key, how === "many" ? NO_LIST : how === "map" ? NO_MAP : type.zero]));
    return { byNumber, zeros };
  }

  function read(from: Reader, end: number): Decoded<F> {
    const { byNumber, zeros } = (reading ??= prepare());
    const value: Record<string, unknown> = { ...zeros };
    while (from.at < end) {
      const tag = readUint32(from, end);
      const wire = tag & 7;
      const known = byNumber[tag >>> 3];
      if (known === undefined) skip(from, wire, end);
      else readField(from, end, wire, known.field, value, known.name);
    }
    return value as Decoded<F>;
  }

  function write(out: Writer, value: Encodable<F>): void {
    for (const [key, field] of (entries ??= Object.entries(fields))) {
      const given = (value as Record<string, unknown>)[key];
      if (given === undefined) continue;
      if (field.how === "one") writeOne(out, field, given);
      else if (field.how === "many") for (const item of given as readonly unknown[]) writeTagged(out, field.number, field.type, item);
      else for (const [entryKey, item] of Object.entries(given as object)) writeEntry(out, field, entryKey, item);
    }
  }

  return {
    name,
    read,
    write,
    encode(value, headroom = 0) {
      const out: Writer = { bytes: scratch, at: headroom };
      write(out, value);
      if (out.bytes.length > scratch.length && out.bytes.length <= MAX_SCRATCH) scratch = out.bytes;
      return Buffer.from(out.bytes.subarray(0, out.at));
    },
    decode(given) {
      const from: Reader = { bytes: Buffer.from(given.buffer, given.byteOffset, given.byteLength), at: 0, items: MAX_ITEMS };
      return read(from, given.byteLength);
    },
  };
}

const NO_LIST: readonly never[] = Object.freeze([]);
const NO_MAP: object = Object.freeze(Object.create(null) as object);

let scratch: Buffer = Buffer.allocUnsafeSlow(64 * 1024);
const MAX_SCRATCH = 2 ** 20;

function readField(from: Reader, end: number, wire: number, field: Field<unknown, never>, value: Record<string, unknown>, name: string): void {
  const { type, how, key } = field;
  if (how === "map") {
    const entryEnd = readEnd(from, wire, end);
    countItem(from);
    if (value[name] === NO_MAP) value[name] = Object.create(null);
    readEntry(from, entryEnd, key as Type, type, value[name] as Record<string, unknown>);
  } else if (how === "many") {
    if (value[name] === NO_LIST) value[name] = [];
    const list = value[name] as unknown[];
    if (wire === type.wire) list.push((countItem(from), type.read(from, end)));
    else {
      // Numbers of a list may come packed.
      const listEnd = type.wire === 0 ? readEnd(from, wire, end) : wrongWire();
      while (from.at < listEnd) list.push((countItem(from), type.read(from, listEnd)));
    }
  } else value[name] = wire === type.wire ? type.read(from, end) : wrongWire();
}

function readEntry(from: Reader, end: number, keyType: Type, type: Type, into: Record<string, unknown>): void {
  let key: unknown = keyType.zero;
  let value: unknown = type.zero;
  while (from.at < end) {
    const tag = readUint32(from, end);
    if (tag === (8 | keyType.wire)) key = keyType.read(from, end);
    else if (tag === (16 | type.wire)) value = type.read(from, end);
    else skip(from, tag & 7, end);
  }
  // A message that is not there is an empty one.
  into[String(key)] = value ?? type.read({ bytes: Buffer.alloc(1), at: 0, items: 0 }, 1);
}

function countItem(from: Reader): void {
  if (--from.items < 0) throw fail("invalid", `read a message: it has more than ${MAX_ITEMS} entries`);
}

function readEnd(from: Reader, wire: number, end: number): number {
  if (wire !== 2) wrongWire();
  const length = readUint32(from, end);
  if (length > end - from.at) throw cut();
  return from.at + length;
}

function skip(from: Reader, wire: number, end: number): void {
  if (wire === 0) readVarint(from, end);
  else if (wire === 2) from.at = readEnd(from, wire, end);
  else if (wire === 1 || wire === 5) {
    from.at += wire === 1 ? 8 : 4;
    if (from.at > end) throw cut();
  } else wrongWire();
}

/** The two halves of the varint that was read last. */
let low = 0;
let high = 0;

function readVarint(from: Reader, end: number): void {
  const { bytes: buffer } = from;
  low = high = 0;
  for (let shift = 0; shift < 70; shift += 7) {
    if (from.at >= end) throw cut();
    const byte = buffer[from.at++]!;
    const bits = byte & 0x7f;
    if (shift < 28) low |= bits << shift;
    else if (shift === 28) {
      low |= bits << 28;
      high = bits >>> 4;
    } else high |= bits << (shift - 32);
    if (byte < 0x80) {
      low >>>= 0;
      high >>>= 0;
      return;
    }
  }
  throw fail("invalid", "read a message: a number of more than ten bytes");
}

function readUint32(from: Reader, end: number): number {
  const byte = from.at < end ? from.bytes[from.at]! : 0x80;
  if (byte < 0x80) {
    from.at++;
    return byte;
  }
  readVarint(from, end);
  return low;
}

const cut = () => fail("invalid", "read a message: it is cut short");

function wrongWire(): never {
  throw fail("invalid", "read a message: a field is of another kind than expected");
}

function writeOne(out: Writer, { number, type }: Field<unknown, never>, value: unknown): void {
  if (!type.isZero(value as never)) writeTagged(out, number, type, value);
}

function writeTagged(out: Writer, number: number, type: Type, value: unknown): void {
  writeVarint(out, number * 8 + type.wire);
  type.write(out, value as never);
}

function writeEntry(out: Writer, { number, type, key }: Field<unknown, never>, entryKey: string, value: unknown): void {
  writeVarint(out, number * 8 + 2);
  writeSized(out, () => {
    const keyType = key as Type;
    writeTagged(out, 1, keyType, keyType === TEXT ? entryKey : Number(entryKey));
    writeTagged(out, 2, type, value);
  });
}

/** Room for the usual length of one byte is left; what turns out longer is moved. */
function writeSized(out: Writer, write: () => void): void {
  room(out, 1);
  const start = ++out.at;
  write();
  const length = out.at - start;
  if (length < 0x80) {
    out.bytes[start - 1] = length;
    return;
  }
  let extra = 0;
  for (let rest = length; rest >= 0x80; rest = Math.floor(rest / 128)) extra++;
  room(out, extra);
  out.bytes.copyWithin(start + extra, start, out.at);
  const end = out.at + extra;
  out.at = start - 1;
  writeVarint(out, length);
  out.at = end;
}

function room(out: Writer, size: number): void {
  if (out.at + size <= out.bytes.length) return;
  const larger = Buffer.allocUnsafeSlow(Math.max(out.bytes.length * 2, out.at + size));
  out.bytes.copy(larger, 0, 0, out.at);
  out.bytes = larger;
}

function writeVarint(out: Writer, value: number): void {
  room(out, 10);
  let rest = value;
  while (rest >= 0x80) {
    out.bytes[out.at++] = (rest % 128) | 0x80;
    rest = Math.floor(rest / 128);
  }
  out.bytes[out.at++] = rest;
}

function writeBigVarint(out: Writer, value: bigint): void {
  room(out, 10);
  let rest = BigInt.asUintN(64, value);
  while (rest >= 0x80n) {
    out.bytes[out.at++] = Number(rest & 0x7fn) | 0x80;
    rest >>= 7n;
  }
  out.bytes[out.at++] = Number(rest);
}

const isNothing = (value: number | string | boolean): boolean => value === 0 || value === "" || value === false;

const TEXT: Type = {
  wire: 2,
  zero: "",
  isZero: isNothing,
  read(from, end) {
    const start = (readEndInto(from, end), from.at);
    const stop = (from.at = stopAt);
    const value = from.bytes.toString("utf8", start, stop);
    if (value.includes("\ufffd") && !isUtf8(from.bytes.subarray(start, stop))) throw fail("invalid", "read a message: a text is not UTF-8");
    return value;
  },
  write(out, value: string) {
    const length = Buffer.byteLength(value);
    writeVarint(out, length);
    room(out, length);
    out.at += out.bytes.write(value, out.at, "utf8");
  },
};

let stopAt = 0;
const readEndInto = (from: Reader, end: number): void => void (stopAt = readEnd(from, 2, end));

const BYTES: Type = {
  wire: 2,
  zero: Buffer.alloc(0),
  isZero: (value: Uint8Array) => value.length === 0,
  read(from, end) {
    readEndInto(from, end);
    const value = from.bytes.subarray(from.at, stopAt);
    from.at = stopAt;
    return value;
  },
  write(out, value: Uint8Array) {
    writeVarint(out, value.length);
    room(out, value.length);
    out.bytes.set(value, out.at);
    out.at += value.length;
  },
};

const BOOL: Type = {
  wire: 0,
  zero: false,
  isZero: isNothing,
  read: (from, end) => (readVarint(from, end), low !== 0 || high !== 0),
  write: (out, value: boolean) => writeVarint(out, value ? 1 : 0),
};

const UINT32: Type = { wire: 0, zero: 0, isZero: isNothing, read: (from, end) => (readVarint(from, end), low), write: (out, value: number) => writeVarint(out, value >>> 0) };

const INT32: Type = { wire: 0, zero: 0, isZero: isNothing, read: (from, end) => (readVarint(from, end), low | 0), write: writeInt64 };

const INT64: Type = { wire: 0, zero: 0, isZero: isNothing, read: (from, end) => (readVarint(from, end), (high | 0) * 2 ** 32 + low), write: writeInt64 };

const BIGINT64: Type = {
  wire: 0,
  zero: 0n,
  isZero: (value: bigint) => value === 0n,
  read: (from, end) => (readVarint(from, end), (BigInt(high | 0) << 32n) | BigInt(low)),
  write: writeBigVarint,
};

function writeInt64(out: Writer, value: number): void {
  if (value < 0) writeBigVarint(out, BigInt(Math.trunc(value)));
  else writeVarint(out, Math.trunc(value));
}

function subType<Out, Value>(of: Message<Out, Value>): Type {
  return {
    wire: 2,
    zero: undefined,
    isZero: () => false,
    read(from, end) {
      const stop = readEnd(from, 2, end);
      return of.read(from, stop);
    },
    write: (out, value: Value) => writeSized(out, () => of.write(out, value)),
  };
}
