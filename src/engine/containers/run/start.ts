/**
 * start: everything is prepared while the shim is forked and waits; then one order starts the container. What fails is
 * undone, and the record says why.
 */
import { formatTime } from "#base/clock.ts";
import { fail } from "#base/errors.ts";
import { failpoint } from "#base/failpoint.ts";
import { CONTAINER, type Task } from "#core/tasks/tasks.ts";
import type { Program } from "#linux/ops.ts";
import type { Attachment } from "#network/network.ts";
import type { ContainerRecord } from "../../engine.ts";
import { connectWaiting, type Connected } from "../streams/attach.ts";
import { isRunning, isUp, publish, publishNetwork, publishVolumes, type Context } from "../context.ts";
import { joinNetworks, withAttachments, type Joined } from "../networking/endpoints.ts";
import { followTask } from "./follow-task.ts";
import type { Live } from "../live.ts";
import { serveNames } from "../networking/names.ts";
import { planStart } from "./plan-start.ts";
import { removeLocked } from "../remove.ts";
import { startFailure } from "./start-failure.ts";
import { unmountVolumes } from "../mounts/use-mounts.ts";
import { tell } from "./wait.ts";

/** @throws not-modified when it runs; conflict when it is paused or being removed; a StartFailure */
export async function start(ctx: Context, ref: string): Promise<void> {
  const { id } = ctx.store.find(ref);
  const live = ctx.lives.of(id);
  await live.lock.run(async () => {
    const record = ctx.store.find(id);
    if (record.state.status === "paused") throw fail("conflict", "cannot start a paused container, try unpause instead");
    if (isUp(record)) throw fail("not-modified", `container ${id} is already running`);
    if (live.removing) throw fail("conflict", "container is marked for removal and cannot be started");
    live.waited = 0;
    const { manuallyStopped: _, ...fresh } = { ...record, restartCount: 0 };
    await startLocked(ctx, live, fresh);
  });
}

/** By its policy, or because the engine has started. As Docker: a start that fails is the last. */
export async function startAgain(ctx: Context, live: Live): Promise<void> {
  await live.lock.run(async () => {
    const record = ctx.store.get(live.id);
    if (record === undefined || live.removing || ctx.closing.now || isRunning(record)) return;
    const count = record.state.status === "restarting" && live.waited > 0 ? 1 : 0;
    await startLocked(ctx, live, { ...record, restartCount: record.restartCount + count });
  });
}

async function startLocked(ctx: Context, live: Live, record: ContainerRecord): Promise<void> {
  try {
    await startWithNetwork(ctx, live, record);
  } catch (error) {
    throw await noteFailure(ctx, live, record, error);
  }
}

const NETWORK_TRIES = 5;

async function startWithNetwork(ctx: Context, live: Live, record: ContainerRecord): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const joined = joinNetworks(ctx, record);
    try {
      return await run(ctx, live, record, joined);
    } catch (error) {
      if (joined.attachments.length === 0) throw error;
      const meaning = await ctx.network.explain(error, joined.attachments);
      await ctx.network.leave(live.id);
      if (meaning?.retry === true && attempt < NETWORK_TRIES) continue;
      throw meaning?.retry === false ? meaning.failure : error;
    }
  }
}

async function run(ctx: Context, live: Live, given: ContainerRecord, joined: Joined): Promise<void> {
  const attachments = joined.asked === undefined ? joined.attachments : await joined.asked;
  const { record, program } = await planStart(ctx, given, attachments);
  await failpoint("start.planned");
  const following = followTask(ctx, live);
  const task = await ctx.tasks.create(record.id, program, following.on);
  live.task = task;
  let started = false;
  let streams: Connected | undefined;
  try {
    await Promise.all([joined.saved, serveNames(ctx, record, task.shim)]);
    streams = await connectWaiting(record, live.waiting, task);
    await failpoint("start.ready");
    const { pid, time } = await task.shim.start(programsOf(program));
    started = true;
    streams.join();
    live.run = Promise.withResolvers();
    await failpoint("start.started");
    const running = runningRecord(record, { pid, startedAt: formatTime(time), attachments });
    const saved = ctx.store.put(running);
    publishNetwork(ctx, running, "connect");
    publishVolumes(ctx, running, "mount");
    publish(ctx, running, "start");
    ctx.health.begin(live.id, { anew: true });
    await saved;
  } catch (error) {
    // What runs and is not on the disk must not go on; its exit comes in the usual way, when the lock is free.
    if (started) await task.shim.signal(CONTAINER, 9).catch(() => {});
    else {
      streams?.drop();
      following.stop();
      await abandon(ctx, live, task);
    }
    throw error;
  }
}

/** A shim that lost its only connection before the start ends by itself; its socket goes with it. */
async function abandon(ctx: Context, live: Live, task: Task): Promise<void> {
  live.task = undefined;
  await task[Symbol.asyncDispose]();
  await ctx.tasks.gone(live.id);
}

/** To name the op in an error. */
export function programsOf(program: Program): { init?: Program; parent?: Program } {
  const shim = program.find((op) => op.op === "shim");
  if (shim === undefined || shim.op !== "shim") return {};
  return { init: shim.init as Program, parent: shim.parent as Program };
}

export function runningRecord(record: ContainerRecord, facts: { pid: number; startedAt: string; attachments: readonly Attachment[] }): ContainerRecord {
  const { pid, startedAt, attachments } = facts;
  return {
    ...withAttachments(record, attachments),
    state: { ...record.state, status: "running", pid, startedAt, exitCode: 0, error: "", oomKilled: false },
    sandboxKey: `/proc/${pid}/ns/net`,
  };
}

/** Writes the failure down, ends who waits for output, and removes what was to be removed; returns what to throw. */
async function noteFailure(ctx: Context, live: Live, record: ContainerRecord, error: unknown): Promise<unknown> {
  const failure = startFailure(error, record);
  const { exitCode } = failure.facts;
  for (const { latch } of live.waiting) latch.end();
  live.waiting.clear();
  if (live.task === undefined) await unmountVolumes(ctx, record);
  if (live.task !== undefined) return failure;
  try {
    const status = record.state.status === "restarting" ? "exited" : record.state.status;
    await ctx.store.put({ ...record, state: { ...record.state, status, exitCode, error: failure.message } });
    if (status !== record.state.status) tell(live.onExit, { code: exitCode });
    if (record.hostConfig.AutoRemove) await removeLocked(ctx, live, { volumes: true, code: exitCode });
  } catch (problem) {
    ctx.log.error("note that a container could not be started", { container: record.id, error: problem });
  }
  return failure;
}
