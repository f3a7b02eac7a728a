/** An answer's body in large pieces, with limits on size, silence and slowness. */
import type { IncomingMessage } from "node:http";
import { fail } from "#base/errors.ts";
import { CHUNK } from "#base/streams.ts";
import type { Limits } from "../transfer.ts";
import { networkFailure } from "./network-failure.ts";

export type ReadOptions = {
  /** More than this is refused. */
  readonly limit: number;
  /** Names the request in failures. */
  readonly what: string;
  readonly limits: Limits;
  readonly signal: AbortSignal;
  /** Told of bytes as they come. */
  readonly arrived?: ((bytes: number) => void) | undefined;
  /** Each chunk has memory of its own. Otherwise a chunk is good until the next is asked for: nothing is allocated then. */
  readonly own?: boolean;
};

/** A piece is handed over when it is full, when the body ends, or when the reader waits and this much is there. */
const ENOUGH = CHUNK / 4;

/** What came before a failure is handed over before it is thrown. */
export async function* readBody(response: IncomingMessage, options: ReadOptions): AsyncGenerator<Buffer> {
  const pieces = collectPieces(response, options);
  const watch = watchPace(response, pieces, options);
  try {
    for (;;) {
      const piece = await pieces.next();
      if (piece === undefined) return;
      yield piece.bytes;
      pieces.recycle(piece.memory);
    }
  } finally {
    watch.stop();
    if (!response.complete || response.readableLength > 0) response.destroy();
  }
}

type Piece = { readonly memory: Buffer; readonly bytes: Buffer };
type Pieces = {
  next(): Promise<Piece | undefined>;
  recycle(memory: Buffer): void;
  fail(error: Error): void;
  /** Nobody reads: the silence is ours. */
  paused(): boolean;
  total(): number;
};

function collectPieces(response: IncomingMessage, { limit, what, signal, arrived, own = false }: ReadOptions): Pieces {
  const size = Math.min(CHUNK, Math.max(Number(response.headers["content-length"] ?? CHUNK) || 1, 1));
  const ready: Piece[] = [];
  const free: Buffer[] = [];
  /** Of a body of known length one read of the socket holds one chunk. */
  const isSole = response.headers["content-length"] !== undefined;
  let memory: Buffer = Buffer.allocUnsafeSlow(size);
  let used = 0;
  let total = 0;
  let ended: { error?: unknown } | undefined;
  let paused = false;
  let wake: (() => void) | undefined;

  const handOver = () => {
    if (used === 0) return;
    ready.push({ memory, bytes: memory.subarray(0, used) });
    memory = (own ? undefined : free.pop()) ?? Buffer.allocUnsafeSlow(size);
    used = 0;
  };
  const end = (error?: unknown) => {
    if (ended !== undefined) return;
    ended = error === undefined ? {} : { error };
    handOver();
    wake?.();
  };
  response.on("data", (chunk: Buffer) => {
    total += chunk.length;
    if (total > limit) {
      end(fail("invalid", `${what}: more than ${limit} bytes came`));
      response.destroy();
      return;
    }
    arrived?.(chunk.length);
    for (let at = 0; at < chunk.length; ) {
      const copied = chunk.copy(memory, used, at);
      used += copied;
      at += copied;
      if (used === memory.length) handOver();
    }
    // Not yet: the parser is still in it.
    if (isSole) process.nextTick(giveBack, chunk);
    if (ready.length > 1) {
      paused = true;
      response.pause();
    }
    if (wake !== undefined && (ready.length > 0 || used >= ENOUGH)) wake();
  });
  response.once("end", () => end());
  response.once("error", (error) => end(signal.aborted ? signal.reason : networkFailure(what, error)));
  response.once("close", () => end(signal.aborted ? signal.reason : networkFailure(what, new Error("unexpected EOF"))));
  // Cut before anybody read it: that is told once.
  if (response.closed) end(response.readableEnded ? undefined : signal.aborted ? signal.reason : networkFailure(what, new Error("unexpected EOF")));
  response.resume();

  return {
    async next() {
      for (;;) {
        if (ready.length === 0 && used >= ENOUGH) handOver();
        const piece = ready.shift();
        if (piece !== undefined) return piece;
        if (ended !== undefined) {
          if (ended.error !== undefined) throw ended.error;
          return undefined;
        }
        if (paused) {
          paused = false;
          response.resume();
        }
        await new Promise<void>((resolve) => (wake = resolve));
        wake = undefined;
      }
    },
    recycle(done) {
      if (!own && free.length < 2) free.push(done);
      if (paused && ready.length <= 1) {
        paused = false;
        response.resume();
      }
    },
    fail(error) {
      end(error);
      response.destroy();
    },
    paused: () => paused,
    total: () => total,
  };
}

/** A socket's full read: left to the garbage collector, they cost half as much again as the whole download. */
const READ = 65_536;

function giveBack({ buffer }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === READ) buffer.transfer(0);
}

/** Ends what is silent for too long, or too slow over a while. Time in which we do not read does not count. */
function watchPace(response: IncomingMessage, pieces: Pieces, { limits, what }: ReadOptions): { stop(): void } {
  const step = Math.max(Math.min(limits.idleMs, limits.rateMs) / 4, 5);
  let seen = 0;
  let silent = 0;
  let window = { time: 0, from: 0 };
  const timer = setInterval(() => {
    const total = pieces.total();
    if (pieces.paused()) return;
    silent = total === seen ? silent + step : 0;
    seen = total;
    window.time += step;
    if (silent >= limits.idleMs) pieces.fail(networkFailure(what, new Error(`no data came for ${Math.round(limits.idleMs / 1000)} seconds`)));
    else if (window.time >= limits.rateMs) {
      if ((total - window.from) * 1000 < limits.bytesPerSecond * window.time) pieces.fail(networkFailure(what, new Error(`data comes too slowly: less than ${limits.bytesPerSecond} bytes a second`)));
      window = { time: 0, from: total };
    }
  }, step);
  timer.unref();
  response.once("close", () => clearInterval(timer));
  return { stop: () => clearInterval(timer) };
}
