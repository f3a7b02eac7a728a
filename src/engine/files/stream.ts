/** A program inside a view whose last op puts out an archive. */
import type { Outputs } from "#linux/linux.ts";
import type { Op } from "#linux/ops.ts";
import type { Context } from "../containers/context.ts";
import type { Seen } from "./view.ts";

export type StreamOptions = { readonly signal: AbortSignal; readonly failed: (error: unknown) => unknown };

/** Takes what is seen over: it is disposed when the bytes are at their end, or are left. */
export async function stream(ctx: Context, seen: Seen, ops: readonly Op[], { signal, failed }: StreamOptions): Promise<{ before: Outputs; bytes: AsyncGenerator<Buffer> }> {
  let begun = false;
  try {
    const reader = await ctx.kernel.read([...seen.enter, ...ops], { signal });
    const bytes = relay(reader.bytes, seen, failed);
    const before = await reader.before.catch((error: unknown) => {
      throw failed(error);
    });
    begun = true;
    return { before, bytes };
  } finally {
    if (!begun) seen[Symbol.dispose]();
  }
}

async function* relay(pieces: AsyncIterable<Buffer>, seen: Disposable, failed: (error: unknown) => unknown): AsyncGenerator<Buffer> {
  try {
    yield* pieces;
  } catch (error) {
    throw failed(error);
  } finally {
    seen[Symbol.dispose]();
  }
}
