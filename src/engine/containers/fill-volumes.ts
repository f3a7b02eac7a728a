/** Volumes that are empty take over what the image has at their place. */
import { fail } from "#base/errors.ts";
import type { Mounts } from "#core/snapshots/snapshots.ts";
import { ProgramError } from "#core/tasks/tasks.ts";
import { copyUpProgram, FIND_CONTENT } from "#volumes/volumes.ts";
import type { ContainerRecord } from "../engine.ts";
import type { Context } from "./context.ts";
import type { PlannedMount } from "./mounts.ts";

export async function fillVolumes(ctx: Context, record: ContainerRecord, mounts: readonly PlannedMount[]): Promise<void> {
  const image = readOnly(ctx.snapshots.mounts(record.snapshotKey));
  for (const { Name, copyUp, Source, Destination } of mounts) {
    if (Name === undefined || !copyUp) continue;
    try {
      const program = copyUpProgram({ openRoot: ctx.tasks.openRoot(image, 0), destination: Destination, volume: Source });
      await ctx.volumes.exclusively(Name, () => ctx.kernel.perform(program, { forked: "if needed" }));
    } catch (error) {
      const problem = nothingThere(error);
      if (problem === "file") throw fail("invalid", `cannot mount volume over existing file, file exists ${Destination}`, { cause: error });
      if (problem === undefined) throw error;
    }
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
