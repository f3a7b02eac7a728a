/** A cache as a step's mount: its volume, filled or given an owner when it is new. */
import type { ExecMount } from "#builder/graph.ts";
import type { Tree } from "#builder/tree.ts";
import { fail } from "#base/errors.ts";
import { ProgramError } from "#core/tasks/tasks.ts";
import { see, seeFolder } from "./binds.ts";
import { type Caches, settleProgram, SETTLED, volumeName } from "./caches.ts";
import type { ExecParts } from "./exec.ts";
import { type Mounted, type MountWish, point } from "./mounts.ts";

type Cache = Extract<ExecMount, { type: "cache" }>;

export type TakenCache = Awaited<ReturnType<Caches["take"]>>;

/**
 * All of a step's, before anything else of it: in the order of their names, so that no two steps wait for each other. The
 * same cache at two places is taken once.
 */
export async function takeCaches({ caches }: ExecParts, { id: user, op, inputs, context, held }: Omit<MountWish, "caches">): Promise<Map<number, TakenCache>> {
  const wanted = op.mounts.flatMap((mount, index) => {
    if (mount.type !== "cache") return [];
    const id = mount.id || mount.target;
    const seed = mount.from === undefined ? "" : `${identityOf(inputs[mount.from])} ${mount.source}`;
    return [{ index, id, seed, name: volumeName(id, seed), sharing: mount.sharing }];
  });
  const byName = new Map<string, TakenCache>();
  const taken = new Map<number, TakenCache>();
  for (const { index, id, seed, name, sharing } of wanted.toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))) {
    const text = `waiting for the cache mount ${id}: another step has it`;
    const waits = (done: boolean) => context.progress({ id: text, name: text, current: 0, total: 0, done });
    const cache = byName.get(name) ?? held.use(await caches.take({ id, seed, sharing, user, signal: context.signal, waits }));
    byName.set(name, cache);
    taken.set(index, cache);
  }
  return taken;
}

export async function cacheMount(parts: ExecParts, wish: MountWish, { mount, index }: { mount: Cache; index: number }): Promise<Mounted> {
  const { target, from, source, readOnly } = mount;
  const { record } = wish.caches.get(index)!;
  if (from === undefined) await settle(parts, record.mountpoint, mount);
  else await fill(parts, wish, { volume: record.name, from, source });
  // With from= it is what the cache was made of; else a part of the cache itself, found inside it when the step starts (BLD-01).
  const part = from === undefined && source !== "/" ? await seeFolder(parts, record.mountpoint, source) : undefined;
  return {
    ...(part === undefined ? {} : { tree: { ...part, linksInside: true } }),
    point: point(target, { Type: "volume", Name: record.name, Source: record.mountpoint, Driver: record.driver, RW: !readOnly }),
    place: { path: target, type: "directory" },
  };
}

const identityOf = (tree: Tree | undefined): string => (tree === undefined ? "" : tree.kind === "files" ? tree.digest : (tree.snapshot ?? "scratch"));

async function settle({ containers }: ExecParts, folder: string, mount: Cache): Promise<void> {
  try {
    await containers.kernel.perform(settleProgram(folder, mount));
  } catch (error) {
    if (!(error instanceof ProgramError && error.op?.note === SETTLED && error.code === "ENOTEMPTY")) throw error;
  }
}

/** If it is empty: whoever comes first fills it, the others wait. The source is found inside the tree: links of it stay in it (BLD-01, BLD-11). */
async function fill(parts: ExecParts, wish: MountWish, { volume, from, source }: { volume: string; from: number; source: string }): Promise<void> {
  const { tasks, volumes } = parts.containers;
  const { from: seen, subpath } = await see(parts, wish, { from, source });
  const root = seen.kind === "image" ? seen.root : ({ type: "bind", source: seen.path, readOnly: true } as const);
  try {
    await volumes.fill(volume, { openRoot: tasks.openRoot(root, 0), destination: `/${subpath}` });
  } catch (error) {
    if (!(error instanceof ProgramError)) throw error;
    throw fail("not-found", `RUN --mount=type=cache: ${JSON.stringify(source)}: not found`, { cause: error });
  }
}
