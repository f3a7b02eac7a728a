/** Links inside a tree, followed inside it only: its root is their "/" and what ".." does not lead out of. */
import { takeTurns } from "#base/turns.ts";
import { compileGlob } from "#spec/path-glob.ts";
import { findEntry } from "../find-entry.ts";
import type { FileEntry, FileTree } from "../tree.ts";

const MAX_LINKS = 255;
/** Of patterns and what links make of them: names that are looked at. Where there is more, everything is wanted. */
const MAX_FOLLOWED = 2_000_000;

/** What a path leads to. Undefined: to nothing, or round in circles. "" is the root, which has no entry. */
export function resolveEntry(tree: FileTree, path: string): FileEntry | undefined {
  let rest = partsOf(path);
  let at: string[] = [];
  for (let links = 0; rest.length > 0; ) {
    const name = rest.shift()!;
    if (name === "..") {
      at.pop();
      continue;
    }
    const entry = findEntry(tree, [...at, name].join("/"));
    if (entry === undefined) return undefined;
    if (entry.type === "symlink") {
      if (++links > MAX_LINKS) return undefined;
      if (entry.link!.startsWith("/")) at = [];
      rest = [...partsOf(entry.link!), ...rest];
      continue;
    }
    at.push(name);
    if (rest.length > 0 && entry.type !== "directory") return undefined;
  }
  const found = findEntry(tree, at.join("/"));
  return found?.type === "hardlink" ? { ...findEntry(tree, found.link!)!, path: found.path } : found;
}

/**
 * What must be there for these patterns to mean what they would in the whole tree: the patterns, and whatever the links
 * on their way lead to. Undefined: everything.
 */
export async function followPatterns(tree: FileTree, patterns: readonly string[]): Promise<string[] | undefined> {
  const turns = takeTurns();
  const found = new Set<string>();
  const seen = new Set<string>();
  let links: readonly FileEntry[] | undefined;
  const todo = patterns.map(partsOf).map((parts) => ({ at: [] as string[], parts }));
  let looked = 0;
  for (let next; (next = todo.pop()) !== undefined; ) {
    const wait = turns();
    if (wait !== undefined) await wait;
    if ((looked += next.at.length + next.parts.length) > MAX_FOLLOWED) return undefined;
    const key = `${next.at.join("/")}\0${next.parts.join("/")}`;
    if (seen.has(key)) continue;
    seen.add(key);
    const { at } = next;
    const [name, ...rest] = next.parts;
    if (name === undefined) {
      found.add(at.join("/"));
      continue;
    }
    if (name === "..") {
      todo.push({ at: at.slice(0, -1), parts: rest });
      continue;
    }
    const path = [...at, name].join("/");
    for (const link of hasWildcard(path) ? linksLike(path) : [path]) {
      const entry = findEntry(tree, link);
      if (entry?.type !== "symlink") continue;
      found.add(literalPattern(link));
      const from = entry.link!.startsWith("/") ? [] : partsOf(link).slice(0, -1).map(literalPattern);
      todo.push({ at: from, parts: [...partsOf(entry.link!).map(literalPattern), ...rest] });
    }
    todo.push({ at: [...at, name], parts: rest });
  }
  return found.has("") ? undefined : [...found];

  function linksLike(pattern: string): string[] {
    const { matches } = compileGlob(pattern);
    links ??= tree.entries.filter(({ type }) => type === "symlink");
    looked += links.length;
    return links.flatMap(({ path }) => (matches(path) ? [path] : []));
  }
}

const partsOf = (path: string): string[] => path.split("/").filter((name) => name !== "" && name !== ".");
const hasWildcard = (pattern: string): boolean => /[*?[\\]/.test(pattern);

/** A pattern that means exactly this. */
const literalPattern = (path: string): string => path.replace(/[*?[\\]/g, "\\$&");
