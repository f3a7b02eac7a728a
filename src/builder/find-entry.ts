/** Looking things up in a tree's entries: they are in order (tree.ts), so nothing needs to be made for it. */
import type { FileEntry, FileTree } from "./tree.ts";

/** An order of paths, name by name: what is below "a" comes before "a-b". No name holds a NUL. */
export function comparePaths(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    const [one, other] = [a.charCodeAt(at), b.charCodeAt(at)];
    if (one !== other) return (one === SLASH ? 0 : one) - (other === SLASH ? 0 : other);
  }
  return a.length - b.length;
}

const SLASH = 0x2f;

export function findEntry({ entries }: FileTree, path: string): FileEntry | undefined {
  const found = entries[placeOf(entries, path)];
  return found?.path === path ? found : undefined;
}

/** What is below a directory, at all depths; "": everything. It lies together. */
export function entriesBelow({ entries }: FileTree, path: string): readonly FileEntry[] {
  if (path === "") return entries;
  // "\x01" comes after all that is below, and before whatever else follows.
  const [from, to] = [placeOf(entries, `${path}/`), placeOf(entries, `${path}\x01`)];
  return entries.slice(from, to);
}

/** Of the first that does not come before it. */
function placeOf(entries: readonly FileEntry[], path: string): number {
  let [from, to] = [0, entries.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (comparePaths(entries[middle]!.path, path) < 0) from = middle + 1;
    else to = middle;
  }
  return from;
}
