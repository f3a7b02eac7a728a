/**
 * A part of a context, written into a folder: by a program inside it, from the pool's bytes. What another such folder has
 * the same at the same path becomes another name of that: nobody ever writes to either.
 */
import { dirname, basename } from "node:path";
import type { FilePool } from "#builder/tree.ts";
import type { SourceEntry } from "#builder/files/source.ts";
import { encodeName } from "#builder/files/names.ts";
import { enterFolder } from "#core/inside.ts";
import { removeFolderProgram } from "#core/tasks/tasks.ts";
import type { Kernel } from "#linux/linux.ts";
import type { Op, Program } from "#linux/ops.ts";
import type { TreePart } from "./trees.ts";

const O_DIRECTORY = process.arch === "arm64" ? 0o40000 : 0o200000;
const O_PATH_DIRECTORY = 0o10000000 | O_DIRECTORY;
const BATCH = 500;
/** `enterFolder` has the first slots. */
const OLD = 10;
const OWN = 11;
const POOL = 12;
const KINDS = { char: 0o020000, block: 0o060000, fifo: 0o010000 } as const;

/** Of a file the folder holds this one. */
const ONLY = "file";

export type MadeTree = TreePart & { readonly files: Files };
/** What each file is, by its path. */
export type Files = ReadonlyMap<string, string>;

type Making = { readonly folder: string; readonly older: MadeTree | undefined; readonly signal: AbortSignal };

/** `entries`: the first is the part itself, a directory comes before what is in it. */
export async function makeTree(kernel: Kernel, pool: FilePool, entries: readonly SourceEntry[], { folder, older, signal }: Making): Promise<MadeTree> {
  const type = entries[0]!.type === "directory" ? "directory" : "file";
  const named = entries.map((entry) => ({ ...entry, path: entry.path || (type === "directory" ? "." : ONLY) }));
  const files = describe(named);
  const made: MadeTree = { from: { kind: "folder", path: folder }, subpath: type === "directory" ? "" : ONLY, type, files };
  const same = older === undefined ? [] : [...files].filter(([path, what]) => older.files.get(path) === what).map(([path]) => path);
  try {
    await write(kernel, pool, named, { folder, signal, ...(older === undefined || same.length === 0 ? {} : { links: { from: older.from.path, paths: same } }) });
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (same.length === 0) throw error;
    // Not every file can have so many names.
    await kernel.perform(removeFolderProgram(dirname(folder), basename(folder)));
    await write(kernel, pool, named, { folder, signal });
  }
  return made;
}

/** Of files with several names, and with attributes, nothing is said: they are made anew. */
function describe(entries: readonly SourceEntry[]): Files {
  const names = new Map<string, number>();
  for (const { inode } of entries) if (inode !== undefined) names.set(inode, (names.get(inode) ?? 0) + 1);
  const plain = entries.filter(({ type, inode, xattrs, digest }) => type === "file" && digest !== undefined && xattrs === undefined && (inode === undefined || names.get(inode) === 1));
  return new Map(plain.map(({ path, digest, mode, uid, gid, sec, nsec }) => [path, `${digest} ${mode} ${uid}:${gid} ${sec}.${nsec}`]));
}

type Links = { readonly from: string; readonly paths: readonly string[] };

async function write(kernel: Kernel, pool: FilePool, entries: readonly SourceEntry[], { folder, links, signal }: { folder: string; links?: Links; signal: AbortSignal }): Promise<void> {
  const linked = new Set(links?.paths);
  const slots = poolSlots(pool, entries.filter(({ path }) => !linked.has(path)));
  await kernel.perform([{ op: "mkdirAll", slot: 0, path: folder, mode: 0o755 }]);
  await using program = await kernel.stream({ long: true, signal });
  // Before the program has mounts of its own: names are given within one.
  const both = links === undefined ? [] : [openFolder(OLD, links.from), openFolder(OWN, folder)];
  await program.push([...both, ...[...slots].map(([path, slot]) => openFolder(slot, path)), ...enterFolder(folder)]);
  const ops = opsOf(pool, entries, { slots, linked });
  for (let at = 0; at < ops.length; at += BATCH) await program.push(ops.slice(at, at + BATCH));
  await program.end();
}

const openFolder = (slot: number, path: string): Op => ({ op: "open", slot, path, flags: O_PATH_DIRECTORY });

type Slots = ReadonlyMap<string, number>;

/** The pool's files are in few folders. */
function poolSlots(pool: FilePool, entries: readonly SourceEntry[]): Slots {
  const folders = new Set(entries.flatMap(({ digest }) => (digest === undefined ? [] : [dirname(pool.place(digest).path)])));
  return new Map([...folders].map((path, index) => [path, POOL + index]));
}

/** What is made in a directory changes its time. */
function opsOf(pool: FilePool, entries: readonly SourceEntry[], { slots, linked }: { slots: Slots; linked: ReadonlySet<string> }): Op[] {
  const firstNames = new Map<string, string>();
  const making = entries.flatMap((entry) => (linked.has(entry.path) ? [] : makeOps(pool, entry, slots, firstNames)));
  const times = entries.filter(({ type, sec }) => type === "directory" && sec >= 0).toReversed().map(({ path, sec, nsec }): Op => ({ op: "utimes", path: encodeName(path), sec, nsec }));
  return [...making, ...linkOps([...linked]), ...times];
}

function linkOps(paths: readonly string[]): Program {
  return Array.from({ length: Math.ceil(paths.length / BATCH) }, (_, index): Op => {
    const some = paths.slice(index * BATCH, (index + 1) * BATCH);
    return { op: "linkFiles", from: OLD, slot: OWN, paths: encodeName(some.map((path) => `${path}\0`).join("")) };
  });
}

function makeOps(pool: FilePool, entry: SourceEntry, slots: Slots, firstNames: Map<string, string>): Op[] {
  const { type, mode, uid, gid, sec, nsec, inode } = entry;
  const path = encodeName(entry.path);
  const first = inode === undefined ? undefined : firstNames.get(inode);
  if (first !== undefined) return [{ op: "link", fromPath: encodeName(first), path }];
  if (inode !== undefined) firstNames.set(inode, entry.path);
  const xattrs = (entry.xattrs ?? []).map(([name, data]): Op => ({ op: "setxattr", path, name, data }));
  switch (type) {
    case "directory":
      return [{ op: "putDir", path, mode, uid, gid }, ...xattrs];
    case "symlink":
      return [{ op: "symlink", target: encodeName(entry.link ?? ""), path, uid, gid }, { op: "utimes", path, sec, nsec }];
    case "file":
      return [putFile(pool, entry, path, slots), ...xattrs];
    default:
      return [{ op: "mknod", path, mode: KINDS[type] | mode, major: entry.device?.major ?? 0, minor: entry.device?.minor ?? 0, uid, gid }, { op: "utimes", path, sec, nsec }];
  }
}

function putFile(pool: FilePool, { digest, mode, uid, gid, sec, nsec }: SourceEntry, path: Buffer, slots: Slots): Op {
  const place = digest === undefined ? undefined : pool.place(digest);
  if (place === undefined || place.length === 0) return { op: "putFile", path, mode, uid, gid, sec, nsec, data: "" };
  return { op: "putRange", from: slots.get(dirname(place.path))!, fromPath: basename(place.path), offset: place.offset, length: place.length, path, mode, uid, gid, sec, nsec };
}
