/** A container's files, as they can be seen at this moment: of one that runs through its process, else from its snapshot. */
import { stat } from "node:fs/promises";
import { onAbort } from "#base/abort.ts";
import { fail } from "#base/errors.ts";
import type { View, ViewMount } from "#core/tasks/tasks.ts";
import type { Program } from "#linux/ops.ts";
import { isRunning, type Context } from "../containers/context.ts";
import type { Lock } from "../containers/lock.ts";
import { isSpecial, mountVolumes, treeOf, unmountVolumes } from "../containers/mounts/use-mounts.ts";
import type { ContainerRecord } from "../engine.ts";

/** `enter`: the beginning of a forked program. What does not run is not started before it is disposed. */
export type Seen = Disposable & { readonly record: ContainerRecord; readonly enter: Program };

export type SeeOptions = {
  /** Volumes and whatever else the container has mounted are seen, too. */
  readonly mounts: boolean;
  readonly signal?: AbortSignal;
};

export async function see(ctx: Context, ref: string, options: SeeOptions): Promise<Seen> {
  const { id } = ctx.store.find(ref);
  const live = ctx.lives.of(id);
  if (isRunning(ctx.store.find(id)) && live.task !== undefined) return seeRunning(ctx, ctx.store.find(id), options);
  const release = await hold(live.lock, options.signal);
  try {
    const record = ctx.store.find(id);
    if (live.removing) throw fail("conflict", `container ${id} is being removed`);
    // It was started while the lock was waited for.
    if (!isRunning(record)) return await seeStopped(ctx, record, options, release);
    release();
    return seeRunning(ctx, record, options);
  } catch (error) {
    release();
    throw error;
  }
}

/** Its volumes are brought to this host meanwhile. */
async function seeStopped(ctx: Context, given: ContainerRecord, options: SeeOptions, release: () => void): Promise<Seen> {
  const record = options.mounts ? await mountVolumes(ctx, given) : given;
  try {
    const enter = ctx.tasks.enterView(await snapshotView(ctx, record, options));
    return { record, enter, [Symbol.dispose]: () => void unmountVolumes(ctx, given).finally(release) };
  } catch (error) {
    await unmountVolumes(ctx, given);
    throw error;
  }
}

function seeRunning(ctx: Context, record: ContainerRecord, { mounts }: SeeOptions): Seen {
  const places = [...record.mounts.map((mount) => mount.Destination), ...Object.keys(record.hostConfig.Tmpfs ?? {}), ...nameFiles(record).map(([place]) => place)];
  const view: View = {
    root: { kind: "process", pid: record.state.pid, cgroup: ctx.cgroupOf(record) },
    mounts: mounts ? shallowFirst([...new Set(places)].map((destination): ViewMount => ({ destination, source: "", type: "directory", readOnly: false }))) : [],
  };
  return { record, enter: ctx.tasks.enterView(view), [Symbol.dispose]: () => {} };
}

async function snapshotView(ctx: Context, record: ContainerRecord, { mounts }: SeeOptions): Promise<View> {
  const plain = record.mounts.filter(({ Type }) => Type !== "tmpfs").filter((mount) => !isSpecial(mount));
  const own = plain.map(({ Source, Destination, RW }) => ({ source: Source, destination: Destination, readOnly: !RW }));
  const taken = new Set(own.map(({ destination }) => destination));
  const names = nameFiles(record).filter(([destination]) => !taken.has(destination)).map(([destination, source]) => ({ source, destination, readOnly: false }));
  return {
    root: { kind: "snapshot", mounts: ctx.snapshots.mounts(record.snapshotKey) },
    mounts: mounts ? shallowFirst([...(await present([...own, ...names])), ...(await specialMounts(ctx, record))]) : [],
  };
}

/** Parts of volumes, and images. One that cannot be found is not there. Owners are those on the disk, also where the container sees others. */
async function specialMounts(ctx: Context, record: ContainerRecord): Promise<ViewMount[]> {
  const special = record.mounts.filter(isSpecial);
  const all = await Promise.all(
    special.map(async (mount): Promise<ViewMount | undefined> => {
      const tree = await treeOf(ctx, { ...mount, IdMap: false }).catch(() => undefined);
      return tree === undefined ? undefined : { destination: mount.Destination, source: mount.Source, type: tree.type, readOnly: !mount.RW, tree };
    }),
  );
  return all.filter((mount) => mount !== undefined);
}

/** Before the first start some are not there. */
async function present(mounts: readonly Omit<ViewMount, "type">[]): Promise<ViewMount[]> {
  const all = await Promise.all(
    mounts.map(async (mount): Promise<ViewMount | undefined> => {
      const found = await stat(mount.source).catch(() => undefined);
      return found === undefined ? undefined : { ...mount, type: found.isDirectory() ? "directory" : "file" };
    }),
  );
  return all.filter((mount) => mount !== undefined);
}

const nameFiles = (record: ContainerRecord): [destination: string, source: string][] =>
  ([["/etc/resolv.conf", record.resolvConfPath], ["/etc/hostname", record.hostnamePath], ["/etc/hosts", record.hostsPath]] as [string, string][]).filter(([, source]) => source !== "");

const depth = (path: string) => path.split("/").filter((name) => name !== "").length;
const shallowFirst = (mounts: readonly ViewMount[]) => mounts.toSorted((a, b) => depth(a.destination) - depth(b.destination));

/** Takes the lock; the function gives it back. An abort gives up waiting, and takes nothing away from who has it. */
export async function hold(lock: Lock, signal?: AbortSignal): Promise<() => void> {
  const held = Promise.withResolvers<void>();
  const done = Promise.withResolvers<void>();
  const turn = lock.run(() => {
    held.resolve();
    return done.promise;
  });
  turn.catch(held.reject);
  using _ = onAbort(signal, () => (held.reject(signal!.reason), done.resolve()));
  await held.promise;
  return done.resolve;
}
