/** bzip2, read: block by block, each at most 900,000 bytes before its runs are written out. No library of Node's reads it. */
import { openInput, type ByteInput } from "./byte-input.ts";
import { fail } from "./errors.ts";

const BLOCK = 0x314159265359;
const END = 0x177245385090;
/** More than the longest block takes: 18,002 groups of 50 symbols of 20 bits, and the tables. */
const LONGEST = 3 * 2 ** 20;
const MAX_CODE = 20;
const GROUP = 50;
/** Bits that are looked up at once. */
const FAST = 10;
const PIECE = 2 ** 20;

/** @throws invalid for what is corrupt or cut short */
export async function* readBzip2(source: AsyncIterable<Uint8Array>, what: string): AsyncGenerator<Buffer> {
  const input = openInput(source);
  const wrong = (why: string) => fail("invalid", `read ${what}: it is no valid bzip2 stream: ${why}`);
  try {
    do {
      yield* readStream(input, wrong);
    } while (await input.need(4));
  } catch (error) {
    throw error instanceof RangeError ? wrong("it ends too early") : error;
  } finally {
    await input.end();
  }
}

type Wrong = (why: string) => Error;

async function* readStream(input: ByteInput, wrong: Wrong): AsyncGenerator<Buffer> {
  await input.need(LONGEST);
  const [b, z, h, level] = input.bytes.subarray(input.at, input.at + 4);
  if (b !== 0x42 || z !== 0x5a || h !== 0x68 || level === undefined || level < 0x31 || level > 0x39) throw wrong("its head");
  input.at += 4;
  const room = new Uint32Array((level - 0x30) * 100_000);
  const bits = bitReader(input);
  let combined = 0;
  for (;;) {
    await input.need(LONGEST);
    await new Promise((resolve) => setImmediate(resolve));
    const magic = bits.take(24) * 2 ** 24 + bits.take(24);
    const crc = bits.take32();
    if (magic === END) {
      if (crc !== combined) throw wrong("its checksum");
      return bits.align();
    }
    if (magic !== BLOCK) throw wrong("a block's head");
    const { count, origin } = readBlock(bits, room, wrong);
    const sum = { crc: 0xffffffff };
    yield* unrun(room, count, origin, sum, wrong);
    if ((sum.crc ^ 0xffffffff) >>> 0 !== crc) throw wrong("a block's checksum");
    combined = (((combined << 1) | (combined >>> 31)) ^ crc) >>> 0;
  }
}

type Bits = { take(count: number): number; take32(): number; align(): void; /** The next ten bits, as if zeros followed the input. */ peek(): number; skip(count: number): void };

function bitReader(input: ByteInput): Bits {
  let held = 0;
  let have = 0;
  const take = (count: number): number => {
    while (have < count) {
      if (input.at >= input.bytes.length) throw new RangeError("the input ended");
      held = ((held & 0xffffff) << 8) | input.bytes[input.at++]!;
      have += 8;
    }
    have -= count;
    return (held >>> have) & ((1 << count) - 1);
  };
  const peek = (): number => {
    while (have < FAST && input.at < input.bytes.length) {
      held = ((held & 0xffffff) << 8) | input.bytes[input.at++]!;
      have += 8;
    }
    return have >= FAST ? (held >>> (have - FAST)) & 1023 : (held << (FAST - have)) & 1023;
  };
  const skip = (count: number): void => {
    if (count > have) throw new RangeError("the input ended");
    have -= count;
  };
  const take32 = () => (take(16) * 0x10000 + take(16)) >>> 0;
  // Whole bytes that are held belong to what comes next.
  const align = () => {
    input.at -= have >>> 3;
    have = 0;
  };
  return { take, take32, align, peek, skip };
}

/** Fills `room` with the permuted bytes; the upper 24 bits are still empty. */
function readBlock(bits: Bits, room: Uint32Array, wrong: Wrong): { count: number; origin: number } {
  if (bits.take(1) === 1) throw wrong("a randomized block, as nothing writes any more");
  const origin = bits.take(24);
  const symbols = readSymbols(bits);
  const tables = bits.take(3);
  const selectors = readSelectors(bits, tables, wrong);
  const codes = Array.from({ length: tables }, () => readCode(bits, symbols.length + 2, wrong));
  const count = readData(bits, { symbols, selectors, codes, room, wrong });
  if (origin >= count) throw wrong("where a block begins");
  return { count, origin };
}

function readSymbols(bits: Bits): number[] {
  const used = bits.take(16);
  const symbols: number[] = [];
  for (let high = 0; high < 16; high++) {
    if ((used & (0x8000 >> high)) === 0) continue;
    const low = bits.take(16);
    for (let one = 0; one < 16; one++) if ((low & (0x8000 >> one)) !== 0) symbols.push(high * 16 + one);
  }
  return symbols;
}

function readSelectors(bits: Bits, tables: number, wrong: Wrong): Uint8Array {
  const count = bits.take(15);
  if (tables < 2 || tables > 6 || count === 0) throw wrong("its tables");
  const order = Array.from({ length: tables }, (_, index) => index);
  return Uint8Array.from({ length: count }, () => {
    let at = 0;
    while (bits.take(1) === 1) if (++at >= tables) throw wrong("a selector");
    const [chosen] = order.splice(at, 1);
    order.unshift(chosen!);
    return chosen!;
  });
}

/** Codes by their length: the last code of each, and where its symbols begin. */
type Code = { readonly limit: Int32Array; readonly base: Int32Array; readonly symbols: Uint16Array; /** By the next ten bits: symbol and length of a code that is no longer. */ readonly fast: Uint16Array };

function readCode(bits: Bits, size: number, wrong: Wrong): Code {
  const lengths = new Uint8Array(size);
  let length = bits.take(5);
  for (let symbol = 0; symbol < size; symbol++) {
    for (;;) {
      if (length < 1 || length > MAX_CODE) throw wrong("a code's length");
      if (bits.take(1) === 0) break;
      length += bits.take(1) === 0 ? 1 : -1;
    }
    lengths[symbol] = length;
  }
  const symbols = Uint16Array.from(Array.from(lengths.keys()).sort((a, b) => lengths[a]! - lengths[b]! || a - b));
  const limit = new Int32Array(MAX_CODE + 2).fill(-1);
  const base = new Int32Array(MAX_CODE + 2);
  for (let bit = 1, code = 0, at = 0; bit <= MAX_CODE; bit++, code <<= 1) {
    const count = lengths.reduce((sum, one) => sum + Number(one === bit), 0);
    base[bit] = at - code;
    code += count;
    at += count;
    limit[bit] = count > 0 ? code - 1 : -1;
  }
  const fast = new Uint16Array(1 << FAST);
  for (let next = 0, code = 0, bit = 1; bit <= FAST; bit++, code <<= 1) {
    for (; next < size && lengths[symbols[next]!] === bit; next++, code++) fast.fill((symbols[next]! << 4) | bit, code << (FAST - bit), (code + 1) << (FAST - bit));
  }
  return { limit, base, symbols, fast };
}

type Data = { readonly symbols: readonly number[]; readonly selectors: Uint8Array; readonly codes: readonly Code[]; readonly room: Uint32Array; readonly wrong: Wrong };

/** Huffman's codes → runs and places of the most recently used → bytes. */
function readData(bits: Bits, { symbols, selectors, codes, room, wrong }: Data): number {
  const recent = Uint8Array.from(symbols);
  const last = symbols.length + 1;
  let count = 0;
  let run = 0;
  let weight = 1;
  for (let group = 0; ; group++) {
    const code = codes[selectors[group] ?? -1];
    if (code === undefined) throw wrong("a block without an end");
    for (let at = 0; at < GROUP; at++) {
      const symbol = readSymbol(bits, code, wrong);
      if (symbol <= 1) {
        run += weight << symbol;
        weight <<= 1;
        if (run > room.length) throw wrong("a run too long");
        continue;
      }
      if (run > 0) {
        if (count + run > room.length) throw wrong("a block too long");
        room.fill(recent[0]!, count, count + run);
        count += run;
        [run, weight] = [0, 1];
      }
      if (symbol === last) return count;
      if (count >= room.length) throw wrong("a block too long");
      const byte = recent[symbol - 1]!;
      recent.copyWithin(1, 0, symbol - 1);
      recent[0] = byte;
      room[count++] = byte;
    }
  }
}

function readSymbol(bits: Bits, { limit, base, symbols, fast }: Code, wrong: Wrong): number {
  const found = fast[bits.peek()]!;
  if (found !== 0) return bits.skip(found & 15), found >>> 4;
  let code = 0;
  for (let length = 1; length <= MAX_CODE; length++) {
    code = (code << 1) | bits.take(1);
    if (code <= limit[length]!) {
      const symbol = symbols[base[length]! + code];
      if (symbol !== undefined) return symbol;
    }
  }
  throw wrong("a code");
}

/** Burrows and Wheeler undone; then runs: after four equal bytes comes how many more. */
function* unrun(room: Uint32Array, count: number, origin: number, sum: { crc: number }, wrong: Wrong): Generator<Buffer> {
  const starts = new Uint32Array(257);
  for (let at = 0; at < count; at++) starts[(room[at]! & 0xff) + 1]!++;
  for (let byte = 0; byte < 256; byte++) starts[byte + 1]! += starts[byte]!;
  for (let at = 0; at < count; at++) room[starts[room[at]! & 0xff]!++]! |= at << 8;
  let out = Buffer.allocUnsafeSlow(PIECE);
  let [filled, equal, before] = [0, 0, -1];
  let crc = sum.crc;
  for (let left = count, at = room[origin]! >>> 8; left > 0; left--) {
    const entry = room[at];
    if (entry === undefined) throw wrong("its order");
    const byte = entry & 0xff;
    at = entry >>> 8;
    const times = equal === 4 ? byte : 1;
    const value = equal === 4 ? before : byte;
    for (let one = 0; one < times; one++) {
      out[filled++] = value;
      crc = ((crc << 8) ^ CRC[((crc >>> 24) ^ value) & 0xff]!) >>> 0;
      if (filled < PIECE) continue;
      yield out;
      out = Buffer.allocUnsafeSlow(PIECE);
      filled = 0;
    }
    equal = equal === 4 ? 0 : byte === before ? equal + 1 : 1;
    before = equal === 0 ? -1 : byte;
  }
  sum.crc = crc;
  if (filled > 0) yield out.subarray(0, filled);
}

/** The polynomial 04C11DB7, highest bit first. */
const CRC = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 24;
  for (let bit = 0; bit < 8; bit++) crc = (crc << 1) ^ (crc < 0 ? 0x04c11db7 : 0);
  return crc >>> 0;
});
