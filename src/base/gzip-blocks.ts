/**
 * Gzip, fast: blocks are compressed side by side, each a member of its own, which every reader of gzip reads on through
 * (RFC 1952, 2.2). Blocks that look like compressed already are stored: zlib would spend fifty times the time of a copy
 * on them to save nothing.
 */
import { constants, crc32, gzip } from "node:zlib";
import { CHUNK, type ByteSource } from "./streams.ts";

const LANES = 3;
/** Of eight bits. What is compressed or encrypted has 7.99, machine code 6. */
const DENSE = 7.95;
const SAMPLES = 16_384;

export async function* gzipBlocks(source: ByteSource): AsyncGenerator<Buffer> {
  const lanes: Promise<Buffer>[] = [];
  let any = false;
  const begin = (block: Buffer) => {
    any = true;
    const done = compress(block);
    done.catch(() => undefined);
    lanes.push(done);
  };
  // Blocks that are blocks already pass as they are.
  for await (const block of blocks(source)) {
    if (lanes.length === LANES) yield await lanes.shift()!;
    begin(block);
  }
  if (!any) begin(Buffer.alloc(0));
  for (const lane of lanes) yield await lane;
}

/** Of CHUNK bytes each, but the last. A chunk of just this size is passed on, others are copied together. */
export async function* blocks(source: ByteSource): AsyncGenerator<Buffer> {
  let block = Buffer.allocUnsafeSlow(CHUNK);
  let length = 0;
  for await (const chunk of source) {
    if (length === 0 && chunk.length === CHUNK) {
      yield Buffer.from(chunk.buffer, chunk.byteOffset, CHUNK);
      continue;
    }
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + CHUNK - length);
      block.set(part, length);
      length += part.length;
      at += part.length;
      if (length < CHUNK) continue;
      yield block;
      block = Buffer.allocUnsafeSlow(CHUNK);
      length = 0;
    }
  }
  if (length > 0) yield block.subarray(0, length);
}

function compress(block: Buffer): Promise<Buffer> {
  if (entropy(block) > DENSE) return Promise.resolve(store(block));
  return new Promise((resolve, reject) =>
    gzip(block, { level: constants.Z_BEST_SPEED, chunkSize: CHUNK / 4 }, (error, done) => (error === null ? resolve(done) : reject(error))),
  );
}

/** Magic, deflate, no name and no time, of Unix: RFC 1952, 2.3. */
const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
const STORED = 65_535;

/** A member of stored blocks: RFC 1951, 3.2.4. */
function store(block: Buffer): Buffer {
  const parts: Uint8Array[] = [HEADER];
  for (let at = 0; at < block.length; at += STORED) {
    const part = block.subarray(at, at + STORED);
    const head = Buffer.from([at + part.length === block.length ? 1 : 0, 0, 0, 0, 0]);
    head.writeUInt16LE(part.length, 1);
    head.writeUInt16LE(~part.length & 0xffff, 3);
    parts.push(head, part);
  }
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(crc32(block), 0);
  trailer.writeUInt32LE(block.length, 4);
  return Buffer.concat([...parts, trailer]);
}

/** Bits a byte, by a sample. */
function entropy(block: Buffer): number {
  const counts = new Uint32Array(256);
  const step = Math.max(1, Math.floor(block.length / SAMPLES));
  let total = 0;
  for (let at = 0; at < block.length; at += step, total++) counts[block[at]!]!++;
  let bits = 0;
  for (const count of counts) if (count > 0) bits -= (count / total) * Math.log2(count / total);
  return bits;
}
