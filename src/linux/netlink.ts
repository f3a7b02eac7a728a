/**
 * Netlink messages as bytes, in the machine's byte order (little-endian; arm64 and x86-64 alike).
 *
 *     message: u32 length, u16 type, u16 flags, u32 sequence, u32 port, body
 *     attribute: u16 length, u16 type, value, padding to 4
 *
 * Pure: a message is made here, put into the op `netlink`, and what that op collected is read here.
 */
export const NLM_F = { REQUEST: 1, ACK: 4, REPLACE: 0x100, EXCL: 0x200, CREATE: 0x400, APPEND: 0x800, DUMP: 0x300 } as const;

const NESTED = 0x8000;
const TYPE_MASK = 0x3fff;
const HEADER = 16;

/** An attribute, encoded. */
export type Attribute = Buffer;

export function attribute(type: number, value: Uint8Array): Attribute {
  const length = 4 + value.length;
  const out = Buffer.alloc(aligned(length));
  out.writeUInt16LE(length, 0);
  out.writeUInt16LE(type, 2);
  out.set(value, 4);
  return out;
}

export function nested(type: number, ...children: readonly Attribute[]): Attribute {
  return attribute(type | NESTED, Buffer.concat(children));
}

/** NUL-terminated. */
export function text(type: number, value: string): Attribute {
  return attribute(type, Buffer.from(value + "\0"));
}

export function u8(type: number, value: number): Attribute {
  return attribute(type, Uint8Array.of(value));
}

export function u16(type: number, value: number): Attribute {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return attribute(type, bytes);
}

export function u32(type: number, value: number): Attribute {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return attribute(type, bytes);
}

/** Network byte order, as nf_tables wants its numbers. */
export function be32(type: number, value: number): Attribute {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return attribute(type, bytes);
}

export function be16(type: number, value: number): Attribute {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return attribute(type, bytes);
}

export type Message = { readonly type: number; readonly flags: number; readonly body: Buffer };

/** A message: header, fixed part, attributes. Sequence and port are 0: each op has a socket of its own. */
export function message(type: number, flags: number, fixed: Uint8Array, ...attributes: readonly Attribute[]): Buffer {
  const body = Buffer.concat(attributes);
  const start = aligned(HEADER + fixed.length);
  const out = Buffer.alloc(start + body.length);
  out.writeUInt32LE(out.length, 0);
  out.writeUInt16LE(type, 4);
  out.writeUInt16LE(flags | NLM_F.REQUEST, 6);
  out.set(fixed, HEADER);
  out.set(body, start);
  return out;
}

/** Messages in a row, as the op `netlink` collected them. Stops at what does not hold together. */
export function* readMessages(data: Buffer): Generator<Message> {
  let at = 0;
  while (at + HEADER <= data.length) {
    const length = data.readUInt32LE(at);
    if (length < HEADER || at + length > data.length) return;
    yield { type: data.readUInt16LE(at + 4), flags: data.readUInt16LE(at + 6), body: data.subarray(at + HEADER, at + length) };
    at += aligned(length) <= data.length - at ? aligned(length) : length;
  }
}

/** Attributes by type, without the nesting bits; of a repeated one the last. */
export function readAttributes(data: Buffer): Map<number, Buffer> {
  return new Map(eachAttribute(data));
}

export function* eachAttribute(data: Buffer): Generator<[number, Buffer]> {
  let at = 0;
  while (at + 4 <= data.length) {
    const length = data.readUInt16LE(at);
    if (length < 4 || at + length > data.length) return;
    yield [data.readUInt16LE(at + 2) & TYPE_MASK, data.subarray(at + 4, at + length)];
    at += aligned(length);
  }
}

/** Text of an attribute that may end with NUL. */
export function readText(value: Buffer | undefined): string {
  if (value === undefined) return "";
  const end = value.indexOf(0);
  return value.toString("utf8", 0, end === -1 ? value.length : end);
}

const aligned = (length: number) => (length + 3) & ~3;
