/** A FileTree of its entries: in order, with its digest. */
import { createHash } from "node:crypto";
import { sortInTurns, takeTurns } from "#base/turns.ts";
import { comparePaths } from "../find-entry.ts";
import type { FileEntry, FileTree } from "../tree.ts";

/** Entries that are digested at once. */
const SLICE = 1000;

/** Sorts and digests them; of files that are one (hard links) the first is the file. `from`: where files of links are that were left out. */
export async function makeTree(entries: readonly FileEntry[], from: readonly FileEntry[] = entries): Promise<FileTree> {
  const sorted = await canonical(entries, from);
  const state = createHash("sha256");
  const turns = takeTurns();
  for (let at = 0; at < sorted.length; at += SLICE) {
    const wait = turns(SLICE);
    if (wait !== undefined) await wait;
    state.update(sorted.slice(at, at + SLICE).map(lineOf).join(""));
  }
  return { kind: "files", digest: `sha256:${state.digest("hex")}`, entries: sorted };
}

/** No part can be taken for another one: neither names nor what links say hold NUL. */
function lineOf({ path, type, mode, uid, gid, size, digest, link = "", device, xattrs }: FileEntry): string {
  const node = device === undefined ? "" : `${device.major}:${device.minor}`;
  const more = xattrs === undefined ? "" : Object.keys(xattrs).sort().map((name) => `${name}=${Buffer.from(xattrs[name]!).toString("hex")}\0`).join("");
  return `${path}\0${type}\0${mode} ${uid} ${gid} ${size} ${digest ?? ""} ${node}\0${link}\0${more}\n`;
}

async function canonical(entries: readonly FileEntry[], from: readonly FileEntry[]): Promise<readonly FileEntry[]> {
  const sorted = await sortInTurns(entries, (a, b) => comparePaths(a.path, b.path));
  return sorted.some(({ type }) => type === "hardlink") ? withLinks(sorted, from) : sorted;
}

function withLinks(sorted: readonly FileEntry[], from: readonly FileEntry[]): FileEntry[] {
  const linked = new Set(sorted.flatMap(({ type, link }) => (type === "hardlink" ? [link!] : [])));
  const files = new Map(from.flatMap((entry) => (linked.has(entry.path) ? [[entry.path, entry] as const] : [])));
  /** Path of a file as it was told → the first of its names. */
  const first = new Map<string, string>();
  return sorted.map((entry) => {
    const told = entry.type === "hardlink" ? entry.link! : entry.path;
    const file = files.get(told);
    if (file === undefined) return entry;
    const link = first.get(told);
    if (link === undefined) first.set(told, entry.path);
    const { link: _, ...plain } = file;
    return link === undefined ? { ...plain, path: entry.path } : { ...withoutDigest(plain), path: entry.path, type: "hardlink", link };
  });
}

function withoutDigest({ digest: _, ...entry }: FileEntry): FileEntry {
  return entry;
}
