/**
 * A volume gets another name. The row changes first, and says where the folder still is; then the folder moves. Whatever is
 * missing when the engine dies in between, the next one does.
 */
import { fail } from "#base/errors.ts";
import { failpoint } from "#base/failpoint.ts";
import { checkVolumeName, localVolumePath, localVolumeRename } from "#volumes/volumes.ts";
import type { VolumeRecord } from "../engine.ts";
import { publish, refuseUsed, type VolumeContext } from "./context.ts";
import type { StoredVolume } from "./records.ts";

export function rename(ctx: VolumeContext, name: string, to: string): Promise<VolumeRecord> {
  checkVolumeName(to);
  if (name === to) throw fail("invalid", `rename ${name}: the new name is the old one`);
  // Always in the same order, so that two who swap names do not wait for each other.
  const [first, second] = name < to ? [name, to] : [to, name];
  return ctx.records.locked(first, () => ctx.records.locked(second, () => renameLocked(ctx, name, to)));
}

async function renameLocked(ctx: VolumeContext, name: string, to: string): Promise<VolumeRecord> {
  const record = ctx.records.find(name);
  if (record.driver !== "local") throw fail("not-implemented", `rename ${name}: a volume of the driver ${record.driver} cannot be renamed`);
  if (ctx.records.get(to) !== undefined) throw fail("already-exists", `rename ${name}: a volume named ${to} exists already`);
  refuseUsed(ctx, name, "rename");
  const moved: StoredVolume = { ...record, name: to, mountpoint: localVolumePath(ctx.root, to), movedFrom: name };
  await ctx.records.replace(name, moved);
  await failpoint("volumes.renamed");
  try {
    await ctx.kernel.perform(localVolumeRename(ctx.root, name, to));
  } catch (error) {
    await ctx.records.replace(to, record);
    throw error;
  }
  const { movedFrom: _, ...settled } = moved;
  await ctx.records.put(settled);
  publish(ctx, "rename", settled, { oldName: name });
  return settled;
}
