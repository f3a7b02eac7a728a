/** What a container mounts and is not there yet: volumes, filled with what the image has at their place, and views of images. */
import { fail } from "#base/errors.ts";
import type { Lease } from "#core/leases/leases.ts";
import type { Mounts } from "#core/snapshots/snapshots.ts";
import { ProgramError } from "#core/tasks/tasks.ts";
import { FIND_CONTENT } from "#volumes/volumes.ts";
import type { ContainerRecord, MountPoint } from "../../engine.ts";
import type { Context } from "../context.ts";
import { pointOf, type PlannedMount } from "./mounts.ts";

/** `made`: takes the names of volumes that were not there. They can be removed when the container has no record any more. */
type Making = { readonly undo: AsyncDisposableStack; readonly lease: Lease; readonly made: string[] };

/** The mounts as they are then: a volume that was there says where it is, and which driver it has. */
export async function makeMounts(ctx: Context, record: ContainerRecord, mounts: readonly PlannedMount[], making: Making): Promise<MountPoint[]> {
  const points: MountPoint[] = [];
  for (const [index, mount] of mounts.entries()) {
    if (mount.wanted !== undefined) points.push(await makeVolume(ctx, mount, making));
    else if (mount.Type === "image") points.push(await makeView(ctx, mount, { ...making, name: viewName(record.id, index) }));
    else points.push(pointOf(mount));
  }
  const image = readOnly(ctx.snapshots.mounts(record.snapshotKey));
  for (const { Name, copyUp, Destination } of mounts) if (Name !== undefined && copyUp) await fill(ctx, Name, image, Destination);
  return points;
}

async function makeVolume(ctx: Context, mount: PlannedMount, making: Making): Promise<MountPoint> {
  const { record, made } = await ctx.volumes.ensure(mount.wanted!);
  if (made) making.made.push(record.name);
  const { Driver: _, ...point } = pointOf(mount);
  return { ...point, Source: record.mountpoint, Driver: record.driver, RW: point.RW && record.snapshotOf === undefined };
}

/** A read-only snapshot of the image as it is now: it stays what it is when the name moves on. */
async function makeView(ctx: Context, mount: PlannedMount, { undo, lease, name }: Making & { name: string }): Promise<MountPoint> {
  const image = await ctx.images.resolve(mount.Source, { lease });
  if (image.snapshot === undefined) throw fail("invalid", `mount of image ${mount.Source}: it has no files`);
  lease.hold(`snapshot/${image.snapshot}`);
  await ctx.snapshots.view(name, image.snapshot);
  undo.defer(() => ctx.snapshots.remove(name));
  return { ...pointOf(mount), Snapshot: name };
}

const viewName = (container: string, index: number) => `mount/${container}/${index}`;
/** The container that a view is for; undefined for other snapshots. */
export const containerOfView = (name: string): string | undefined => /^mount\/([0-9a-f]{64})\//.exec(name)?.[1];

async function fill(ctx: Context, name: string, image: Mounts, destination: string): Promise<void> {
  try {
    await ctx.volumes.fill(name, { openRoot: ctx.tasks.openRoot(image, 0), destination });
  } catch (error) {
    const problem = nothingThere(error);
    if (problem === "file") throw fail("invalid", `cannot mount volume over existing file, file exists ${destination}`, { cause: error });
    if (problem === undefined) throw error;
  }
}

/** The container has not run: all there is lies in the layers below its own. */
function readOnly(mounts: Mounts): Mounts {
  return mounts.type === "overlay" ? { type: "overlay", lower: mounts.lower } : { ...mounts, readOnly: true };
}

function nothingThere(error: unknown): "absent" | "file" | undefined {
  if (!(error instanceof ProgramError) || error.op?.note !== FIND_CONTENT) return undefined;
  return error.code === "ENOENT" ? "absent" : error.code === "ENOTDIR" ? "file" : undefined;
}
