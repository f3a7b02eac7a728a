/** top: the container's processes as the host's `ps` would print them, read from /proc. Nothing is executed. */
import { fail } from "#base/errors.ts";
import { isRunning, refuseRestarting, publish, type Context } from "../context.ts";
import { listProcesses, type Listing } from "./ps.ts";

export async function top(ctx: Context, ref: string, options: string): Promise<Listing> {
  const record = ctx.store.find(ref);
  refuseRestarting(record);
  if (!isRunning(record)) throw fail("conflict", `container ${record.id} is not running`);
  const listing = await listProcesses(await ctx.tasks.pids(ctx.cgroupOf(record)), options.trim() === "" ? "-ef" : options);
  publish(ctx, record, "top");
  return listing;
}
