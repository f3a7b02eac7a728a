/** What the engine finds when it starts: volumes half renamed, half removed, about to be filled; folders that nobody names. */
import { localVolumeMake, FILLED, localVolumeRename, MAKING, pourProgram, removeEmptyProgram, unstageProgram } from "#volumes/volumes.ts";
import type { VolumeContext } from "./context.ts";
import type { StoredVolume } from "./records.ts";
import { sweepPlugins } from "./plugin-mounts.ts";

const ENOENT = 2;

/** Before anything is served. What cannot be put right is told, and holds up no other volume. */
export async function recover(ctx: VolumeContext): Promise<void> {
  const { folders, filled, making, known } = await look(ctx);
  for (const name of making) folders.add(`${MAKING}/${name}`);
  for (const record of ctx.records.all()) {
    if (record.driver !== "local") continue;
    await quietly(ctx, `recover volume ${record.name}`, () => recoverOne(ctx, record, { folders, known }));
  }
  for (const name of filled) {
    if (ctx.records.get(name) !== undefined) await quietly(ctx, `fill volume ${name}`, () => ctx.kernel.perform(pourProgram(ctx.root, name)));
  }
}

async function recoverOne(ctx: VolumeContext, record: StoredVolume, { folders, known }: Pick<Look, "folders" | "known">): Promise<void> {
  const { movedFrom, ...settled } = record;
  if (movedFrom !== undefined) {
    if (!folders.has(record.name) && folders.has(movedFrom)) {
      await ctx.kernel.perform(localVolumeRename(ctx.root, movedFrom, record.name));
      folders.add(record.name);
    }
    await ctx.records.put(settled);
  }
  if (folders.has(record.name)) return;
  if (known) await endRemoval(ctx, record.name);
  else ctx.log.error("a volume's folder is missing: is its disk mounted?", { volume: record.name });
}

async function quietly(ctx: VolumeContext, what: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    ctx.log.error(what, { error });
  }
}

/** Its folder is away, its row is not: on a disk where we have removed something before. */
async function endRemoval(ctx: VolumeContext, name: string): Promise<void> {
  if (ctx.usersOf(name).length > 0) {
    ctx.log.error("a volume's folder is missing: it is empty now", { volume: name });
    return void (await ctx.kernel.perform(localVolumeMake(ctx.root, name)));
  }
  ctx.log.info("end the removal of a volume", { volume: name });
  await ctx.records.delete(name);
}

/** In the background, when it is known who runs. */
export async function sweep(ctx: VolumeContext): Promise<void> {
  const { folders, filled, making } = await look(ctx);
  for (const name of folders) {
    await ctx.records.locked(name, async () => {
      if (ctx.records.get(name) !== undefined) return;
      // Never made: nothing of ours is ever in a folder that has no record. What somebody else has put there is his.
      await ctx.kernel.perform(removeEmptyProgram(ctx.root, name)).catch(() => ctx.log.warn("a folder that is no volume is left alone: `volume create` with its name makes it one", { folder: name }));
    });
  }
  for (const name of making) if (!ctx.making.has(name)) await quietly(ctx, "remove a half made volume", () => ctx.kernel.perform(unstageProgram(ctx.root, name)));
  for (const name of filled) {
    await ctx.records.locked(name, async () => {
      if (ctx.records.get(name) === undefined) await quietly(ctx, "remove the content of a volume that is gone", () => ctx.kernel.perform([{ op: "removeTree", path: `${ctx.root}/${FILLED}/${name}` }]));
    });
  }
  sweepPlugins(ctx);
  await quietly(ctx, "mount volumes", () => ctx.local.reconcile());
}

/** `known`: it is a folder in which volumes were removed, and not an empty mount point. */
type Look = { readonly known: boolean; readonly folders: Set<string>; readonly filled: readonly string[]; readonly making: readonly string[] };

async function look({ kernel, root }: VolumeContext): Promise<Look> {
  const outputs = await kernel.perform([
    { op: "list", path: root, tolerate: ENOENT },
    { op: "list", path: `${root}/${FILLED}`, tolerate: ENOENT },
    { op: "list", path: `${root}/${MAKING}`, tolerate: ENOENT },
  ]);
  const [all, filled, making] = [0, 1, 2].map((index) => namesOf(outputs.get(index)));
  return { known: all!.includes(MAKING), folders: new Set(all!.filter((name) => !name.startsWith("."))), filled: filled!, making: making! };
}

/** Names in the output of the op `list`: for each a type byte, the name, a NUL. */
function namesOf(output: Buffer | undefined): string[] {
  return output === undefined ? [] : output.toString().split("\0").filter((item) => item !== "").map((item) => item.slice(1));
}
