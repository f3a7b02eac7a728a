/** An empty volume takes over what an image has at its place: all of it, or nothing. */
import { failpoint } from "#base/failpoint.ts";
import { ProgramError } from "#core/tasks/tasks.ts";
import { copyInPlace, lookForContent, copyUpProgram, FULL, pourProgram } from "#volumes/volumes.ts";
import { newStage, type VolumeContext } from "./context.ts";
import { mount, needsMount, unmount } from "./mounts.ts";
import type { Content } from "./volumes.ts";

export async function fill(ctx: VolumeContext, name: string, content: Content): Promise<void> {
  const record = ctx.records.find(name);
  if (record.snapshotOf !== undefined) return;
  await ctx.records.locked(name, () => (needsMount(ctx, name) || record.options["size"] !== undefined ? fillMounted(ctx, name, content) : fillFolder(ctx, name, content)));
}

async function fillFolder(ctx: VolumeContext, name: string, content: Content): Promise<void> {
  using stage = newStage(ctx);
  const program = copyUpProgram({ ...content, root: ctx.root, name, staged: stage.name });
  try {
    await ctx.kernel.perform(program, { forked: "if needed" });
  } catch (error) {
    if (error instanceof ProgramError && error.op?.note === FULL && error.code === "ENOTEMPTY") return;
    throw error;
  }
  await failpoint("volumes.filled");
  await ctx.kernel.perform(pourProgram(ctx.root, name));
}

/** What is mounted there is on another file system, and nothing can be moved into it. */
async function fillMounted(ctx: VolumeContext, name: string, { openRoot, destination }: Content): Promise<void> {
  // Nothing is mounted for nothing.
  await ctx.kernel.perform(lookForContent({ openRoot, destination }), { forked: "if needed" });
  const user = "filling";
  const folder = await mount(ctx, name, user);
  try {
    await ctx.kernel.perform(copyInPlace({ openRoot, destination, folder }), { forked: "if needed" });
  } finally {
    await unmount(ctx, name, user);
  }
}
