/** Ending a container: kill sends a signal; stop sends one, waits, and then kills; restart starts it again. */
import { setTimeout as delay } from "node:timers/promises";
import { fail, kindOf } from "#base/errors.ts";
import { CONTAINER } from "#core/tasks/tasks.ts";
import { signalNumber } from "#spec/api-names.ts";
import type { ContainerRecord } from "../../engine.ts";
import { isRunning, isRestarting, publish, type Context } from "../context.ts";
import { cancelRestart } from "./restarting.ts";
import { start } from "./start.ts";

const SIGKILL = 9;
/** A killed process that is not gone by then hangs in the kernel. */
const KILL_MS = 10_000;

export type StopOptions = { timeout?: number; signal?: string };

/** @throws not-modified when it does not run. */
export async function stop(ctx: Context, ref: string, options: StopOptions): Promise<void> {
  const { id } = ctx.store.find(ref);
  if (await endRestarting(ctx, id)) return;
  const record = ctx.store.find(id);
  if (!isRunning(record)) throw fail("not-modified", `container ${record.id} is not running`);
  await stopNow(ctx, await noteManual(ctx, record), options);
  publish(ctx, record, "stop");
}

/** Whether it was between two runs, and has ended for good now. */
async function endRestarting(ctx: Context, id: string): Promise<boolean> {
  return isRestarting(ctx.store.find(id)) && (await cancelRestart(ctx, ctx.lives.of(id)));
}

/** What a user stops stays stopped. Without a policy there is nothing to note. */
async function noteManual(ctx: Context, record: ContainerRecord): Promise<ContainerRecord> {
  if (["", "no"].includes(record.hostConfig.RestartPolicy.Name)) return record;
  const noted = { ...record, manuallyStopped: true };
  await ctx.store.put(noted);
  return noted;
}

export async function restart(ctx: Context, ref: string, options: StopOptions): Promise<void> {
  const record = ctx.store.find(ref);
  const live = ctx.lives.of(record.id);
  live.restarting = true;
  try {
    await endRestarting(ctx, record.id);
    const now = ctx.store.find(record.id);
    if (isRunning(now)) await stopNow(ctx, now, options);
    // Somebody else may have started it meanwhile: then it runs anew, as was asked.
    await start(ctx, record.id).catch((error: unknown) => {
      if (kindOf(error) !== "not-modified") throw error;
    });
  } finally {
    live.restarting = false;
  }
  publish(ctx, ctx.store.find(record.id), "restart");
}

/** SIGKILL waits for the end, as in Docker; other signals are sent and no more. */
export async function kill(ctx: Context, ref: string, signal: string): Promise<void> {
  const number = signalNumber(signal);
  if (number === undefined) throw fail("invalid", `invalid signal: ${signal}`);
  const { id } = ctx.store.find(ref);
  if (await endRestarting(ctx, id)) return;
  const record = ctx.store.find(id);
  if (!isRunning(record)) throw notRunning(record);
  const { StopSignal: own = "" } = record.config;
  if (own === "" || number === SIGKILL || number === signalNumber(own)) await noteManual(ctx, record);
  if (number === SIGKILL) return await killAndWait(ctx, id);
  await send(ctx, record, number);
}

export async function killAndWait(ctx: Context, id: string): Promise<void> {
  const record = ctx.store.get(id);
  const ended = ctx.lives.of(id).run?.promise;
  if (record === undefined || ended === undefined) return;
  await send(ctx, record, SIGKILL);
  if (!(await within(ended, KILL_MS))) throw fail("internal", `container ${id}: tried to kill container, but did not receive an exit event`);
}

/** Not stopped by a client that goes away: a container half-way to its end is of no use. */
export async function stopNow(ctx: Context, record: ContainerRecord, options: StopOptions): Promise<void> {
  const signal = signalNumber(options.signal ?? record.config.StopSignal ?? "SIGTERM");
  if (signal === undefined) throw fail("invalid", `invalid signal: ${options.signal}`);
  const seconds = options.timeout ?? record.config.StopTimeout ?? ctx.config.defaultStopTimeout;
  const ended = ctx.lives.of(record.id).run?.promise;
  if (ended === undefined) return;
  await send(ctx, record, signal).catch(ignoreGone);
  if (await within(ended, seconds < 0 ? Infinity : seconds * 1000)) return;
  await killAndWait(ctx, record.id);
}

/** A frozen container takes the signal when it is thawed. */
async function send(ctx: Context, record: ContainerRecord, signal: number): Promise<void> {
  const live = ctx.lives.of(record.id);
  if (live.task === undefined) throw notRunning(record);
  try {
    await live.task.shim.signal(CONTAINER, signal);
  } catch (error) {
    // It has just ended by itself, and the exit is on its way.
    if (kindOf(error) === "conflict" || kindOf(error) === "unavailable") return;
    throw error;
  }
  publish(ctx, record, "kill", { signal: String(signal) });
  const now = ctx.store.get(record.id);
  if (now?.state.status === "paused") await thawForSignal(ctx, now);
}

async function thawForSignal(ctx: Context, record: ContainerRecord): Promise<void> {
  await ctx.tasks.freeze(ctx.cgroupOf(record), false);
  const now = ctx.store.get(record.id);
  if (now?.state.status !== "paused") return;
  await ctx.store.put({ ...now, state: { ...now.state, status: "running" } });
  ctx.health.begin(now.id, { anew: false });
  publish(ctx, now, "unpause");
}

const notRunning = ({ id }: ContainerRecord) => fail("conflict", `container ${id} is not running`);

function ignoreGone(error: unknown): void {
  if (kindOf(error) !== "conflict") throw error;
}

/** Whether the promise settles in time. */
export async function within(promise: Promise<unknown>, milliseconds: number): Promise<boolean> {
  const settled = promise.then(() => true, () => true);
  if (milliseconds === Infinity) return await settled;
  const abort = new AbortController();
  const late = delay(Math.min(milliseconds, 0x7fffffff), false, { signal: abort.signal }).catch(() => false);
  try {
    return await Promise.race([settled, late]);
  } finally {
    abort.abort();
  }
}
