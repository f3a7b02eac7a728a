/**
 * The Dockerfile and what goes with it, read out of a tree. Links are followed inside the tree only, whatever stands at
 * their end on the host (BLD-12), and no message quotes what a file holds.
 */
import { posix } from "node:path";
import { fail } from "#base/errors.ts";
import { MAX_DOCKERFILE } from "../dockerfile/dockerfile.ts";
import { compilePatterns, parseIgnore } from "#spec/path-patterns.ts";
import type { FilePool, FileTree } from "../tree.ts";
import { resolveEntry } from "./follow.ts";

export const IGNORE_FILE = ".dockerignore";
const MAX_IGNORE = 2 ** 20;

/** What a client must send of a folder so that `readDockerfile` and `readIgnore` find what they look for. */
export const definitionFiles = (path: string): string[] => [path, `${path}${IGNORE_FILE}`, IGNORE_FILE];

/** @throws not-found, invalid: with BuildKit's texts */
export async function readDockerfile(pool: FilePool, tree: FileTree, path: string): Promise<Buffer> {
  const clean = posix.join("/", path).slice(1);
  const entry = resolveEntry(tree, clean);
  if (entry === undefined) throw fail("not-found", `failed to read dockerfile: open ${clean}: no such file or directory`, { facts: { path: clean } });
  if (entry.type === "directory") throw fail("invalid", `failed to read dockerfile: read ${clean}: is a directory`, { facts: { path: clean } });
  if (entry.type !== "file") throw fail("invalid", `failed to read dockerfile: ${clean} is no regular file`, { facts: { path: clean } });
  return await pool.read(entry, MAX_DOCKERFILE);
}

/** Of a context that its client has sent without what is ignored: what it needs to send nevertheless. */
export function ignoredDefinition(dockerfile: string, lines: readonly string[]): string[] {
  const { matches } = compilePatterns(lines);
  return [posix.join("/", dockerfile).slice(1), IGNORE_FILE].filter(matches);
}

/** Lines of NAME.dockerignore beside the Dockerfile, else of .dockerignore at the root; undefined: there is neither. */
export async function readIgnore(pool: FilePool, tree: FileTree, dockerfile: string): Promise<string[] | undefined> {
  for (const name of [`${posix.join("/", dockerfile).slice(1)}${IGNORE_FILE}`, IGNORE_FILE]) {
    const entry = resolveEntry(tree, name);
    if (entry?.type !== "file") continue;
    return parseIgnore((await pool.read(entry, MAX_IGNORE)).toString());
  }
  return undefined;
}
