/** Containers that their policy starts again: the wait between two runs. */
import { messageOf } from "#base/errors.ts";
import type { ContainerRecord } from "../../engine.ts";
import { isRestarting, publish, type Context } from "../context.ts";
import type { Live } from "../live.ts";
import { startAgain } from "./start.ts";
import { tell } from "./wait.ts";

export function scheduleRestart(ctx: Context, live: Live, milliseconds: number): void {
  clearTimeout(live.restart);
  live.restart = setTimeout(() => {
    live.restart = undefined;
    startAgain(ctx, live).catch((error: unknown) => ctx.log.warn("a container could not be started again", { container: live.id, error: messageOf(error) }));
  }, milliseconds);
  // An engine that ends does not wait for it: the record says what is to be done.
  live.restart.unref();
}

/** True when it was waiting: it has ended for good then. False when it has just been started, or never waited. */
export async function cancelRestart(ctx: Context, live: Live): Promise<boolean> {
  clearTimeout(live.restart);
  live.restart = undefined;
  return await live.lock.run(async () => {
    const record = ctx.store.get(live.id);
    if (record === undefined || !isRestarting(record)) return false;
    const ended: ContainerRecord = { ...record, manuallyStopped: true, state: { ...record.state, status: "exited" } };
    await ctx.store.put(ended);
    publish(ctx, ended, "stop");
    tell(live.onExit, { code: ended.state.exitCode });
    return true;
  });
}
