/** A program whose last op puts out a stream. See `Kernel.read`. */
import { encodeProgram, flatten } from "./encode.ts";
import type { Pool } from "./host.ts";
import { FORKED, type Host, type Piped } from "./host-process.ts";
import type { Outputs, ProgramReader } from "./linux.ts";
import type { Program } from "./ops.ts";

/** What waits for the reader at most, before the socket is paused. */
const WAITING = 2 ** 20;

export function openReader(pool: Pool, host: Host, program: Program, signal: AbortSignal | undefined): ProgramReader {
  const ops = flatten(program);
  const before = Promise.withResolvers<Outputs>();
  before.promise.catch(() => undefined);
  const waiting: Buffer[] = [];
  let length = 0;
  let go: (() => void) | undefined;
  let wake = Promise.withResolvers<void>();
  let end: { error?: unknown } | undefined;

  const piped: Piped = {
    index: ops.length - 1,
    take(piece, outputs) {
      before.resolve(outputs);
      waiting.push(piece);
      length += piece.length;
      wake.resolve();
      return length < WAITING;
    },
    resume: (now) => void (go = now),
  };
  const run = host.run({ ops, before: 0 }, encodeProgram(program), FORKED, piped);
  const abort = () => host.kill();
  signal?.addEventListener("abort", abort, { once: true });
  const done = run.then(
    (outputs) => {
      before.resolve(outputs);
      end = {};
    },
    (error: unknown) => {
      before.reject(signal?.aborted === true ? signal.reason : error);
      end = { error: signal?.aborted === true ? signal.reason : error };
    },
  ).finally(() => {
    signal?.removeEventListener("abort", abort);
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
