/**
 * Streams of bytes are async iterables of chunks: pulled, so back-pressure is the absence of a pull. Each function here
 * takes one and gives one, and ends its source (`return`) when it is ended itself.
 */
import { constants, createGunzip, createZstdDecompress } from "node:zlib";
import type { Transform } from "node:stream";
import { fail, messageOf } from "./errors.ts";
import { release } from "./memory.ts";

export type ByteSource = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** Large chunks: the cost of a turn through the pipe is paid once a MiB, and one hash of it stays near 1 ms. */
export const CHUNK = 2 ** 20;

/** Joins small chunks (a socket's) until there are at least `size` bytes, and never splits one. */
export async function* gather(source: ByteSource, size = CHUNK / 4): AsyncGenerator<Buffer> {
  let parts: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of source) {
    parts.push(chunk);
    length += chunk.length;
    if (length < size) continue;
    yield joined(parts, length);
    parts = [];
    length = 0;
  }
  if (length > 0) yield joined(parts, length);
}

const joined = (parts: readonly Uint8Array[], length: number): Buffer =>
  parts.length === 1 ? view(parts[0]!) : Buffer.concat(parts, length);

const view = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Shows each chunk to `look` on its way: a hash, a counter, a limit that throws. */
export async function* tap(source: ByteSource, look: (chunk: Uint8Array) => void): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    look(chunk);
    yield chunk;
  }
}

/** Throws `invalid` as soon as there are more than `limit` bytes. */
export function atMost(limit: number, what: string): (chunk: Uint8Array) => void {
  let total = 0;
  return (chunk) => {
    total += chunk.length;
    if (total > limit) throw fail("invalid", `read ${what}: more than the limit of ${limit} bytes`);
  };
}

/** The whole of a short stream. @throws invalid when it is longer than limit */
export async function collect(source: ByteSource, limit: number, what: string): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of tap(source, atMost(limit, what))) parts.push(chunk);
  return Buffer.concat(parts);
}

export type Compression = "none" | "gzip" | "zstd" | "xz" | "bzip2";

/** Told by the first bytes, as Docker tells it. */
export function detectCompression(head: Uint8Array): Compression {
  const starts = (...bytes: number[]) => bytes.every((byte, index) => head[index] === byte);
  if (starts(0x1f, 0x8b, 0x08)) return "gzip";
  if (starts(0x28, 0xb5, 0x2f, 0xfd) || isSkippableFrame(head)) return "zstd";
  if (starts(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00)) return "xz";
  if (starts(0x42, 0x5a, 0x68)) return "bzip2";
  return "none";
}

/** A zstd stream may begin with a skippable frame: 184D2A5? little-endian. */
const isSkippableFrame = (head: Uint8Array): boolean =>
  head.length >= 8 && (head[0]! & 0xf0) === 0x50 && head[1] === 0x2a && head[2] === 0x4d && head[3] === 0x18;

/** The first chunk of a stream (of at least 8 bytes, if it has them), and the stream with that chunk still in it. */
export async function peek(source: ByteSource): Promise<{ head: Buffer; stream: AsyncIterable<Uint8Array> }> {
  const chunks = gather(source, CHUNK / 4);
  const first = await chunks.next();
  const head = first.done === true ? Buffer.alloc(0) : first.value;
  return { head, stream: prepend(head, chunks) };
}

async function* prepend(head: Buffer, rest: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  try {
    if (head.length > 0) yield head;
    yield* rest;
  } finally {
    await rest.return(undefined);
  }
}

export type Decompressed = { readonly compression: Compression; readonly stream: AsyncIterable<Uint8Array> };

/** `consume`: the source's chunks are nobody else's, and are released once they are read. */
export type DecompressOptions = { readonly what: string; readonly limit: number; readonly consume?: boolean };

/**
 * Decompresses gzip, zstd, xz and bzip2, and passes on what is none of them. Decompression happens on other threads, in
 * chunks of 1 MiB or two. The stream must be read from at once: until then nobody ends the source.
 * @throws invalid, from the stream, for what is corrupt, cut short, followed by anything but zero bytes, or longer than
 *   `limit` when decompressed.
 */
export async function decompress(source: ByteSource, options: DecompressOptions): Promise<Decompressed> {
  const { head, stream } = await peek(source);
  const compression = detectCompression(head);
  return { compression, stream: tap(await plainOf(stream, compression, options), atMost(options.limit, options.what)) };
}

async function plainOf(stream: AsyncIterable<Uint8Array>, compression: Compression, options: DecompressOptions): Promise<AsyncIterable<Uint8Array>> {
  if (compression === "none") return stream;
  if (compression === "gzip" || compression === "zstd") return inflate(stream, compression, options);
  return (await import("./decoder.ts")).decode(compression, stream, options.what);
}

function inflater(compression: Inflate): Transform & { bytesWritten: number } {
  const buffers = { chunkSize: CHUNK, readableHighWaterMark: 2 * CHUNK, writableHighWaterMark: 2 * CHUNK };
  if (compression === "gzip") return createGunzip(buffers);
  return createZstdDecompress({ ...buffers, params: { [constants.ZSTD_d_windowLogMax]: 27 } });
}

type Inflate = "gzip" | "zstd";

async function* inflate(source: AsyncIterable<Uint8Array>, compression: Inflate, { what, consume = false }: DecompressOptions): AsyncGenerator<Buffer> {
  const engine = inflater(compression);
  const feeder = feed(source, engine, consume);
  try {
    for await (const chunk of engine) yield chunk as Buffer;
    const { total, garbage } = await feeder.done;
    if (garbage(total - engine.bytesWritten)) throw fail("invalid", `read ${what}: there is something after the end of its ${compression} stream`);
  } catch (error) {
    throw feeder.failure() ?? asInvalid(error, what, compression);
  } finally {
    feeder.stop();
    engine.destroy();
  }
}

type Feeder = {
  /** How much was fed, and whether any of the last n bytes is not zero. */
  done: Promise<{ total: number; garbage: (n: number) => boolean }>;
  /** What the source threw, if it did: told apart from what the decompressor found. */
  failure: () => unknown;
  stop: () => void;
};

function feed(source: AsyncIterable<Uint8Array>, engine: Transform, consume: boolean): Feeder {
  let failure: unknown;
  let stopped = false;
  let total = 0;
  let zeros = 0;
  const run = async () => {
    try {
      for await (const chunk of source) {
        if (stopped) return;
        total += chunk.length;
        const trailing = trailingZeros(chunk);
        zeros = trailing === chunk.length ? zeros + trailing : trailing;
        if (!engine.writable || engine.writableEnded) continue;
        const read = consume ? () => release(chunk) : undefined;
        if (!engine.write(chunk, read)) await roomOrEnd(engine);
      }
      engine.end();
    } catch (error) {
      failure = error;
      engine.destroy(error instanceof Error ? error : new Error(messageOf(error)));
    }
  };
  const done = run().then(() => ({ total, garbage: (n: number) => n > zeros }));
  return { done, failure: () => failure, stop: () => void (stopped = true) };
}

function trailingZeros(chunk: Uint8Array): number {
  let at = chunk.length;
  while (at > 0 && chunk[at - 1] === 0) at--;
  return chunk.length - at;
}

/** A decompressor that met the end of its stream takes no more: then there is nothing to wait for. */
function roomOrEnd(engine: Transform): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      for (const event of EVENTS) engine.off(event, done);
      resolve();
    };
    for (const event of EVENTS) engine.on(event, done);
  });
}

const EVENTS = ["drain", "end", "close", "error"] as const;

function asInvalid(error: unknown, what: string, compression: string): unknown {
  const code = (error as { code?: string }).code ?? "";
  if (!/^(Z_|ZSTD_|ERR_ZSTD|ERR_BUFFER_TOO_LARGE)/.test(code) && !code.startsWith("ERR_ZLIB")) return error;
  return fail("invalid", `read ${what}: its ${compression} stream is damaged: ${messageOf(error)}`, { cause: error });
}
