/** Which files of a source a COPY names: wildcards, --parents, --exclude. What goes where is planned elsewhere. */
import { fail } from "#base/errors.ts";
import { takeTurns } from "#base/turns.ts";
import { compilePatterns, type PatternMatcher } from "#spec/path-patterns.ts";
import { compileWildcard, hasWildcards } from "./match.ts";
import { cleanPath, joinPath, parentOf } from "./names.ts";
import type { Source, SourceEntry } from "./source.ts";

/** One path that a source's words stand for. */
export type Match = {
  /** As it was named, clean: what a file is called at the destination. */
  readonly name: string;
  /** Where it is, links followed; in `entries` it comes first, as "". */
  readonly entries: readonly SourceEntry[];
};

export type SelectOptions = { readonly exclude: readonly string[]; readonly parents: boolean; readonly allowEmpty?: boolean };

/** @throws not-found, with Docker's text; facts.missing: the path */
export async function select(source: Source, words: string, options: SelectOptions): Promise<Match[]> {
  const { start, pattern } = options.parents ? pivot(words) : { start: words, pattern: undefined };
  const names = await expand(source, start);
  const keep = filterOf(options.exclude, pattern);
  const matches: Match[] = [];
  for (const { name, path, entry } of names) {
    if (entry !== undefined && pattern === undefined) {
      matches.push({ name, entries: [{ ...entry, path: "" }] });
      continue;
    }
    const entries = pattern === undefined ? await source.list(path, -1) : await listTowards(source, path, pattern);
    matches.push({ name, entries: entries[0]?.type === "directory" ? await keep(entries) : entries });
  }
  // What is named without wildcards has to be there.
  const nothing = names.length === 0 || (pattern !== undefined && !matches.some(({ entries }) => entries.length > 1));
  if (nothing && (!hasWildcards(cleanPath(words)) || options.allowEmpty !== true)) throw missing(pattern ?? words);
  return matches;
}

/** "a/./b/c": "b/c" is looked for, and kept, below "a". */
function pivot(words: string): { start: string; pattern: string } {
  const at = words.indexOf("/./");
  return at < 0 ? { start: "", pattern: cleanPath(words) } : { start: words.slice(0, at), pattern: cleanPath(words.slice(at + 3)) };
}

/** What is on the way to where a pattern's wildcards begin, and what is there: no link is followed. */
async function listTowards(source: Source, path: string, pattern: string): Promise<SourceEntry[]> {
  const parts = pattern === "" ? [] : pattern.split("/");
  const wild = parts.findIndex(hasWildcards);
  const plain = wild < 0 ? parts : parts.slice(0, wild);
  const found: SourceEntry[] = [];
  for (let depth = 0; depth <= plain.length; depth++) {
    const below = plain.slice(0, depth).join("/");
    const entries = await source.list(joinPath(path, below), depth === plain.length ? -1 : 0);
    for (const entry of entries) found.push({ ...entry, path: joinPath(below, entry.path) });
    if (entries[0]?.type !== "directory") break;
  }
  return found;
}

/** `entry`: nothing leads on from it, and nothing is in it; so what wildcards found needs not be looked at one by one. */
type Named = { readonly name: string; readonly path: string; readonly entry?: SourceEntry };

async function expand(source: Source, words: string): Promise<Named[]> {
  const parts = cleanPath(words).split("/");
  const first = parts.findIndex(hasWildcards);
  if (first < 0) return [await need(source, parts.join("/"))];
  const above = await source.find(parts.slice(0, first).join("/"));
  if (above?.type !== "directory") return [];
  const wildcard = compileWildcard(parts.slice(first).join("/"));
  const found: SourceEntry[] = [];
  const turns = takeTurns();
  for (const entry of await source.list(above.path, parts.length - first)) {
    const wait = turns();
    if (wait !== undefined) await wait;
    // What is in a directory that matches comes with it.
    if (entry.path !== "" && wildcard.matches(entry.path) && !isBelow(entry.path, found.at(-1)?.path)) found.push(entry);
  }
  return await Promise.all(found.map(async (entry) => {
    const name = joinPath(above.path, entry.path);
    return entry.type === "directory" || entry.type === "symlink" ? await need(source, name) : { name, path: name, entry };
  }));
}

const isBelow = (path: string, directory: string | undefined): boolean => directory !== undefined && path.startsWith(`${directory}/`);

async function need(source: Source, name: string): Promise<Named> {
  const found = await source.find(name);
  if (found === undefined) throw missing(name);
  return { name, path: found.path };
}

export const missing = (path: string) => fail("not-found", `"/${cleanPath(path)}": not found`, { facts: { missing: cleanPath(path) } });

/** Directories come along with what is kept in them. */
function filterOf(exclude: readonly string[], include: string | undefined): (entries: readonly SourceEntry[]) => Promise<readonly SourceEntry[]> {
  if (exclude.length === 0 && (include === undefined || include === "")) return async (entries) => entries;
  const excluded: PatternMatcher | undefined = exclude.length === 0 ? undefined : compilePatterns(exclude);
  const included: PatternMatcher | undefined = include === undefined || include === "" ? undefined : compilePatterns([include]);
  return async (entries) => {
    const kept = new Set<string>([""]);
    const turns = takeTurns();
    for (const { path } of entries) {
      const wait = turns();
      if (wait !== undefined) await wait;
      if (path === "" || excluded?.matches(path) === true || included?.matches(path) === false) continue;
      for (let at = path; !kept.has(at); at = parentOf(at)) kept.add(at);
    }
    return entries.filter(({ path }) => kept.has(path));
  };
}
