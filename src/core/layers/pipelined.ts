/** A program stream that is always one frame ahead. */
import type { Outputs, ProgramStream } from "#linux/linux.ts";
import type { Op } from "#linux/ops.ts";

export type Pipelined = AsyncDisposable & { push(ops: readonly Op[]): Promise<void>; end(ops: readonly Op[]): Promise<Outputs> };

/**
 * One frame on its way while the next is made: `cell` writes files while this thread hashes and parses. When `push`
 * resolves, the ops are encoded: the chunk that they point into may go.
 */
export function pipelined(program: ProgramStream): Pipelined {
  let before: Promise<void> = Promise.resolve();
  const push = async (ops: readonly Op[]) => {
    await before;
    if (ops.length === 0) return;
    before = program.push(ops);
    before.catch(() => undefined);
  };
  return {
    push,
    async end(ops) {
      await push(ops);
      await before;
      return program.end();
    },
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  };
}
