/** Which files of a context are others than they were: for saying why a step was made again. */
import { compileWildcard } from "../files/match.ts";
import { cleanPath } from "../files/names.ts";
import type { FileEntry, FileTree } from "../tree.ts";

const MOST_NAMES = 5;

/** "src/a changed, src/b new, src/c gone, 3 more"; undefined when none of what is named is seen to be different. */
export function changedFiles(before: FileTree, now: FileTree, sources: readonly string[]): string | undefined {
  const isNamed = namedBy(sources);
  const old = new Map(before.entries.map((entry) => [entry.path, entry]));
  const changes: string[] = [];
  for (const entry of now.entries) {
    const was = old.get(entry.path);
    old.delete(entry.path);
    if ((was === undefined || !isSame(was, entry)) && isNamed(entry.path)) changes.push(`${entry.path} ${was === undefined ? "new" : "changed"}`);
  }
  for (const path of old.keys()) if (isNamed(path)) changes.push(`${path} gone`);
  if (changes.length === 0) return undefined;
  return changes.length <= MOST_NAMES ? changes.join(", ") : `${changes.slice(0, MOST_NAMES).join(", ")}, ${changes.length - MOST_NAMES} more`;
}

const isSame = (a: FileEntry, b: FileEntry): boolean => a.type === b.type && a.mode === b.mode && a.uid === b.uid && a.gid === b.gid && a.size === b.size && a.digest === b.digest && a.link === b.link;

/** The path, or a directory that it is in, is what one of the sources says. */
function namedBy(sources: readonly string[]): (path: string) => boolean {
  const wildcards = sources.map((source) => cleanPath(source)).map((source) => (source === "" ? undefined : compileWildcard(source)));
  return (path) => wildcards.some((wildcard) => wildcard === undefined || upwards(path).some((one) => wildcard.matches(one)));
}

const upwards = (path: string): string[] => path.split("/").map((_, index, parts) => parts.slice(0, index + 1).join("/"));
