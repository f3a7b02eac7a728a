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
  const out = header(type, value.length);
  out.set(value, 4);
  return out;
}

export function nested(type: number, ...children: readonly Attribute[]): Attribute {
  let length = 0;
  for (const child of children) length += child.length;
  const out = header(type | NESTED, length);
  let at = 4;
  for (const child of children) {
    out.set(child, at);
    at += child.length;
  }
  return out;
}

/** NUL-terminated. */
export function text(type: number, value: string): Attribute {
  return attribute(type, Buffer.from(value + "\0"));
}

export function u8(type: number, value: number): Attribute {
  const out = header(type, 1);
  out[4] = value;
  return out;
}

export function u16(type: number, value: number): Attribute {
  const out = header(type, 2);
  out[4] = value;
  out[5] = value >> 8;
  return out;
}

export function u32(type: number, value: number): Attribute {
  const out = header(type, 4);
  out[4] = value;
  out[5] = value >> 8;
  out[6] = value >> 16;
  out[7] = value >> 24;
  return out;
}

/** Network byte order, as nf_tables wants its numbers. */
export function be32(type: number, value: number): Attribute {
  const out = header(type, 4);
  out[4] = value >> 24;
  out[5] = value >> 16;
  out[6] = value >> 8;
  out[7] = value;
  return out;
}

export function be16(type: number, value: number): Attribute {
  const out = header(type, 2);
  out[4] = value >> 8;
  out[5] = value;
  return out;
}

/** Room for a value of this length, zeros where it is padded. Bytes are set one by one: a rule has dozens of attributes, and calls cost. */
function header(type: number, valueLength: number): Buffer {
  const length = 4 + valueLength;
  const end = aligned(length);
  const out = Buffer.allocUnsafe(end);
  out[0] = length;
  out[1] = length >> 8;
  out[2] = type;
  out[3] = type >> 8;
  for (let at = length; at < end; at++) out[at] = 0;
  return out;
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
