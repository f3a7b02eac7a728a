/** What follows from the end of a container's process. */
import { formatTime } from "#base/clock.ts";
import { failpoint } from "#base/failpoint.ts";
import type { ContainerRecord } from "../../engine.ts";
import { emptyEndpoint } from "../networking/endpoints.ts";
import { publish, publishNetwork, publishVolumes, type Context } from "../context.ts";
import type { Live } from "../live.ts";
import { removeLocked } from "../remove.ts";
import { restartDelay } from "./restart-policy.ts";
import { scheduleRestart } from "./restarting.ts";
import { unmountVolumes } from "../mounts/use-mounts.ts";
import { tell } from "./wait.ts";

/** How a run ended. `error`: what to show beside the code. */
export type Ended = { readonly code: number; readonly time: bigint; readonly oom: boolean; readonly error?: string };

/** With the lock held. Everything is put into the database in one transaction; who waits is told when that is durable. */
export async function handleExit(ctx: Context, live: Live, ended: Ended): Promise<void> {
  const record = ctx.store.get(live.id);
  if (record === undefined) return;
  const delay = ctx.closing.now || live.removing || live.restarting ? undefined : restartDelay(record, { code: ended.code, lasted: lastedMs(record, ended), waited: live.waited });
  const after = exitedRecord(record, ended, delay === undefined ? "exited" : "restarting");
  const saved = ctx.store.put(after);
  const left = ctx.network.leave(live.id);
  publish(ctx, record, "die", { exitCode: String(ended.code), execDuration: String(duration(record, ended)) });
  publishNetwork(ctx, record, "disconnect");
  publishVolumes(ctx, record, "unmount");
  ctx.health.end(live.id);
  ctx.execs.allEnded(live.id);
  const { task, run } = live;
  live.task = undefined;
  live.run = undefined;
  const removed = record.hostConfig.AutoRemove && !live.restarting ? removeLocked(ctx, live, { volumes: true, code: ended.code }) : undefined;
  const results = await Promise.allSettled([saved, left, unmountVolumes(ctx, record), removed, task?.[Symbol.asyncDispose]()]);
  for (const result of results) if (result.status === "rejected") ctx.log.error("a container has ended, but not all of it could be noted", { container: live.id, error: result.reason });
  const exit = { code: ended.code, ...(ended.error === undefined ? {} : { error: ended.error }) };
  if (delay === undefined) tell(live.onExit, exit);
  run?.resolve(exit);
  await failpoint("exit.noted");
  if (results[0].status === "fulfilled") await ctx.tasks.forget(live.id);
  if (delay === undefined || ctx.closing.now) return;
  live.waited = delay;
  scheduleRestart(ctx, live, delay);
}

export function exitedRecord(record: ContainerRecord, { code, time, oom, error = "" }: Ended, status: "exited" | "restarting" = "exited"): ContainerRecord {
  return {
    ...record,
    // As Docker: what does not run is not healthy.
    state: { ...record.state, status, pid: 0, exitCode: code, oomKilled: oom, error, finishedAt: formatTime(time), ...(record.state.health === undefined ? {} : { health: { ...record.state.health, status: "unhealthy" as const } }) },
    endpoints: Object.fromEntries(Object.entries(record.endpoints).map(([name, endpoint]) => [name, emptyEndpoint(endpoint.networkId, endpoint.aliases)])),
    ports: {},
    sandboxKey: "",
    execIds: [],
  };
}

const lastedMs = ({ state }: ContainerRecord, { time }: Ended) => Math.max(0, Number(time / 1_000_000n) - Date.parse(state.startedAt));
const duration = (record: ContainerRecord, ended: Ended) => Math.floor(lastedMs(record, ended) / 1000);
