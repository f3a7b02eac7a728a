/**
 * One exchange with a client that tells its files' names and times first (BuildKit's file sync, without its messages). What
 * is as it was told the last time is not asked for: by path, kind, mode, owner, length, time, link. If everything is,
 * the tree is the very one of the last time, and nothing is written or hashed.
 */
import { hash } from "node:crypto";
import { fail } from "#base/errors.ts";
import type { FileEntry, FileTree } from "../tree.ts";
import { MAX_ENTRIES } from "./assemble.ts";
import type { ContextSync } from "./contexts.ts";
import { makeTree } from "./make-tree.ts";
import { checkLink, checkPath, parentOf } from "./names.ts";
import type { GrowingFile } from "./pool/growing-file.ts";
import { type PoolWriter, SMALL } from "./pool/writer.ts";

export type Receiving = {
  readonly writer: PoolWriter;
  /** Of the last time. */
  readonly before: FileTree | undefined;
  /** Its bytes are still there. */
  readonly has: (entry: FileEntry) => boolean;
  readonly signal: AbortSignal;
  readonly remember: (tree: FileTree) => void;
  /** Names that clients have for trees, as long as these are in memory. */
  readonly states: WeakMap<FileTree, string>;
};

/** Bytes of files that came in part. */
const GATHERED = 64 * 2 ** 20;
const MAX_NAMES = 256 * 2 ** 20;

type Coming = { readonly entry: FileEntry; readonly parts: Uint8Array[]; length: number; growing: GrowingFile | undefined };

export function receive({ writer, before, has, signal, remember, states }: Receiving): ContextSync {
  const entries: FileEntry[] = [];
  const kinds = new Map<string, FileEntry>();
  const coming = new Map<number, Coming>();
  const known = beforeOf(before);
  let same = true;
  let checkedParent = "";
  let names = 0;
  let gathered = 0;

  const lastState = before === undefined ? undefined : states.get(before);
  const named = (tree: FileTree, state: string | undefined): FileTree => {
    if (state !== undefined) states.set(tree, state);
    return tree;
  };

  return {
    last: before === undefined || lastState === undefined ? undefined : { state: lastState, tree: before },
    entry(told) {
      check(told);
      const id = entries.length;
      kinds.set(told.path, told);
      const old = known(told.path, id);
      if (old !== undefined && isSame(old, told) && has(old)) {
        same &&= before!.entries[id] === old;
        entries.push(old);
        return false;
      }
      same = false;
      const { digest: _, ...plain } = told;
      const needed = told.type === "file" && told.size > 0;
      entries.push(told.type === "file" && !needed ? { ...plain, digest: writer.put(Buffer.alloc(0)) } : plain);
      if (needed) coming.set(id, { entry: told, parts: [], length: 0, growing: undefined });
      return needed;
    },
    data(id, chunk) {
      const file = fileOf(id);
      if (file.growing !== undefined) return file.growing.write(chunk);
      file.length += chunk.length;
      gathered += chunk.length;
      file.parts.push(Buffer.from(chunk));
      return file.length > SMALL || gathered > GATHERED ? grow(file) : undefined;
    },
    end(id) {
      const file = fileOf(id);
      coming.delete(id);
      const { digest: _, ...entry } = file.entry;
      if (file.growing !== undefined) return file.growing.end().then((stored) => void (entries[id] = { ...entry, ...stored }));
      gathered -= file.length;
      const bytes = file.parts.length === 1 ? file.parts[0]! : Buffer.concat(file.parts);
      entries[id] = { ...entry, size: file.length, digest: writer.put(bytes) };
      return writer.drain();
    },
    async finish(state) {
      signal.throwIfAborted();
      if (coming.size > 0) throw fail("invalid", `take in a context: ${coming.size} of its files did not come, as ${JSON.stringify(coming.values().next().value!.entry.path)}`);
      if (same && before?.entries.length === entries.length) return named(before, state);
      await writer.finish();
      const tree = await makeTree(entries);
      remember(tree);
      return named(tree, state);
    },
    [Symbol.asyncDispose]: () => writer[Symbol.asyncDispose](),
  };

  function check(told: FileEntry): void {
    const { path, type, link } = told;
    const parent = parentOf(path);
    const known = parent === checkedParent;
    checkPath(path, known && parent !== "" ? parent.length + 1 : 0);
    names += path.length;
    if (entries.length >= MAX_ENTRIES || names > MAX_NAMES) throw fail("invalid", `take in a context: more than ${MAX_ENTRIES} files, or names of more than ${MAX_NAMES} bytes`);
    if (kinds.has(path)) throw fail("invalid", `take in a context: ${JSON.stringify(path)} is told twice`);
    if (!known) {
      if (parent !== "" && kinds.get(parent)?.type !== "directory") throw fail("invalid", `take in a context: ${JSON.stringify(path)}: ${JSON.stringify(parent)} is not a directory that was told before`);
      checkedParent = parent;
    }
    if (type === "hardlink" && kinds.get(link ?? "")?.type !== "file") throw fail("invalid", `take in a context: ${JSON.stringify(path)} is a hard link to ${JSON.stringify(link)}, which was not told before`);
    if (type === "symlink" && (link === undefined || link.includes("\0"))) throw fail("invalid", `take in a context: ${JSON.stringify(path)} is a link to nothing`);
    if (type === "symlink") checkLink(path, link!);
  }

  function fileOf(id: number): Coming {
    signal.throwIfAborted();
    const file = coming.get(id);
    if (file === undefined) throw fail("invalid", `take in a context: bytes of entry ${id}, which were not asked for`);
    return file;
  }

  /** All parts at once: the next one may come before there is room. */
  function grow(file: Coming): Promise<void> | undefined {
    const growing = writer.begin();
    file.growing = growing;
    gathered -= file.length;
    const waits = file.parts.splice(0).flatMap((part) => growing.write(part) ?? []);
    return waits.length === 0 ? undefined : Promise.all(waits).then(() => undefined);
  }
}

/** The entry of the last time: at the same place mostly, else by its path. */
function beforeOf(before: FileTree | undefined): (path: string, place: number) => FileEntry | undefined {
  if (before === undefined) return () => undefined;
  const { entries } = before;
  let byPath: Map<string, FileEntry> | undefined;
  return (path, place) => {
    const here = entries[place];
    if (here?.path === path) return here;
    byPath ??= new Map(entries.map((entry) => [entry.path, entry]));
    return byPath.get(path);
  };
}

function isSame(old: FileEntry, told: FileEntry): boolean {
  return (
    old.type === told.type && old.mode === told.mode && old.uid === told.uid && old.gid === told.gid && old.mtime === told.mtime &&
    (old.changed === told.changed || told.changed === undefined) &&
    (old.size === told.size || told.type !== "file") && old.link === told.link &&
    old.device?.major === told.device?.major && old.device?.minor === told.device?.minor && sameAttributes(old.xattrs, told.xattrs)
  );
}

function sameAttributes(old: FileEntry["xattrs"] = {}, told: FileEntry["xattrs"] = {}): boolean {
  const names = Object.keys(told);
  return names.length === Object.keys(old).length && names.every((name) => old[name] !== undefined && Buffer.compare(old[name], told[name]!) === 0);
}

/** Who asks for which of whose files, as a name in the file system. */
export const keyOf = (key: string): string => hash("sha256", key, "hex");
