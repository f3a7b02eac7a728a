/** Headers of HTTP/2 as bytes (RFC 7541). Written without the dynamic table and without Huffman; read with both. */
import { fail } from "#base/errors.ts";
import { decodeHuffman } from "./huffman.ts";

/** In order; a name may come several times. Names in lower case; values are Latin-1. */
export type Headers = readonly (readonly [name: string, value: string])[];

/** Appendix A: names, with a value where the entry has one. */
const STATIC: Headers = [
  ":authority|:method=GET|:method=POST|:path=/|:path=/index.html|:scheme=http|:scheme=https|:status=200|:status=204|:status=206|:status=304|:status=400",
  ":status=404|:status=500|accept-charset|accept-encoding=gzip, deflate|accept-language|accept-ranges|accept|access-control-allow-origin|age|allow",
  "authorization|cache-control|content-disposition|content-encoding|content-language|content-length|content-location|content-range|content-type|cookie",
  "date|etag|expect|expires|from|host|if-match|if-modified-since|if-none-match|if-range|if-unmodified-since|last-modified|link|location|max-forwards",
  "proxy-authenticate|proxy-authorization|range|referer|refresh|retry-after|server|set-cookie|strict-transport-security|transfer-encoding|user-agent|vary",
  "via|www-authenticate",
].join("|").split("|").map((entry) => {
  const equals = entry.indexOf("=");
  return equals < 0 ? ([entry, ""] as const) : ([entry.slice(0, equals), entry.slice(equals + 1)] as const);
});

const TABLE_BYTES = 4096;
/** RFC 7541, 4.1: what an entry counts besides its letters. */
const ENTRY_BYTES = 32;

export function encodeHeaders(headers: Headers): Buffer {
  return Buffer.concat(headers.flatMap(([name, value]) => {
    const whole = STATIC.findIndex((entry) => entry[0] === name && entry[1] === value);
    if (whole >= 0) return [encodeInteger(0x80, 7, whole + 1)];
    const known = STATIC.findIndex((entry) => entry[0] === name);
    // "Without indexing": 0000, and the name's place, or 0 and the name.
    return known >= 0 ? [encodeInteger(0, 4, known + 1), encodeString(value)] : [encodeInteger(0, 4, 0), encodeString(name), encodeString(value)];
  }));
}

function encodeString(text: string): Buffer {
  return Buffer.concat([encodeInteger(0, 7, text.length), Buffer.from(text, "latin1")]);
}

function encodeInteger(head: number, bits: number, value: number): Buffer {
  const limit = 2 ** bits - 1;
  if (value < limit) return Buffer.from([head | value]);
  const bytes = [head | limit];
  let rest = value - limit;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}

export type HeaderDecoder = { decode(block: Uint8Array): Headers };

/** Of one connection: what was told in one block may be pointed at in the next. */
export function createHeaderDecoder(): HeaderDecoder {
  const dynamic: (readonly [string, string])[] = [];
  let bytes = 0;
  let limit = TABLE_BYTES;
  const entry = (index: number): readonly [string, string] => {
    const found = index <= STATIC.length ? STATIC[index - 1] : dynamic[index - STATIC.length - 1];
    if (found === undefined) throw fail("invalid", "http2: a header points at nothing");
    return found;
  };
  const shrink = () => {
    while (bytes > limit) bytes -= sizeOf(dynamic.pop()!);
  };
  const remember = (pair: readonly [string, string]) => {
    dynamic.unshift(pair);
    bytes += sizeOf(pair);
    shrink();
  };
  return {
    decode(block) {
      const reader = { block, at: 0 };
      const headers: (readonly [string, string])[] = [];
      while (reader.at < block.length) {
        const head = block[reader.at]!;
        if (head >= 0x80) headers.push(entry(readInteger(reader, 7)));
        else if (head >= 0x20 && head < 0x40) {
          limit = readInteger(reader, 5);
          if (limit > TABLE_BYTES) throw fail("invalid", "http2: a table of headers is larger than was agreed");
          shrink();
        } else {
          const kept = head >= 0x40;
          const index = readInteger(reader, kept ? 6 : 4);
          const name = index === 0 ? readString(reader) : entry(index)[0];
          const pair = [name, readString(reader)] as const;
          if (kept) remember(pair);
          headers.push(pair);
        }
      }
      return headers;
    },
  };
}

const sizeOf = ([name, value]: readonly [string, string]): number => name.length + value.length + ENTRY_BYTES;

type Reader = { readonly block: Uint8Array; at: number };

function readInteger(reader: Reader, bits: number): number {
  const limit = 2 ** bits - 1;
  let value = nextByte(reader) & limit;
  if (value < limit) return value;
  for (let scale = 1; ; scale *= 128) {
    const byte = nextByte(reader);
    if (scale > 2 ** 28) throw fail("invalid", "http2: a number in a header is too large");
    value += (byte & 127) * scale;
    if (byte < 128) return value;
  }
}

function nextByte(reader: Reader): number {
  const byte = reader.block[reader.at++];
  if (byte === undefined) throw fail("invalid", "http2: a header is cut short");
  return byte;
}

function readString(reader: Reader): string {
  const coded = (reader.block[reader.at] ?? 0) >= 0x80;
  const length = readInteger(reader, 7);
  const bytes = reader.block.subarray(reader.at, reader.at + length);
  if (bytes.length < length) throw fail("invalid", "http2: a header is cut short");
  reader.at += length;
  return coded ? decodeHuffman(bytes) : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}
