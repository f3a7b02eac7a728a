/** What a shim tells of its container, put where it belongs. */
import { nowNanos, parseTime } from "#base/clock.ts";
import type { ExitRecord, OnTaskEvent } from "#core/tasks/tasks.ts";
import { publish, type Context } from "../context.ts";
import { handleExit, type Ended } from "./exit.ts";
import type { Live } from "../live.ts";

/** What a container whose end nobody saw shows. */
export const LOST_CODE = 255;

export type Following = { readonly on: OnTaskEvent; /** What its shim says from now on is of no interest. */ stop(): void };

/** For one run: an exit waits for the lock, and so for the start that it ends. */
export function followTask(ctx: Context, live: Live): Following {
  let over = false;
  const end = (work: () => Promise<void>) => {
    if (over) return;
    over = true;
    live.lock.run(work).catch((error: unknown) => ctx.log.error("note the end of a container", { container: live.id, error }));
  };
  const on: OnTaskEvent = (event) => {
    const record = ctx.store.get(live.id);
    switch (event.type) {
      case "exited":
        return end(() => handleExit(ctx, live, event));
      case "lost":
        return end(async () => {
          // Without a task nothing was started, or the engine itself has let go.
          if (live.task !== undefined && live.run !== undefined) await handleExit(ctx, live, await findEnd(ctx, live));
        });
      case "oom":
        return record && publish(ctx, record, "oom");
      case "detached":
        if (event.id !== "") return ctx.execs.detached(live.id, event.id);
        return record && publish(ctx, record, "detach");
      case "execStarted":
      case "execFailed":
        return;
      case "execExited":
        ctx.execs.exited(live.id, event.id, event.code);
        return void ctx.tasks.forgetExec(live.id, event.id).catch(() => {});
      case "query":
        return void ctx.network.names.query(live.id, event);
      case "logError":
        return ctx.log.warn("a container's log cannot be written", { container: live.id, errno: event.errno });
    }
  };
  return { on, stop: () => void (over = true) };
}

export const endedOf = ({ code, time, oom }: ExitRecord): Ended => ({ code, time: parseTime(time) ?? nowNanos(), oom });

/** The shim is gone without a word: its record tells, or nobody does and what is left of the container is ended. */
export async function findEnd(ctx: Context, live: Live): Promise<Ended> {
  const found = await ctx.tasks.adopt(live.id, () => {});
  if (found.kind === "exited") return endedOf(found.exit);
  if (found.kind === "running") await found.task[Symbol.asyncDispose]();
  return await endLost(ctx, live);
}

export async function endLost(ctx: Context, live: Live): Promise<Ended> {
  const record = ctx.store.get(live.id);
  if (record !== undefined) await ctx.tasks.reap(ctx.cgroupOf(record)).catch((error: unknown) => ctx.log.error("end what is left of a container", { container: live.id, error }));
  return { code: LOST_CODE, time: nowNanos(), oom: false, error: "shim lost" };
}

