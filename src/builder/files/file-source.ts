/** A context as COPY's source: its entries. Pure, but for reading bytes. */
import { createReadStream } from "node:fs";
import { fail } from "#base/errors.ts";
import { takeTurns } from "#base/turns.ts";
import { entriesBelow, findEntry } from "../find-entry.ts";
import type { FileEntry, FileTree } from "../tree.ts";
import { cleanPath, joinPath } from "./names.ts";
import type { Source, SourceEntry, SourceParts } from "./source.ts";

const MAX_LINKS = 255;

export function fileSource({ pool }: Pick<SourceParts, "pool">, tree: FileTree): Source {
  return {
    kind: "files",
    find: async (path) => {
      const found = resolve(tree, path);
      if (found === "") return { path: "", type: "directory" };
      const entry = findEntry(tree, found);
      return entry && { path: found, type: plain(tree, entry).type as SourceEntry["type"] };
    },
    list: async (path, depth) => await list(tree, path, depth),
    async *read({ digest }) {
      const { path, offset, length } = pool.place(digest!);
      if (length > 0) yield* createReadStream(path, { start: offset, end: offset + length - 1, highWaterMark: 2 ** 20 });
    },
  };
}

/** As the kernel does below a root; what is not there leads on by its name. */
function resolve(tree: FileTree, path: string): string {
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
    const entry = findEntry(tree, next);
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

async function list(tree: FileTree, path: string, depth: number): Promise<SourceEntry[]> {
  const entry = path === "" ? ROOT : findEntry(tree, path);
  if (entry === undefined) return [];
  const own = sourceEntry(tree, entry, "", path);
  if (own.type !== "directory" || depth === 0) return [own];
  const start = path === "" ? 0 : path.length + 1;
  const found = [own];
  const turns = takeTurns();
  for (const one of entriesBelow(tree, path)) {
    const wait = turns();
    if (wait !== undefined) await wait;
    const name = one.path.slice(start);
    if (depth < 0 || levels(name) <= depth) found.push(sourceEntry(tree, one, name, one.path));
  }
  return found;
}

const ROOT: FileEntry = { path: "", type: "directory", mode: 0o755, uid: 0, gid: 0, mtime: -1n, size: 0 };
const levels = (path: string): number => path.split("/").length;

function sourceEntry(tree: FileTree, entry: FileEntry, path: string, at: string): SourceEntry {
  const { path: own, type, mode, mtime, size, digest, link, device, xattrs } = plain(tree, entry);
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
function plain(tree: FileTree, entry: FileEntry): FileEntry {
  let at: FileEntry | undefined = entry;
  for (let links = 0; at?.type === "hardlink" && links < MAX_LINKS; links++) at = findEntry(tree, cleanPath(at.link ?? ""));
  if (at === undefined || at.type === "hardlink") throw fail("invalid", `${entry.path}: a hard link to ${entry.link}, which is not there`);
  return at;
}
