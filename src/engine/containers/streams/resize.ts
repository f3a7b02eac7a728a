import { fail, kindOf } from "#base/errors.ts";
import { CONTAINER } from "#core/tasks/tasks.ts";
import { isRunning, publish, type Context } from "../context.ts";

/** The terminal's size. A container without one has nothing to resize, which is no error. */
export async function resize(ctx: Context, ref: string, size: { rows: number; cols: number }): Promise<void> {
  const record = ctx.store.find(ref);
  const { task } = ctx.lives.of(record.id);
  if (!isRunning(record) || task === undefined) throw fail("conflict", `container ${record.id} is not running`);
  try {
    await task.shim.resize(CONTAINER, size);
  } catch (error) {
    if (kindOf(error) !== "invalid") throw error;
  }
  publish(ctx, record, "resize", { height: String(size.rows), width: String(size.cols) });
}
