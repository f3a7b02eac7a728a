/** The pool, what is remembered of contexts, and what goes when there is no room. See contexts.ts. */
import { mkdir, readFile } from "node:fs/promises";
import { nowNanos } from "#base/clock.ts";
import { collectGarbage } from "#base/memory.ts";
import { takeTurns } from "#base/turns.ts";
import type { Digest } from "#spec/digest.ts";
import type { FileTree } from "../tree.ts";
import type { Contexts, ContextsParts } from "./contexts.ts";
import { filterTree, treeBelow } from "./filter.ts";
import { type LargeFiles, takeArchive, takeOne } from "./from-archive.ts";
import { checkPath } from "./names.ts";
import { openPool } from "./pool/pool.ts";
import { listStored } from "./list-stored.ts";
import { keyOf, receive } from "./receive.ts";
import { openRecentTrees } from "./recent-trees.ts";
import { openStoredTrees } from "./stored-trees.ts";

const LIMIT = 8 * 2 ** 30;
/** Folders of clients of which the last state is remembered, and entries of those that are kept in memory. */
const REMEMBERED = 500;
const IN_MEMORY = 300_000;
/** Of the limit, what a collection leaves when it was passed. */
const ROOM = 0.8;
const MORE = 0.1;

export async function openContexts({ root, kernel, limit = LIMIT, boot }: ContextsParts): Promise<Contexts> {
  await mkdir(root, { recursive: true, mode: 0o710 });
  const sync = async () => void (await kernel.perform([{ op: "open", slot: 1, path: root }, { op: "syncfs", slot: 1 }], { long: true }));
  const pool = await openPool({ folder: `${root}/pool`, sync, boot: boot ?? (await bootId()) });
  const stored = await openStoredTrees(`${root}/trees`);
  /** By names of stored trees, those that were used last at the end. */
  const memory = new Map<string, FileTree>();
  /** Whatever was handed out and can still be reached by somebody. */
  const reachable = new Set<WeakRef<FileTree>>();
  /** How many there must be until those are taken out that nobody reaches. */
  let lookAt = 1000;
  const seen = new WeakSet<FileTree>();
  const states = new WeakMap<FileTree, string>();
  const held = new Map<FileTree, number>();
  /** While a collection is under way: what was handed out since it began. */
  let used: Set<FileTree> | undefined;
  const large: LargeFiles = new Map();
  /** When files came last that no index is stored of: of archives. */
  let taken = Date.now();
  const recent = openRecentTrees();
  const storing = new Set<Promise<void>>();
  /** What is on its way to the disk, by its name. */
  const unwritten = new Map<string, FileTree>();
  let collecting: Promise<{ bytes: number }> | undefined;
  let full = limit;
  collectIfFull();

  return {
    pool,
    recent,
    async fromArchive(archive, options) {
      taken = Date.now();
      await using writer = pool.writer();
      return handOut(await takeArchive(writer, archive, { ...options, large }));
    },
    async fromFile(name, bytes, { signal, mode = 0o600, mtime = nowNanos() }) {
      checkPath(name);
      await using writer = pool.writer();
      return handOut(await takeOne(writer, bytes, { path: name, mode, mtime, signal }));
    },
    async begin({ key, signal }) {
      const name = `${SYNC}${keyOf(key)}`;
      const before = await load(name);
      if (before !== undefined) use(name, before);
      const has = ({ digest }: FileTree["entries"][number]) => digest === undefined || pool.has(digest);
      return receive({ writer: pool.writer(), before, has, signal, states, remember: (tree) => void store(name, handOut(tree)) });
    },
    async unchanged(key, state) {
      const name = `${SYNC}${keyOf(key)}`;
      // States are remembered of what is in memory only.
      const tree = memory.get(name);
      if (tree === undefined || states.get(tree) !== state) return undefined;
      use(name, tree);
      remember(name, tree);
      return handOut(tree);
    },
    filter: async (tree, selection) => handOut(await filterTree(tree, selection)),
    below: async (tree, path) => handOut(await treeBelow(tree, path)),
    hold(tree) {
      const places = pool.hold();
      held.set(tree, (held.get(tree) ?? 0) + 1);
      let open = true;
      return {
        [Symbol.dispose]() {
          if (!open) return;
          open = false;
          const left = held.get(tree)! - 1;
          if (left === 0) held.delete(tree);
          else held.set(tree, left);
          places[Symbol.dispose]();
        },
      };
    },
    keep: (tree) => store(nameOf(tree.digest), tree),
    recall: (digest) => loadWhole(nameOf(digest)),
    note: (key, tree) => store(`${NOTED}${keyOf(key)}`, tree),
    noted: (key) => loadWhole(`${NOTED}${keyOf(key)}`),
    async list() {
      await Promise.all(storing);
      return await listStored({ stored, treeOf: find, held: held.keys(), isSent: (name) => name.startsWith(SYNC) }, { total: pool.usage().content, used: taken });
    },
    async forget(names) {
      const before = pool.usage().bytes;
      for (const name of names) memory.delete(name);
      await Promise.all(names.map((name) => stored.remove(name)));
      // What was forgotten can be reached until it is known that nobody does.
      await collectGarbage();
      await collect(limit);
      return { bytes: Math.max(0, before - pool.usage().bytes) };
    },
    async usage() {
      const trees = await stored.list();
      const { bytes, files } = pool.usage();
      return { bytes: bytes + trees.reduce((sum, tree) => sum + tree.bytes, 0), files, contexts: trees.length };
    },
    collect: () => collect(limit),
    async [Symbol.asyncDispose]() {
      await Promise.allSettled([...storing, collecting]);
      await pool[Symbol.asyncDispose]();
    },
  };

  function use(name: string, tree: FileTree): void {
    void stored.touch(name);
    recent.remember(tree);
  }

  /** From here on what it is made of stays, as long as anybody has it. */
  function handOut(tree: FileTree): FileTree {
    if (!seen.has(tree)) reachable.add(new WeakRef(tree));
    seen.add(tree);
    if (reachable.size > lookAt) {
      forgetUnreachable();
      lookAt = 2 * reachable.size + 1000;
    }
    used?.add(tree);
    collectIfFull();
    return tree;
  }

  function forgetUnreachable(): void {
    for (const ref of reachable) if (ref.deref() === undefined) reachable.delete(ref);
  }

  /** Above the limit; and once more only when that much was added again, for what is in use cannot be helped. */
  function collectIfFull(): void {
    if (collecting !== undefined || pool.usage().bytes <= full) return;
    collect(limit * ROOM).then(() => (full = Math.max(limit, pool.usage().bytes + limit * MORE)), () => undefined);
  }

  async function load(name: string): Promise<FileTree | undefined> {
    const tree = await find(name);
    if (tree !== undefined) remember(name, handOut(tree));
    return tree;
  }

  async function find(name: string): Promise<FileTree | undefined> {
    return memory.get(name) ?? unwritten.get(name) ?? (await stored.read(name));
  }

  async function loadWhole(name: string): Promise<FileTree | undefined> {
    const tree = await load(name);
    if (tree === undefined || !(await isWhole(tree))) return undefined;
    void stored.touch(name);
    return tree;
  }

  async function isWhole({ entries }: FileTree): Promise<boolean> {
    const turns = takeTurns();
    for (const { digest } of entries) {
      const wait = turns();
      if (wait !== undefined) await wait;
      if (digest !== undefined && !pool.has(digest)) return false;
    }
    return true;
  }

  function remember(name: string, tree: FileTree): void {
    memory.delete(name);
    memory.set(name, tree);
    let entries = 0;
    for (const [other, { entries: list }] of [...memory].reverse()) {
      entries += list.length;
      if (entries > IN_MEMORY && other !== name) memory.delete(other);
    }
  }

  /** In memory at once; on the disk a moment later. */
  function store(name: string, tree: FileTree): Promise<void> {
    remember(name, handOut(tree));
    unwritten.set(name, tree);
    const written = stored.write(name, tree).finally(() => void (unwritten.get(name) === tree && unwritten.delete(name)));
    const settled = written.catch(() => undefined).finally(() => void storing.delete(settled));
    storing.add(settled);
    return written;
  }

  function collect(most: number): Promise<{ bytes: number }> {
    if (collecting !== undefined) return collecting.then(() => collect(most));
    used = new Set();
    collecting = collectOnce(most).finally(() => (used = collecting = undefined));
    return collecting;
  }

  /** Forgets what was used longest ago until the rest has room, then takes from the pool what nothing leads to. */
  async function collectOnce(most: number): Promise<{ bytes: number }> {
    await Promise.all(storing);
    const mark = marker(pool.mark());
    const live = () => [...held.keys(), ...used!, ...[...reachable].flatMap((ref) => ref.deref() ?? [])];
    for (const tree of live()) mark(tree);
    for (const [place, { name }] of (await stored.list()).entries()) {
      const unwanted = name.startsWith(SYNC) && place >= REMEMBERED;
      const tree = unwanted ? undefined : (memory.get(name) ?? (await stored.read(name)));
      if (tree !== undefined && mark(tree, most)) continue;
      memory.delete(name);
      await stored.remove(name);
    }
    forgetUnreachable();
    for (const tree of live()) mark(tree);
    return { bytes: await pool.sweep() };
  }
}

/** Marks a tree's files, unless there would be more than `most` bytes of all then. */
function marker(mark: (digest: Digest) => boolean): (tree: FileTree, most?: number) => boolean {
  let bytes = 0;
  return ({ entries }, most = Infinity) => {
    for (const { digest, size } of entries) {
      if (digest === undefined || !mark(digest)) continue;
      bytes += size;
      if (bytes > most) return false;
    }
    return true;
  };
}

const SYNC = "sync-";
const NOTED = "noted-";
const nameOf = (digest: Digest): string => `kept-${digest.slice("sha256:".length)}`;
const bootId = async (): Promise<string> => (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
