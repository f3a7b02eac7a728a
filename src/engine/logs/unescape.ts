/**
 * JSON's escapes, in place: the bytes of a string between its quotes become what they stand for, in UTF-8. The result is
 * never longer. A lone surrogate becomes U+FFFD; an escape that JSON does not know stands for its last character.
 */
const BACKSLASH = 92;
const SIMPLE = new Uint8Array(256).map((_, byte) => byte);
for (const [letter, code] of Object.entries({ n: 10, t: 9, r: 13, b: 8, f: 12 })) SIMPLE[letter.charCodeAt(0)] = code;

/** Decodes bytes [from, end) of the buffer where they stand; returns where the decoded text ends. */
export function unescape(buffer: Buffer, from: number, end: number): number {
  let out = from;
  let at = from;
  while (at < end) {
    const byte = buffer[at++]!;
    if (byte !== BACKSLASH || at >= end) {
      buffer[out++] = byte;
      continue;
    }
    const letter = buffer[at++]!;
    if (letter !== 117) {
      buffer[out++] = SIMPLE[letter]!;
      continue;
    }
    let unit = hex4(buffer, at);
    at += 4;
    if (unit >= 0xd800 && unit < 0xdc00 && buffer[at] === BACKSLASH && buffer[at + 1] === 117) {
      const low = hex4(buffer, at + 2);
      if (low >= 0xdc00 && low < 0xe000) {
        unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
        at += 6;
      }
    }
    out = writeUtf8(buffer, out, unit >= 0xd800 && unit < 0xe000 ? 0xfffd : unit);
  }
  return out;
}

function hex4(buffer: Buffer, at: number): number {
  let value = 0;
  for (let i = at; i < at + 4; i++) {
    const byte = buffer[i] ?? 48;
    value = value * 16 + (byte & 15) + (byte > 57 ? 9 : 0);
  }
  return value;
}

function writeUtf8(buffer: Buffer, at: number, code: number): number {
  if (code < 0x80) {
    buffer[at] = code;
    return at + 1;
  }
  const size = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  for (let i = size - 1, rest = code; i > 0; i--, rest >>>= 6) buffer[at + i] = 0x80 | (rest & 0x3f);
  buffer[at] = (0xf00 >> size) & 0xff | (code >> (6 * (size - 1)));
  return at + size;
}
