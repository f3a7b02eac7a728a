/** A FileTree of its entries: in order, with its digest. */
import { createHash } from "node:crypto";
import type { Digest } from "#spec/digest.ts";
import type { FileEntry, FileTree } from "../tree.ts";

/** Entries between two turns of the event loop. */
const SLICE = 5000;

/** Sorts and digests them; of files that are one (hard links) the first is the file. `from`: where files of links are that were left out. */
export async function makeTree(entries: readonly FileEntry[], from: readonly FileEntry[] = entries): Promise<FileTree> {
  const sorted = canonical(entries, from);
  const state = createHash("sha256");
  for (let at = 0; at < sorted.length; at += SLICE) {
    if (at > 0) await new Promise((resolve) => setImmediate(resolve));
    state.update(sorted.slice(at, at + SLICE).map(lineOf).join(""));
  }
  return { kind: "files", digest: `sha256:${state.digest("hex")}`, entries: sorted };
}

/** The same at once, for a selection of a tree. */
export function makeTreeNow(entries: readonly FileEntry[], from: readonly FileEntry[] = entries): FileTree {
  const sorted = canonical(entries, from);
  const state = createHash("sha256");
  for (let at = 0; at < sorted.length; at += SLICE) state.update(sorted.slice(at, at + SLICE).map(lineOf).join(""));
  return { kind: "files", digest: `sha256:${state.digest("hex")}` satisfies Digest, entries: sorted };
}

/** Name by name: what is below "a" comes before "a-b". No name holds a NUL. */
export const orderOf = (path: string): string => (path.includes("/") ? path.replaceAll("/", "\0") : path);

/** No part can be taken for another one: neither names nor what links say hold NUL. */
function lineOf({ path, type, mode, uid, gid, size, digest, link = "", device, xattrs }: FileEntry): string {
  const node = device === undefined ? "" : `${device.major}:${device.minor}`;
  const more = xattrs === undefined ? "" : Object.keys(xattrs).sort().map((name) => `${name}=${Buffer.from(xattrs[name]!).toString("hex")}\0`).join("");
  return `${path}\0${type}\0${mode} ${uid} ${gid} ${size} ${digest ?? ""} ${node}\0${link}\0${more}\n`;
}

function canonical(entries: readonly FileEntry[], from: readonly FileEntry[]): readonly FileEntry[] {
  const sorted = inOrder(entries);
  return sorted.some(({ type }) => type === "hardlink") ? withLinks(sorted, from) : sorted;
}

function inOrder(entries: readonly FileEntry[]): readonly FileEntry[] {
  const keys = entries.map(({ path }) => orderOf(path));
  if (keys.every((key, index) => index === 0 || keys[index - 1]! < key)) return entries;
  const places = keys.map((_, index) => index).sort((a, b) => (keys[a]! < keys[b]! ? -1 : 1));
  return places.map((place) => entries[place]!);
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
