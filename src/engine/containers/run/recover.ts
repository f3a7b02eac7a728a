/**
 * What the engine finds when it starts: containers that went on without it, ended without it, or were half made or half
 * removed when it died. See docs/design/recovery.md.
 *
 * The API answers meanwhile: every container that needs a look holds its own lock until it had one.
 */
import { formatTime, nowNanos } from "#base/clock.ts";
import { kindOf } from "#base/errors.ts";
import { removeFolderProgram, shortTaskId, type Task } from "#core/tasks/tasks.ts";
import { hasResolver, heldSockets } from "#network/network.ts";
import { readdir } from "node:fs/promises";
import type { ContainerRecord } from "../../engine.ts";
import { isRunning, type Context } from "../context.ts";
import { withAttachments } from "../networking/endpoints.ts";
import { handleExit } from "./exit.ts";
import { containerOfView } from "../mounts/make-mounts.ts";
import { adoptVolumes } from "../mounts/use-mounts.ts";
import { foldersRoot } from "../folders.ts";
import { endedOf, endLost, followTask } from "./follow-task.ts";
import type { Live } from "../live.ts";
import { changeNames } from "../networking/names.ts";
import { removeLocked } from "../remove.ts";
import { wantsStart } from "./restart-policy.ts";
import { scheduleRestart } from "./restarting.ts";
import { runningRecord } from "./start.ts";

export type Recovery = { run(): Promise<void> };

/** Before anything is served: takes stock, and the locks. */
export async function prepareRecovery(ctx: Context, settling: Map<string, Promise<void>>): Promise<Recovery> {
  const go = Promise.withResolvers<void>();
  const traces = await ctx.tasks.list();
  const records = ctx.store.all();
  const ids = new Set(records.map(({ id }) => id));
  const garbage = await findGarbage(ctx, ids, traces);
  for (const record of records) {
    if (!needsLook(ctx, record, traces)) continue;
    const live = ctx.lives.of(record.id);
    const settled = live.lock
      .run(() => go.promise.then(() => recoverOne(ctx, live)))
      .catch((error: unknown) => ctx.log.error("find out about a container", { container: record.id, error }))
      .finally(() => void settling.delete(record.id));
    settling.set(record.id, settled);
  }
  return {
    async run() {
      const all = [...settling.values()];
      go.resolve();
      await Promise.all([...all, clear(ctx, garbage)]);
      await ctx.volumes.sweep();
    },
  };
}

function needsLook(ctx: Context, record: ContainerRecord, traces: ReadonlySet<string>): boolean {
  const { status } = record.state;
  if (isRunning(record) || wantsStart(record) || ctx.network.attachmentsOf(record.id).length > 0) return true;
  return traces.has(shortTaskId(record.id)) || hasEndpoints(ctx, record) || (record.hostConfig.AutoRemove && status === "exited") || isUnfinished(ctx, record);
}

/** It runs; or it had been given addresses, and was not started any more. */
const hasEndpoints = (ctx: Context, { id }: ContainerRecord) => ctx.network.attachmentsOf(id).length > 0;

/** Nobody was told that it is there. */
const isUnfinished = (ctx: Context, record: ContainerRecord) => record.unfinished !== undefined || ctx.snapshots.stat(record.snapshotKey) === undefined;

async function recoverOne(ctx: Context, live: Live): Promise<void> {
  const record = ctx.store.get(live.id);
  if (record === undefined) return;
  const found = await ctx.tasks.adopt(live.id, followTask(ctx, live).on);
  if (found.kind === "running") {
    live.task = found.task;
    live.run = Promise.withResolvers();
    adoptVolumes(ctx, record);
    const pid = found.task.shim.state.pid;
    if (!isRunning(record) || record.state.pid !== pid) await ctx.store.put(withPid(ctx, record, pid));
    const named = ctx.network.attachmentsOf(live.id).some(hasResolver);
    await leaveHalfJoined(ctx, ctx.store.get(live.id)!);
    await holdPorts(ctx, live.id, found.task);
    if (named) await changeNames(ctx, ctx.store.get(live.id)!, found.task.shim);
    // An engine that died in the middle of a pause may have left it frozen.
    if (record.state.status !== "paused") await ctx.tasks.freeze(ctx.cgroupOf(record), false).catch(() => {});
    if (record.state.status !== "paused") ctx.health.begin(live.id, { anew: false });
    return;
  }
  if (found.kind === "exited") return await handleExit(ctx, live, endedOf(found.exit));
  if (isRunning(record)) return await handleExit(ctx, live, await endLost(ctx, live));
  // Of a start that came to nothing.
  if (ctx.network.attachmentsOf(record.id).length > 0) await ctx.network.leave(record.id, { lost: true });
  if (hasEndpoints(ctx, record)) await ctx.network.leave(live.id, { lost: true });
  const unfinished = isUnfinished(ctx, record) || (record.hostConfig.AutoRemove && record.state.status === "exited");
  if (unfinished) {
    await removeLocked(ctx, live, { volumes: record.hostConfig.AutoRemove || record.unfinished !== undefined, code: record.state.exitCode });
    // Made for it and not filled: not there, rather than empty.
    for (const name of record.unfinished ?? []) await ctx.volumes.removeEmpty(name);
    return;
  }
  if (wantsStart(record)) scheduleRestart(ctx, live, 0);
}

/** It was started, and nobody could note that any more. */
function withPid(ctx: Context, record: ContainerRecord, pid: number): ContainerRecord {
  return runningRecord(record, { pid, startedAt: formatTime(nowNanos()), attachments: ctx.network.attachmentsOf(record.id) });
}

/** Networks that it was about to join, or to leave: the record says in which it is. */
async function leaveHalfJoined(ctx: Context, record: ContainerRecord): Promise<void> {
  const known = new Set(Object.values(record.endpoints).map(({ endpointId }) => endpointId));
  for (const stray of ctx.network.attachmentsOf(record.id).filter(({ endpointId }) => !known.has(endpointId))) {
    await ctx.network.disconnect(stray, record.state.pid).catch((error: unknown) => ctx.log.error("leave a network", { container: record.id, network: stray.networkName, error }));
  }
  const left = ctx.network.attachmentsOf(record.id);
  const after = withAttachments(record, left);
  if (JSON.stringify(after) !== JSON.stringify(record)) await ctx.store.put(after);
}

/** A change of its ports may have been cut off when its shim held more than the rows say, or what is withdrawn by now. */
async function holdPorts(ctx: Context, id: string, { shim }: Task): Promise<void> {
  await shim.hold(heldSockets(ctx.network.attachmentsOf(id))).catch((error: unknown) => {
    // A shim of before there was this order holds what it was born with.
    if (kindOf(error) !== "not-implemented") ctx.log.warn("hold published ports", { container: id, error });
  });
}

type Garbage = { readonly snapshots: readonly string[]; readonly folders: readonly string[]; readonly tasks: readonly string[] };

async function findGarbage(ctx: Context, ids: ReadonlySet<string>, traces: ReadonlySet<string>): Promise<Garbage> {
  const short = new Set([...ids].map(shortTaskId));
  const folders = await readdir(foldersRoot(ctx)).catch(() => []);
  return {
    snapshots: ctx.snapshots.list().filter(({ kind, init, name }) => (kind === "active" && init && !ids.has(name)) || isViewOfNone(ids, name)).map(({ name }) => name),
    folders: folders.filter((name) => !ids.has(name)),
    tasks: [...traces].filter((name) => !short.has(name)),
  };
}

function isViewOfNone(ids: ReadonlySet<string>, name: string): boolean {
  const container = containerOfView(name);
  return container !== undefined && !ids.has(container);
}

/** Of containers that have no record: never finished being made, or not finished being removed. */
async function clear(ctx: Context, { snapshots, folders, tasks }: Garbage): Promise<void> {
  const quietly = async (what: string, work: () => Promise<unknown>) => {
    try {
      await work();
    } catch (error) {
      ctx.log.error(`remove ${what} that belongs to no container`, { error });
    }
  };
  await quietly("exit records of execs", () => ctx.tasks.forgetExecs());
  for (const name of tasks) await quietly(`task ${name}`, () => ctx.tasks.clear(name));
  for (const name of snapshots) await quietly(`snapshot ${name}`, () => ctx.snapshots.remove(name));
  for (const name of folders) await quietly(`folder ${name}`, () => ctx.kernel.perform(removeFolderProgram(foldersRoot(ctx), name)));
}

