/**
 * Contexts as folders, for bind mounts. Made of the pool's bytes when a step first needs them, shared by those who need the
 * same, and kept for a while: the next step, and the next build, nearly always bind the same context.
 */
import { mkdir } from "node:fs/promises";
import { unlessAborted } from "#base/abort.ts";
import { fail } from "#base/errors.ts";
import { fileSource } from "#builder/files/file-source.ts";
import type { FilePool, FileTree } from "#builder/tree.ts";
import type { Kernel } from "#linux/linux.ts";
import { removeFolderProgram } from "#core/tasks/tasks.ts";
import { type MadeTree, makeTree } from "./make-tree.ts";

export type Trees = {
  /** What is at `source` of a tree, until it is disposed. Nobody may write there. @throws not-found */
  use(tree: FileTree, options: { readonly source: string; readonly signal: AbortSignal }): Promise<Disposable & TreePart>;
  /** A folder with nothing in it. */
  empty(): Promise<string>;
};

/** `subpath`: of a file its name in the folder; of a directory "": the folder is it. */
export type TreePart = { readonly from: { readonly kind: "folder"; readonly path: string }; readonly subpath: string; readonly type: "directory" | "file" };

type TreesParts = { readonly kernel: Kernel; readonly pool: FilePool; readonly hold: (tree: FileTree) => Disposable; /** The trees' own. */ readonly folder: string };

/** Kept without anybody who uses them: so many, and so long. */
const KEPT = 4;
const KEPT_MS = 300_000;

type Part = {
  readonly key: string;
  readonly folder: string;
  readonly source: string;
  readonly made: Promise<MadeTree>;
  /** Ends the making. */
  readonly stop: AbortController;
  done: MadeTree | undefined;
  users: number;
  forget: NodeJS.Timeout | undefined;
};

export function openTrees({ kernel, pool, hold, folder }: TreesParts): Trees {
  /** Those used last come last. */
  const parts = new Map<string, Part>();
  let count = 0;
  // What an engine before this one has left.
  const swept = removeTree(kernel, folder).then(() => mkdir(`${folder}/empty`, { recursive: true, mode: 0o755 }));
  swept.catch(() => {});

  /** Not given up when who asked first goes away, but when nobody waits any more. */
  async function make(tree: FileTree, source: string, { to, signal }: { to: string; signal: AbortSignal }): Promise<MadeTree> {
    await swept;
    signal.throwIfAborted();
    using _ = hold(tree);
    const files = fileSource({ pool }, tree);
    const found = await files.find(source);
    if (found === undefined) throw fail("not-found", `${JSON.stringify(source)}: not found`);
    const entries = await files.list(found.path, -1);
    // The last of the same place of a context, in use until this one is made of it.
    const older = [...parts.values()].findLast((part) => part.source === source && part.done !== undefined);
    if (older !== undefined) older.users += 1;
    try {
      return await makeTree(kernel, pool, entries, { folder: to, older: older?.done, signal });
    } finally {
      if (older !== undefined) release(older);
    }
  }

  function begin(tree: FileTree, source: string, key: string): Part {
    // A name is used once: what is being removed is not what is being made.
    const to = `${folder}/${++count}`;
    const stop = new AbortController();
    const made = make(tree, source, { to, signal: stop.signal });
    const part: Part = { key, folder: to, source, made, stop, done: undefined, users: 0, forget: undefined };
    part.made.then((made) => (part.done = made), () => parts.get(key) === part && parts.delete(key));
    return part;
  }

  async function drop(part: Part): Promise<void> {
    if (parts.get(part.key) === part) parts.delete(part.key);
    clearTimeout(part.forget);
    part.stop.abort(fail("cancelled", "nobody waits for this context any more"));
    await part.made.catch(() => {});
    await removeTree(kernel, part.folder).catch(() => {});
  }

  function release(part: Part): void {
    part.users -= 1;
    if (part.users > 0) return;
    if (part.done === undefined) return void drop(part);
    clearTimeout(part.forget);
    part.forget = setTimeout(() => void drop(part), KEPT_MS).unref();
    const unused = [...parts.values()].filter(({ users }) => users === 0);
    for (const one of unused.slice(0, Math.max(0, unused.length - KEPT))) void drop(one);
  }

  return {
    async use(tree, { source, signal }) {
      const key = `${tree.digest} ${source}`;
      const part = parts.get(key) ?? begin(tree, source, key);
      parts.delete(key);
      parts.set(key, part);
      part.users += 1;
      clearTimeout(part.forget);
      try {
        const made = await unlessAborted(part.made, signal);
        return { from: made.from, subpath: made.subpath, type: made.type, [Symbol.dispose]: () => release(part) };
      } catch (error) {
        release(part);
        throw error;
      }
    },
    async empty() {
      await swept;
      return `${folder}/empty`;
    },
  };
}

function removeTree(kernel: Kernel, path: string): Promise<unknown> {
  const at = path.lastIndexOf("/");
  return kernel.perform(removeFolderProgram(path.slice(0, at), path.slice(at + 1)));
}
