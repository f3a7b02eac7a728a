/** remove: the container, its tree, its folder, and volumes that nobody named. */
import { fail, kindOf, messageOf } from "#base/errors.ts";
import { failpoint } from "#base/failpoint.ts";
import { removeFolderProgram } from "#core/tasks/tasks.ts";
import type { ContainerRecord } from "../engine.ts";
import { isRestarting, isUp, publish, type Context } from "./context.ts";
import { foldersRoot } from "./folders.ts";
import type { Live } from "./live.ts";
import { cancelRestart } from "./run/restarting.ts";
import { killAndWait } from "./run/stop.ts";
import { tell } from "./run/wait.ts";

export async function remove(ctx: Context, ref: string, options: { force: boolean; volumes: boolean }): Promise<void> {
  const record = ctx.store.find(ref);
  const live = ctx.lives.of(record.id);
  if (live.removing) throw fail("conflict", `removal of container ${record.id} is already in progress`);
  if (isUp(record)) {
    if (!options.force) throw stillRunning(record);
    live.removing = true;
    try {
      if (isRestarting(record)) await cancelRestart(ctx, live);
      await killAndWait(ctx, record.id);
    } catch (error) {
      live.removing = false;
      throw fail(kindOf(error), `cannot remove container "${record.name}": could not kill container: ${messageOf(error)}`, { cause: error });
    }
  }
  live.removing = true;
  try {
    await live.lock.run(async () => {
      const now = ctx.store.get(record.id);
      if (now === undefined) return;
      // It may have been started since: the lock is what counts.
      if (isUp(now)) throw stillRunning(now);
      await removeLocked(ctx, live, { volumes: options.volumes, code: now.state.exitCode });
    });
  } finally {
    live.removing = false;
  }
}

function stillRunning({ name, state }: ContainerRecord) {
  const advice = state.status === "paused" ? "and must be unpaused first" : ": stop the container before removing or force remove";
  return fail("conflict", `cannot remove container "${name}": container is ${state.status}${advice.startsWith(":") ? advice : ` ${advice}`}`);
}

/**
 * With the lock held, of a container that does not run. The rows go first, in one transaction: what is left of the
 * folders after a crash belongs to nobody and is swept at the next start.
 */
export async function removeLocked(ctx: Context, live: Live, { volumes, code }: { volumes: boolean; code: number }): Promise<void> {
  const record = ctx.store.get(live.id);
  if (record === undefined) return;
  live.removing = true;
  const deleted = ctx.store.delete(live.id);
  const results = await Promise.allSettled([
    deleted,
    ctx.snapshots.remove(record.snapshotKey),
    ...record.mounts.map(({ Snapshot }) => Snapshot !== undefined && ctx.snapshots.remove(Snapshot)),
    ctx.kernel.perform(removeFolderProgram(foldersRoot(ctx), record.id)),
  ]);
  await failpoint("remove.rows");
  for (const { Name, Anonymous } of record.mounts) {
    if (volumes && Anonymous === true && Name !== undefined) await ctx.volumes.remove(Name, { force: true }).catch(() => {});
  }
  publish(ctx, record, "destroy");
  for (const { latch } of live.waiting) latch.end();
  tell(live.onExit, { code });
  tell(live.onRemoved, { code });
  ctx.lives.drop(live.id);
  const failed = results.find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}
