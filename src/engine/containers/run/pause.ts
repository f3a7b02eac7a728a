/** pause and unpause: the freezer. */
import { fail } from "#base/errors.ts";
import { isRunning, refuseRestarting, publish, type Context } from "../context.ts";

export async function pause(ctx: Context, ref: string): Promise<void> {
  const { id } = ctx.store.find(ref);
  await ctx.lives.of(id).lock.run(async () => {
    const record = ctx.store.find(id);
    refuseRestarting(record);
    if (!isRunning(record)) throw fail("conflict", `container ${id} is not running`);
    if (record.state.status === "paused") throw fail("conflict", `container ${id} is already paused`);
    await ctx.tasks.freeze(ctx.cgroupOf(record), true);
    await ctx.store.put({ ...record, state: { ...record.state, status: "paused" } });
    ctx.health.end(id);
    publish(ctx, record, "pause");
  });
}

export async function unpause(ctx: Context, ref: string): Promise<void> {
  const { id } = ctx.store.find(ref);
  await ctx.lives.of(id).lock.run(async () => {
    const record = ctx.store.find(id);
    if (!isRunning(record)) throw fail("conflict", `container ${id} is not running`);
    if (record.state.status !== "paused") throw fail("internal", `container ${id} is not paused`);
    await ctx.tasks.freeze(ctx.cgroupOf(record), false);
    await ctx.store.put({ ...record, state: { ...record.state, status: "running" } });
    ctx.health.begin(id, { anew: false });
    publish(ctx, record, "unpause");
  });
}
