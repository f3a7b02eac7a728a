/** stats: what containers use, a reading a second. */
import { setTimeout as delay } from "node:timers/promises";
import { nowNanos } from "#base/clock.ts";
import type { ContainerRecord, StatsOptions, StatsReading, StatsSample } from "../engine.ts";
import { isRunning, type Context } from "./context.ts";

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
  return { time, usage: await ctx.tasks.usage(ctx.cgroupOf(record), record.state.pid) };
}

/** False when there is nobody to wait for. */
const pause = (signal: AbortSignal): Promise<boolean> => delay(SECOND, true, { signal }).catch(() => false);
