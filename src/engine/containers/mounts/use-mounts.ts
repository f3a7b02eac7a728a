/** Mounts of a container that starts: volumes brought to this host, and what of them is mounted, for the runtime. */
import { type BindTree, lookInside } from "#core/tasks/tasks.ts";
import type { ContainerRecord, MountPoint } from "../../engine.ts";
import type { Context } from "../context.ts";
import { subpathFailure } from "./subpath-failure.ts";

/** The record with the folders that its volumes have now. For most it is what it was. */
export async function mountVolumes(ctx: Context, record: ContainerRecord): Promise<ContainerRecord> {
  if (!record.mounts.some(({ Name }) => Name !== undefined && ctx.volumes.needsMount(Name))) return record;
  const mounts: MountPoint[] = [];
  try {
    for (const mount of record.mounts) mounts.push(mount.Name === undefined ? mount : { ...mount, Source: await ctx.volumes.mount(mount.Name, record.id) });
    return { ...record, mounts };
  } catch (error) {
    await unmountVolumes(ctx, record);
    throw error;
  }
}

export async function unmountVolumes(ctx: Context, record: ContainerRecord): Promise<void> {
  for (const { Name } of record.mounts) if (Name !== undefined && ctx.volumes.needsMount(Name)) await ctx.volumes.unmount(Name, record.id);
}

/** It runs, and had them mounted before the engine was started. */
export function adoptVolumes(ctx: Context, record: ContainerRecord): void {
  for (const { Name } of record.mounts) if (Name !== undefined) ctx.volumes.adopt(Name, record.id);
}

type Ids = { readonly uid: number; readonly gid: number };

/** By destination, what is more than a folder of the host as it is. `user`: who the container's process is. */
export async function bindTrees(ctx: Context, record: ContainerRecord, user: Ids): Promise<Record<string, BindTree>> {
  const entries = await Promise.all(record.mounts.filter(isSpecial).map(async (mount) => [mount.Destination, await treeOf(ctx, mount, user)] as const));
  return Object.fromEntries(entries);
}

/** More than a folder of the host as it is. */
export const isSpecial = ({ Type, SubPath, IdMap }: MountPoint): boolean => Type === "image" || SubPath !== undefined || IdMap === true;

export async function treeOf(ctx: Context, mount: MountPoint, user: Ids = { uid: 0, gid: 0 }): Promise<BindTree> {
  const { SubPath: subpath = "", Source } = mount;
  const from = mount.Snapshot === undefined ? ({ kind: "folder", path: Source } as const) : ({ kind: "image", root: ctx.snapshots.mounts(mount.Snapshot) } as const);
  if (mount.Type === "image" && subpath === "") return { from, subpath, type: "directory" };
  const found = await look(ctx, from, { subpath, shown: `${Source}/${subpath}` });
  return { from, subpath, type: found.directory ? "directory" : "file", ...(mount.IdMap === true ? mapOf(found, user) : {}) };
}

type Found = Ids & { readonly directory: boolean };
const DIRECTORY = 0o040000;

type Source = Exclude<BindTree["from"], { kind: "data" }>;

/** Where it leads may change until it is mounted: that is found anew then, in the same way. */
export async function look(ctx: Pick<Context, "tasks" | "kernel">, from: Source, { subpath, shown, linksInside = false }: { subpath: string; shown: string; linksInside?: boolean }): Promise<Found> {
  const program = lookInside(from.kind === "image" ? { root: ctx.tasks.openRoot(from.root, 0) } : { path: from.path }, subpath, { linksInside });
  try {
    const output = [...(await ctx.kernel.perform(program, { forked: "if needed" })).values()].at(-1)!;
    const [mode, uid, gid] = [0, 8, 16].map((at) => Number(output.readBigUInt64LE(at)));
    return { directory: (mode! & 0o170000) === DIRECTORY, uid: uid!, gid: gid! };
  } catch (error) {
    throw subpathFailure(error, shown) ?? error;
  }
}

/** The two change places; everybody else stays who they are. */
function mapOf(owner: Ids, user: Ids): Pick<BindTree, "ids"> {
  if (owner.uid === user.uid && owner.gid === user.gid) return {};
  return { ids: { uids: swap(owner.uid, user.uid), gids: swap(owner.gid, user.gid) } };
}

/** All ids but the last, which means none. */
const IDS = 2 ** 32 - 1;

export function swap(a: number, b: number): string {
  const [low, high] = a < b ? [a, b] : [b, a];
  if (low === high) return `0 0 ${IDS}\n`;
  const ranges = [[0, 0, low], [low, high, 1], [low + 1, low + 1, high - low - 1], [high, low, 1], [high + 1, high + 1, IDS - high - 1]];
  return ranges.filter(([, , count]) => count! > 0).map((range) => `${range.join(" ")}\n`).join("");
}
