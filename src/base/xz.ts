/** The .xz format, read: streams of blocks of LZMA2. No library of Node's reads it. */
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { openInput, type ByteInput } from "./byte-input.ts";
import { fail } from "./errors.ts";
import { type LzmaDecoder, openLzma } from "./lzma.ts";

const LZMA2 = 0x21;
/** Twice what the best compression level asks for. */
const MAX_DICTIONARY = 128 * 2 ** 20;
const MAX_CHUNK = 2 ** 16 + 6;

type Wrong = (why: string) => Error;

/** @throws invalid for what is corrupt, cut short, filtered for a machine's code, or wants more than 128 MiB to look back to */
export async function* readXz(source: AsyncIterable<Uint8Array>, what: string): AsyncGenerator<Buffer> {
  const input = openInput(source);
  const wrong: Wrong = (why) => fail("invalid", `read ${what}: it is no valid xz stream: ${why}`);
  try {
    do {
      yield* readStream(input, wrong);
    } while (await isMore(input, wrong));
  } finally {
    await input.end();
  }
}

async function take(input: ByteInput, length: number, wrong: Wrong): Promise<Buffer> {
  if (!(await input.need(length))) throw wrong("it ends too early");
  const part = Buffer.from(input.bytes.buffer, input.bytes.byteOffset + input.at, length);
  input.at += length;
  return part;
}

/** Zeros, four at a time, may stand between streams. */
async function isMore(input: ByteInput, wrong: Wrong): Promise<boolean> {
  while (await input.need(4)) {
    if (input.bytes[input.at] !== 0) return true;
    if ((await take(input, 4, wrong)).readUInt32LE(0) !== 0) throw wrong("what stands behind it");
  }
  if (await input.need(1)) throw wrong("what stands behind it");
  return false;
}

async function* readStream(input: ByteInput, wrong: Wrong): AsyncGenerator<Buffer> {
  const head = await take(input, 12, wrong);
  if (head.toString("latin1", 0, 6) !== "\xfd7zXZ\0" || head[6] !== 0 || crc32(head.subarray(6, 8)) !== head.readUInt32LE(8)) throw wrong("its head");
  const flags = head[7]!;
  let blocks = 0;
  for (;;) {
    const [size] = await take(input, 1, wrong);
    if (size === 0) break;
    yield* readBlock(input, size!, flags, wrong);
    blocks++;
  }
  const index = await readIndex(input, blocks, wrong);
  const foot = await take(input, 12, wrong);
  if (foot[8] !== 0 || foot[9] !== flags || foot.toString("latin1", 10) !== "YZ" || crc32(foot.subarray(4, 10)) !== foot.readUInt32LE(0)) throw wrong("its foot");
  if ((foot.readUInt32LE(4) + 1) * 4 !== index) throw wrong("its foot");
}

async function* readBlock(input: ByteInput, size: number, flags: number, wrong: Wrong): AsyncGenerator<Buffer> {
  const rest = await take(input, size * 4 + 3, wrong);
  const head = Buffer.concat([Buffer.from([size]), rest]);
  if (crc32(head.subarray(0, -4)) !== head.readUInt32LE(head.length - 4)) throw wrong("a block's head");
  const { dictionary, unpacked } = parseBlock(head.subarray(0, -4), wrong);
  const check = openCheck(flags, wrong);
  const counted = { packed: 0, unpacked: 0 };
  for await (const part of readChunks(input, openLzma(dictionary), counted, wrong)) {
    check.update(part);
    yield part;
  }
  if (unpacked !== undefined && unpacked !== counted.unpacked) throw wrong("a block's size");
  const padding = await take(input, (4 - (counted.packed % 4)) % 4, wrong);
  if (padding.some((byte) => byte !== 0)) throw wrong("a block's end");
  if (!check.digest().equals(await take(input, check.size, wrong))) throw wrong("a block's checksum");
}

function parseBlock(head: Buffer, wrong: Wrong): { dictionary: number; unpacked: number | undefined } {
  const flags = head[1]!;
  const cursor = { at: 2 };
  const number = () => readNumber(head, cursor, wrong);
  if ((flags & 0x3c) !== 0) throw wrong("a block's head");
  if ((flags & 0x40) !== 0) number();
  const unpacked = (flags & 0x80) === 0 ? undefined : number();
  if ((flags & 3) !== 0 || number() !== LZMA2) throw wrong("it has filters, and only plain LZMA2 is read");
  if (number() !== 1) throw wrong("a filter");
  const bits = head[cursor.at++]! & 0x3f;
  const dictionary = bits === 40 ? 2 ** 32 - 1 : (2 | (bits & 1)) * 2 ** (Math.floor(bits / 2) + 11);
  if (dictionary > MAX_DICTIONARY) throw wrong(`it looks back ${dictionary} bytes, and ${MAX_DICTIONARY} are the most`);
  return { dictionary, unpacked };
}

/** Seven bits a byte, the lowest first, nine bytes at most. */
function readNumber(bytes: Buffer, cursor: { at: number }, wrong: Wrong): number {
  let value = 0;
  for (let one = 0; one < 9; one++) {
    const byte = bytes[cursor.at++];
    if (byte === undefined) throw wrong("a number");
    value += (byte & 0x7f) * 2 ** (7 * one);
    if (byte < 0x80) return value;
  }
  throw wrong("a number");
}

async function* readChunks(input: ByteInput, lzma: LzmaDecoder, counted: { packed: number; unpacked: number }, wrong: Wrong): AsyncGenerator<Buffer> {
  let [needsDictionary, needsProps] = [true, true];
  for (;;) {
    await input.need(MAX_CHUNK);
    const [control] = await take(input, 1, wrong);
    counted.packed++;
    if (control === 0) return;
    if (control! > 2 && control! < 0x80) throw wrong("a chunk");
    const reset = control! >= 0x80 ? (control! >> 5) & 3 : control === 1 ? 3 : 0;
    if (reset === 3) lzma.forgetDictionary();
    if (reset === 3 || control === 1) needsDictionary = false;
    if (needsDictionary) throw wrong("a chunk");
    if (control! < 0x80) {
      const size = (await take(input, 2, wrong)).readUInt16BE(0) + 1;
      lzma.copy(await take(input, size, wrong));
      counted.packed += 2 + size;
    } else {
      const head = await take(input, 4, wrong);
      const [size, packed] = [((control! & 0x1f) << 16) + head.readUInt16BE(0) + 1, head.readUInt16BE(2) + 1];
      const props = reset >= 2 ? (await take(input, 1, wrong))[0] : undefined;
      if (reset >= 2) needsProps = false;
      if (needsProps || (reset > 0 && !lzma.reset(props))) throw wrong("a chunk");
      if (!lzma.decode(await take(input, packed, wrong), size)) throw wrong("its content");
      counted.packed += 4 + packed + (props === undefined ? 0 : 1);
      // Up to 2 MiB were decoded: others have their turn.
      await new Promise((resolve) => setImmediate(resolve));
    }
    const part = lzma.take();
    counted.unpacked += part.length;
    yield part;
  }
}

/** How many blocks there were, and sizes that need not be looked at; its length, with the zero that told of it. */
async function readIndex(input: ByteInput, blocks: number, wrong: Wrong): Promise<number> {
  const bytes: number[] = [0];
  const number = async (): Promise<number> => {
    const start = bytes.length;
    do bytes.push((await take(input, 1, wrong))[0]!);
    while (bytes.at(-1)! >= 0x80 && bytes.length - start < 9);
    return readNumber(Buffer.from(bytes), { at: start }, wrong);
  };
  if ((await number()) !== blocks) throw wrong("its index");
  for (let one = 0; one < 2 * blocks; one++) await number();
  while (bytes.length % 4 !== 0) bytes.push((await take(input, 1, wrong))[0]!);
  if (crc32(Buffer.from(bytes)) !== (await take(input, 4, wrong)).readUInt32LE(0)) throw wrong("its index");
  return bytes.length + 4;
}

type Check = { readonly size: number; update(bytes: Buffer): void; digest(): Buffer };

function openCheck(flags: number, wrong: Wrong): Check {
  if (flags === 0) return { size: 0, update: () => {}, digest: () => Buffer.alloc(0) };
  if (flags === 1) return crcCheck32();
  if (flags === 4) return crcCheck64();
  if (flags !== 10) throw wrong(`its checksums are of type ${flags}`);
  const hash = createHash("sha256");
  return { size: 32, update: (bytes) => void hash.update(bytes), digest: () => hash.digest() };
}

function crcCheck32(): Check {
  let crc = 0;
  const digest = () => {
    const out = Buffer.alloc(4);
    out.writeUInt32LE(crc);
    return out;
  };
  return { size: 4, update: (bytes) => void (crc = crc32(bytes, crc)), digest };
}

/** The polynomial of ECMA-182, lowest bit first, in two halves. */
const [LOW, HIGH] = tables64();

function tables64(): [Uint32Array, Uint32Array] {
  const [low, high] = [new Uint32Array(256), new Uint32Array(256)];
  for (let byte = 0; byte < 256; byte++) {
    let crc = BigInt(byte);
    for (let bit = 0; bit < 8; bit++) crc = (crc >> 1n) ^ ((crc & 1n) === 1n ? 0xc96c5795d7870f42n : 0n);
    low[byte] = Number(crc & 0xffffffffn);
    high[byte] = Number(crc >> 32n);
  }
  return [low, high];
}

function crcCheck64(): Check {
  let [low, high] = [0xffffffff, 0xffffffff];
  const update = (bytes: Buffer) => {
    let [l, h] = [low, high];
    for (let at = 0; at < bytes.length; at++) {
      const byte = (l ^ bytes[at]!) & 0xff;
      l = ((l >>> 8) | (h << 24)) ^ LOW[byte]!;
      h = (h >>> 8) ^ HIGH[byte]!;
    }
    [low, high] = [l >>> 0, h >>> 0];
  };
  const digest = () => {
    const out = Buffer.alloc(8);
    out.writeUInt32LE(~low >>> 0, 0);
    out.writeUInt32LE(~high >>> 0, 4);
    return out;
  };
  return { size: 8, update, digest };
}
