/** A context as COPY's source: an index in memory. Pure, but for reading bytes. */
import { createReadStream } from "node:fs";
import { fail } from "#base/errors.ts";
import type { FileEntry, FileTree } from "../tree.ts";
import { cleanPath, joinPath } from "./names.ts";
import type { Source, SourceEntry, SourceParts } from "./source.ts";

const MAX_LINKS = 255;

type Index = { readonly byPath: ReadonlyMap<string, FileEntry>; readonly sorted: readonly FileEntry[] };

/** Made once a tree. Entries are in order: a directory, then all that is in it. */
const indexes = new WeakMap<FileTree, Index>();

export function fileSource({ pool }: Pick<SourceParts, "pool">, tree: FileTree): Source {
  const index = indexOf(tree);
  return {
    kind: "files",
    find: async (path) => {
      const found = resolve(index, path);
      if (found === "") return { path: "", type: "directory" };
      const entry = index.byPath.get(found);
      return entry && { path: found, type: plain(index, entry).type as SourceEntry["type"] };
    },
    list: async (path, depth) => list(index, path, depth),
    async *read({ digest }) {
      const { path, offset, length } = pool.place(digest!);
      if (length > 0) yield* createReadStream(path, { start: offset, end: offset + length - 1, highWaterMark: 2 ** 20 });
    },
  };
}

function indexOf(tree: FileTree): Index {
  const known = indexes.get(tree);
  if (known !== undefined) return known;
  const made = { byPath: new Map(tree.entries.map((entry) => [entry.path, entry])), sorted: tree.entries };
  indexes.set(tree, made);
  return made;
}

/** As the kernel does below a root; what is not there leads on by its name. */
function resolve({ byPath }: Index, path: string): string {
  let rest = path.split("/");
  let at = "";
  for (let links = 0; rest.length > 0; ) {
    const part = rest.shift()!;
    if (part === "" || part === ".") continue;
    if (part === "..") {
      at = at.slice(0, Math.max(0, at.lastIndexOf("/")));
      continue;
    }
    const next = joinPath(at, part);
    const entry = byPath.get(next);
    if (entry?.type !== "symlink") {
      at = next;
      continue;
    }
    if (links++ === MAX_LINKS) throw fail("invalid", `${path}: too many levels of symbolic links`);
    const target = entry.link ?? "";
    if (target.startsWith("/")) at = "";
    rest = [...target.split("/"), ...rest];
  }
  return at;
}

function list(index: Index, path: string, depth: number): SourceEntry[] {
  const entry = path === "" ? ROOT : index.byPath.get(path);
  if (entry === undefined) return [];
  const own = sourceEntry(index, entry, "", path);
  if (own.type !== "directory" || depth === 0) return [own];
  const prefix = path === "" ? "" : `${path}/`;
  const below = index.sorted.filter((one) => one.path.startsWith(prefix) && (depth < 0 || levels(one.path.slice(prefix.length)) <= depth));
  return [own, ...below.map((one) => sourceEntry(index, one, one.path.slice(prefix.length), one.path))];
}

const ROOT: FileEntry = { path: "", type: "directory", mode: 0o755, uid: 0, gid: 0, mtime: -1n, size: 0 };
const levels = (path: string): number => path.split("/").length;

function sourceEntry(index: Index, entry: FileEntry, path: string, at: string): SourceEntry {
  const { path: own, type, mode, mtime, size, digest, link, device, xattrs } = plain(index, entry);
  const sec = mtime / SECOND - (mtime % SECOND < 0n ? 1n : 0n);
  return {
    path, at, mode, size, uid: 0, gid: 0,
    type: type as SourceEntry["type"],
    sec: Number(sec),
    nsec: Number(mtime - sec * SECOND),
    ...(digest !== undefined && { digest }),
    ...(type === "symlink" && { link: link ?? "" }),
    ...(device !== undefined && { device }),
    ...(xattrs !== undefined && { xattrs: Object.entries(xattrs) }),
    ...(type === "file" && { inode: own }),
  };
}

const SECOND = 1_000_000_000n;

/** A hard link is the file that it is another name of. @throws invalid when that is none */
function plain({ byPath }: Index, entry: FileEntry): FileEntry {
  let at: FileEntry | undefined = entry;
  for (let links = 0; at?.type === "hardlink" && links < MAX_LINKS; links++) at = byPath.get(cleanPath(at.link ?? ""));
  if (at === undefined || at.type === "hardlink") throw fail("invalid", `${entry.path}: a hard link to ${entry.link}, which is not there`);
  return at;
}
