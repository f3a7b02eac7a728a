/** A part of a context, written into a folder: by a program inside it, from the pool's bytes. */
import { dirname, basename } from "node:path";
import type { FilePool } from "#builder/tree.ts";
import type { SourceEntry } from "#builder/files/source.ts";
import { encodeName } from "#builder/files/names.ts";
import { enterFolder } from "#core/inside.ts";
import type { Kernel } from "#linux/linux.ts";
import type { Op, Program } from "#linux/ops.ts";
import type { TreePart } from "./trees.ts";

const O_PATH_DIRECTORY = 0o10000000 | (process.arch === "arm64" ? 0o40000 : 0o200000);
const BATCH = 500;
/** Slots of the pool's folders: `enterFolder` has the first. */
const FIRST_SLOT = 10;
const KINDS = { char: 0o020000, block: 0o060000, fifo: 0o010000 } as const;

/** Of a file the folder holds this one. */
const ONLY = "file";

/** `entries`: the first is the part itself, a directory comes before what is in it. */
export async function makeTree(kernel: Kernel, pool: FilePool, entries: readonly SourceEntry[], folder: string): Promise<TreePart> {
  const type = entries[0]!.type === "directory" ? "directory" : "file";
  const named = entries.map((entry) => ({ ...entry, path: entry.path || (type === "directory" ? "." : ONLY) }));
  const slots = poolSlots(pool, named);
  await kernel.perform([{ op: "mkdirAll", slot: 0, path: folder, mode: 0o755 }]);
  await using program = await kernel.stream({ long: true });
  await program.push([...openFolders(slots), ...enterFolder(folder)]);
  const ops = opsOf(pool, named, slots);
  for (let at = 0; at < ops.length; at += BATCH) await program.push(ops.slice(at, at + BATCH));
  await program.end();
  return { from: { kind: "folder", path: folder }, subpath: type === "directory" ? "" : ONLY, type };
}

type Slots = ReadonlyMap<string, number>;

/** The pool's files are in few folders. */
function poolSlots(pool: FilePool, entries: readonly SourceEntry[]): Slots {
  const folders = new Set(entries.flatMap(({ digest }) => (digest === undefined ? [] : [dirname(pool.place(digest).path)])));
  return new Map([...folders].map((path, index) => [path, FIRST_SLOT + index]));
}

const openFolders = (slots: Slots): Program => [...slots].map(([path, slot]): Op => ({ op: "open", slot, path, flags: O_PATH_DIRECTORY }));

function opsOf(pool: FilePool, entries: readonly SourceEntry[], slots: Slots): Op[] {
  const firstNames = new Map<string, string>();
  const making = entries.flatMap((entry) => makeOps(pool, entry, slots, firstNames));
  // What is made in a directory changes its time.
  const times = entries.filter(({ type, sec }) => type === "directory" && sec >= 0).toReversed().map(({ path, sec, nsec }): Op => ({ op: "utimes", path: encodeName(path), sec, nsec }));
  return [...making, ...times];
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
