/** The engine stops. */
import { isRunning, type Context } from "../context.ts";
import { stopNow } from "./stop.ts";

/** With live-restore containers go on, and are found again; else they are stopped, all at once. */
export async function closeContainers(ctx: Context): Promise<void> {
  ctx.closing.now = true;
  for (const live of ctx.lives.all()) clearTimeout(live.restart);
  if (!ctx.config.liveRestore) await stopAll(ctx);
  const tasks = [...ctx.lives.all()].flatMap((live) => {
    const { task } = live;
    // What the shims say from now on is for the next engine.
    live.task = undefined;
    return task === undefined ? [] : [task];
  });
  await Promise.allSettled(tasks.map((task) => task[Symbol.asyncDispose]()));
}

async function stopAll(ctx: Context): Promise<void> {
  const timeout = ctx.config.shutdownTimeout;
  await Promise.allSettled(
    ctx.store.all().filter(isRunning).map((record) => stopNow(ctx, record, { timeout: record.config.StopTimeout ?? timeout })),
  );
}
