/** Links among the paths the engine asks for: what they lead to, within the folder, is sent with them. */
import { readdirSync, readlinkSync } from "node:fs";
import { posix } from "node:path";
import { compilePatterns } from "#spec/path-patterns.ts";

/** More links than this lead round in a circle. */
const MAX_STEPS = 1000;

/** Paths and patterns to include; empty: the folder itself is asked for, which is everything. */
export function followLinks(root: string, paths: readonly string[]): string[] {
  const found = new Set<string>();
  let steps = 0;
  const follow = (path: string): void => {
    const parts = clean(path).split("/").filter((part) => part !== "");
    let current = "";
    for (const [at, part] of parts.entries()) {
      current = current === "" ? part : `${current}/${part}`;
      const rest = parts.slice(at + 1).join("/");
      const targets = linksAt(root, current);
      if (targets.length === 0) continue;
      if (found.has(current) || ++steps > MAX_STEPS) return;
      found.add(current);
      for (const target of targets) follow(`${target}/${rest}`);
      // A pattern also means what is no link.
      if (!isPattern(part)) return;
    }
    found.add(current === "" ? "." : current);
  };
  for (const path of paths) follow(path);
  return found.has(".") ? [] : [...found].sort();
}

/** What the link says, or the links that a pattern matches, from the root on. */
function linksAt(root: string, path: string): string[] {
  const folder = posix.dirname(path);
  const name = posix.basename(path);
  const names = isPattern(name) ? matching(root, folder, name) : [name];
  return names.flatMap((each) => {
    try {
      const says = readlinkSync(posix.join(root, folder, each));
      return [says.startsWith("/") ? says : posix.join(folder, says)];
    } catch {
      return [];
    }
  });
}

function matching(root: string, folder: string, pattern: string): string[] {
  const matcher = compilePatterns([pattern]);
  try {
    return readdirSync(posix.join(root, folder)).filter((name) => matcher.matches(name));
  } catch {
    return [];
  }
}

const isPattern = (name: string): boolean => /[*?[]/.test(name.replace(/\\./g, ""));

/** Relative to the root, which ".." does not leave. */
const clean = (path: string): string => posix.normalize(`/${path}`).slice(1);
