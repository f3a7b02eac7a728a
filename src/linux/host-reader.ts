/** A program whose last op puts out a stream. See `Kernel.read`. */
import { onAbort } from "#base/abort.ts";
import { encodeProgram, flatten } from "./encode.ts";
import type { Pool } from "./host.ts";
import { FORKED, type Host, type Piped } from "./host-process.ts";
import type { Outputs, ProgramReader } from "./linux.ts";
import type { Program } from "./ops.ts";

/** What is handed on at once, if there is so much: the cost of a turn is paid once a MiB. */
const BLOCK = 2 ** 20;
/** What waits for the reader at most, before the socket is paused. */
const WAITING = 2 * BLOCK;

export function openReader(pool: Pool, host: Host, program: Program, signal: AbortSignal | undefined): ProgramReader {
  const ops = flatten(program);
  const before = Promise.withResolvers<Outputs>();
  before.promise.catch(() => undefined);
  const waiting: Buffer[] = [];
  let length = 0;
  let block = Buffer.alloc(0);
  let filled = 0;
  let flushing = false;
  let go: (() => void) | undefined;
  let wake = Promise.withResolvers<void>();
  let end: { error?: unknown } | undefined;

  const piped: Piped = {
    index: ops.length - 1,
    take(piece, outputs) {
      before.resolve(outputs);
      for (let at = 0; at < piece.length; ) {
        if (block.length === 0) block = Buffer.allocUnsafeSlow(BLOCK);
        const part = piece.subarray(at, at + BLOCK - filled);
        block.set(part, filled);
        filled += part.length;
        at += part.length;
        if (filled === BLOCK) flush();
      }
      // Once all that has arrived by now is read.
      if (filled > 0 && !flushing) setImmediate(flush);
      flushing = filled > 0;
      return length < WAITING;
    },
    resume: (now) => void (go = now),
  };
  const flush = () => {
    flushing = false;
    if (filled === 0) return;
    const whole = filled === BLOCK;
    waiting.push(whole ? block : ownCopy(block.subarray(0, filled)));
    length += filled;
    // What is not full is filled again: a new one for each would be mostly air.
    if (whole) block = Buffer.alloc(0);
    filled = 0;
    wake.resolve();
  };
  const run = host.run({ ops, before: 0 }, encodeProgram(program), FORKED, piped);
  const aborting = onAbort(signal, () => host.kill());
  const done = run.then(
    (outputs) => {
      before.resolve(outputs);
      // First what came last: whoever sees the end looks for nothing more.
      flush();
      end = {};
    },
    (error: unknown) => {
      before.reject(signal?.aborted === true ? signal.reason : error);
      flush();
      end = { error: signal?.aborted === true ? signal.reason : error };
    },
  ).finally(() => {
    aborting[Symbol.dispose]();
    pool.give(host, true);
    wake.resolve();
  });
  const dispose = async () => {
    if (end === undefined) host.kill();
    await done;
  };

  return { before: before.promise, bytes: pieces(), [Symbol.asyncDispose]: dispose };

  async function* pieces(): AsyncGenerator<Buffer> {
    try {
      for (;;) {
        const piece = waiting.shift();
        if (piece !== undefined) {
          length -= piece.length;
          if (length < WAITING / 2) {
            go?.();
            go = undefined;
          }
          yield piece;
        } else if (end !== undefined) {
          if ("error" in end) throw end.error;
          return;
        } else {
          await wake.promise;
          wake = Promise.withResolvers();
        }
      }
    } finally {
      await dispose();
    }
  }
}

function ownCopy(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  copy.set(bytes);
  return copy;
}
