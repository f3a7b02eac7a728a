/**
 * Volumes made of other things: a clone, a snapshot, an archive. The tree is made beside the volumes, written to the disk,
 * recorded and then named: a crash leaves the whole volume, or garbage that the next start removes.
 */
import { randomBytes } from "node:crypto";
import { fail } from "#base/errors.ts";
import { failpoint } from "#base/failpoint.ts";
import { enterFolder } from "#core/inside.ts";
import { fillTree } from "#core/layers/fill-tree.ts";
import { ProgramError } from "#core/tasks/tasks.ts";
import type { Op, Program } from "#linux/ops.ts";
import { checkVolumeName, cloneProgram, localVolumeRename, MAKING, parseLocalOptions, quotaFailure, quotaProgram, stageProgram, syncProgram, unstageProgram } from "#volumes/volumes.ts";
import type { VolumeRecord } from "../engine.ts";
import { hold, newStage, publish, type VolumeContext } from "./context.ts";
import { mount, unmount } from "./mounts.ts";
import { newRecord, type RecordWish } from "./records.ts";

export type CopyWish = { readonly name?: string; readonly labels?: Readonly<Record<string, string>>; readonly signal: AbortSignal };

export function clone(ctx: VolumeContext, name: string, { name: to = `${name}-clone`, labels, signal }: CopyWish): Promise<VolumeRecord> {
  const source = ctx.records.find(name);
  return make(ctx, { name: to, labels: labels ?? source.labels, options: sizeOf(source) }, signal, (folder) => copyInto(ctx, name, folder));
}

export function snapshot(ctx: VolumeContext, name: string, { name: to = `${name}-${stamp()}`, labels, signal }: CopyWish): Promise<VolumeRecord> {
  const source = ctx.records.find(name);
  return make(ctx, { name: to, labels: labels ?? source.labels, snapshotOf: source.snapshotOf ?? name }, signal, (folder) => copyInto(ctx, name, folder));
}

export function importArchive(ctx: VolumeContext, archive: AsyncIterable<Uint8Array>, { name, labels = {}, signal }: CopyWish): Promise<VolumeRecord> {
  if (name === undefined || name === "") throw fail("invalid", "import a volume: it needs a name");
  return make(ctx, { name, labels }, signal, async (folder) => {
    try {
      await fillTree(ctx.kernel, archive, { enter: enterFolder(folder), what: "the archive", signal, plan: { root: true }, refuseEmpty: true });
    } catch (error) {
      throw error instanceof ProgramError ? fail("invalid", `import ${name}: unpack the archive: ${error.message}`, { cause: error }) : error;
    }
  });
}

/** Everything below the volume's folder, and the folder itself as "./": its owner and mode matter. */
export async function exportVolume(ctx: VolumeContext, name: string, { signal }: { signal: AbortSignal }): Promise<AsyncIterable<Uint8Array>> {
  using undo = new DisposableStack();
  undo.use(hold(ctx, name));
  const user = newUser("exporting");
  const folder = await mount(ctx, name, user);
  undo.defer(() => void unmount(ctx, name, user));
  const reader = await ctx.kernel.read([...enterFolder(folder), limits, { op: "archive", path: ".", name: "." }], { signal });
  return relay(reader.bytes, undo.move());
}

/** Several may read a volume at once. */
const newUser = (what: string) => `${what}-${randomBytes(8).toString("hex")}`;
const NOFILE = 7;
/** Two a level of the tree. */
const limits: Op = { op: "rlimit", resource: NOFILE, soft: 20_000, hard: 20_000 };

async function* relay(pieces: AsyncIterable<Buffer>, held: Disposable): AsyncGenerator<Buffer> {
  using _ = held;
  yield* pieces;
}

/** 20260102T030405Z */
const stamp = () => new Date().toISOString().replace(/[-:]|\.\d+/g, "");
const sizeOf = ({ options }: VolumeRecord): Record<string, string> => (options["size"] === undefined ? {} : { size: options["size"] });

async function make(ctx: VolumeContext, wish: RecordWish, signal: AbortSignal, fillFolder: (folder: string) => Promise<void>): Promise<VolumeRecord> {
  const { name } = wish;
  checkVolumeName(name);
  const refuseTaken = () => {
    if (ctx.records.get(name) !== undefined) throw fail("already-exists", `create ${name}: a volume of this name exists already`);
  };
  refuseTaken();
  using stage = newStage(ctx);
  const folder = `${ctx.root}/${MAKING}/${stage.name}/_data`;
  try {
    await ctx.kernel.perform(stageProgram(ctx.root, stage.name));
    const { size } = parseLocalOptions(wish.options ?? {});
    if (size > 0) await ctx.kernel.perform(quotaProgram(folder, size)).catch((error: unknown) => Promise.reject(quotaFailure(error)));
    await fillFolder(folder);
    await performLong(ctx, syncProgram(ctx.root));
    signal.throwIfAborted();
    return await ctx.records.locked(name, async () => {
      refuseTaken();
      return await publishStaged(ctx, newRecord(ctx.root, wish), stage.name);
    });
  } catch (error) {
    await ctx.kernel.perform(unstageProgram(ctx.root, stage.name)).catch((problem: unknown) => ctx.log.warn("a half made volume was left until the next start", { volume: name, error: problem }));
    throw error;
  }
}

/** With the row it is a volume; whoever is killed then, the folder gets its name by the next engine (`recover`). */
async function publishStaged(ctx: VolumeContext, record: VolumeRecord, staged: string): Promise<VolumeRecord> {
  const movedFrom = `${MAKING}/${staged}`;
  await failpoint("volumes.staged");
  await ctx.records.put({ ...record, movedFrom });
  await failpoint("volumes.recorded");
  try {
    await ctx.kernel.perform(localVolumeRename(ctx.root, movedFrom, record.name));
  } catch (error) {
    await ctx.records.delete(record.name);
    throw error;
  }
  await failpoint("volumes.named");
  await ctx.records.put(record);
  publish(ctx, "create", record);
  return record;
}

async function copyInto(ctx: VolumeContext, name: string, folder: string): Promise<void> {
  using _ = hold(ctx, name);
  const user = newUser("copying");
  const from = await mount(ctx, name, user);
  try {
    await performLong(ctx, cloneProgram(from, folder));
  } finally {
    await unmount(ctx, name, user);
  }
}

/** In a child of its own: it may take minutes, and others want the hosts. */
async function performLong(ctx: VolumeContext, program: Program): Promise<void> {
  await using stream = await ctx.kernel.stream({ long: true });
  await stream.push(program);
  await stream.end();
}
