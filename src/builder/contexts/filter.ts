/** What of a tree a step needs: COPY's sources, without what .dockerignore takes out. With Docker's matching. */
import { takeTurns } from "#base/turns.ts";
import { compilePatterns, type PatternMatcher } from "#spec/path-patterns.ts";
import type { FileEntry, FileTree } from "../tree.ts";
import { followPatterns } from "./follow.ts";
import { entriesBelow } from "../find-entry.ts";
import { makeTree } from "./make-tree.ts";

export type Selection = { readonly include?: readonly string[]; readonly exclude?: readonly string[] };

/** Of each tree the selections that were last asked for, so that the same one is the same object again. */
const MOST = 32;
const selected = new WeakMap<FileTree, Map<string, Promise<FileTree>>>();

/** @throws invalid for a pattern that is none */
export async function filterTree(tree: FileTree, { include = [], exclude = [] }: Selection): Promise<FileTree> {
  if (include.length + exclude.length === 0) return tree;
  const known = selected.get(tree) ?? new Map<string, Promise<FileTree>>();
  selected.set(tree, known);
  const key = JSON.stringify([include, exclude]);
  const made = known.get(key) ?? select(tree, include, exclude);
  if (known.size >= MOST) known.clear();
  known.set(key, made);
  return await made;
}

async function select(tree: FileTree, include: readonly string[], exclude: readonly string[]): Promise<FileTree> {
  const followed = include.length === 0 ? undefined : await followPatterns(tree, include);
  const wanted = followed === undefined ? undefined : compilePatterns(followed.map(asLine));
  const kept = await walk(tree.entries, wanted, compilePatterns(exclude));
  return kept.length === tree.entries.length ? tree : await makeTree(kept, tree.entries);
}

/** What is in a directory of the tree, by its names there. */
export async function treeBelow(tree: FileTree, path: string): Promise<FileTree> {
  if (path === "") return tree;
  const cut = (name: string) => name.slice(path.length + 1);
  const whole = await makeTree(entriesBelow(tree, path), tree.entries);
  return await makeTree(whole.entries.map((entry) => ({ ...entry, path: cut(entry.path), ...(entry.type === "hardlink" && { link: cut(entry.link!) }) })));
}

/** A directory that is not selected itself is there if something in it is. */
async function walk(entries: readonly FileEntry[], wanted: PatternMatcher | undefined, ignored: PatternMatcher): Promise<FileEntry[]> {
  const turns = takeTurns();
  const kept: FileEntry[] = [];
  /** Directories above this place, and whether they are kept. */
  const above: { readonly entry: FileEntry; readonly inside: string; kept: boolean }[] = [];
  let skipped: string | undefined;
  for (const entry of entries) {
    const wait = turns();
    if (wait !== undefined) await wait;
    const { path, type } = entry;
    if (skipped !== undefined && path.startsWith(skipped)) continue;
    skipped = undefined;
    while (above.length > 0 && !path.startsWith(above.at(-1)!.inside)) above.pop();
    const directory = type === "directory";
    if (directory && ignored.skips(path)) {
      skipped = `${path}/`;
      continue;
    }
    const keep = (wanted === undefined || wanted.matches(path)) && !ignored.matches(path);
    if (keep) {
      for (const parent of above) if (!parent.kept) kept.push(parent.entry), (parent.kept = true);
      kept.push(entry);
    }
    if (directory) above.push({ entry, inside: `${path}/`, kept: keep });
  }
  return kept;
}

/** As a line of patterns, in which a "!" in front, and blanks at the ends, would mean something. */
const asLine = (pattern: string): string => pattern.replace(/^!/, "\\!").replace(/^\s|\s$/g, "[$&]");
