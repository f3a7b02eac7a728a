/** stats: what containers use, a reading a second. */
import { setTimeout as delay } from "node:timers/promises";
import { nowNanos } from "#base/clock.ts";
import type { Usage } from "#core/tasks/tasks.ts";
import type { ContainerRecord, StatsOptions, StatsReading, StatsSample } from "../../engine.ts";
import { isRunning, type Context } from "../context.ts";

const SECOND = 1000;

/**
 * Followed: until the container is gone or the client is. Else one sample: of two readings, so that rates can be told;
 * `oneShot`: of one, at once.
 */
export async function* stats(ctx: Context, ref: string, { follow, oneShot, signal }: StatsOptions): AsyncGenerator<StatsSample> {
  const { id } = ctx.store.find(ref);
  let before: StatsReading | undefined;
  if (!follow && !oneShot && isRunning(ctx.store.find(ref))) {
    before = await readingOf(ctx, ctx.store.find(ref));
    if (!(await pause(signal))) return;
  }
  for (;;) {
    const record = ctx.store.get(id);
    if (record === undefined) return;
    const reading = isRunning(record) ? await readingOf(ctx, record) : undefined;
    yield { record, reading, before };
    if (!follow || !(await pause(signal))) return;
    before = reading;
  }
}

async function readingOf(ctx: Context, record: ContainerRecord): Promise<StatsReading> {
  const time = nowNanos();
  const usage = await ctx.tasks.usage(ctx.cgroupOf(record), record.state.pid);
  return { time, usage: { ...usage, interfaces: ownInterfaces(ctx, record, usage.interfaces) } };
}

/**
 * Those of its networks, or of the container whose network it shares. Not the host's, for one that has those; not the
 * tunnels that some kernels put into every namespace.
 */
function ownInterfaces(ctx: Context, record: ContainerRecord, all: Usage["interfaces"]): Usage["interfaces"] {
  const shared = /^container:(.*)$/.exec(record.hostConfig.NetworkMode)?.[1];
  const owner = shared === undefined ? record : ctx.store.get(shared);
  if (owner === undefined) return {};
  if (owner !== record && owner.hostConfig.NetworkMode.startsWith("container:")) return ownInterfaces(ctx, owner, all);
  const names = new Set(ctx.network.attachmentsOf(owner.id).map(({ interface: name = "eth0" }) => name));
  return Object.fromEntries(Object.entries(all).filter(([name]) => names.has(name)));
}

/** False when there is nobody to wait for. */
const pause = (signal: AbortSignal): Promise<boolean> => delay(SECOND, true, { signal }).catch(() => false);
