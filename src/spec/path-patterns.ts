/**
 * .dockerignore and --exclude: which paths a list of patterns selects, as Docker does. The last pattern that matches a
 * path or one of its directories decides; "!" takes out again. Patterns are programs of few tokens (glob.ts), not
 * regular expressions; what was found out about a directory is not asked again for what is in it.
 *
 *     const ignored = compilePatterns(parseIgnore("node_modules\n*.md\n!README.md"));
 *     ignored.matches("node_modules/x/y.js")        // true
 *     ignored.skips("node_modules")                 // true: nothing in it needs to be looked at
 */
import { fail } from "#base/errors.ts";
import { compileGlob } from "./path-glob.ts";
import type { Glob } from "./path-glob.ts";

export type PatternMatcher = {
  /** Of a clean relative path: "a/b". */
  matches(path: string): boolean;
  /** It and everything in it is matched, whatever it is called. */
  skips(directory: string): boolean;
  readonly patterns: readonly Pattern[];
};

export type Pattern = { readonly text: string; readonly isException: boolean };

type Compiled = Pattern & { readonly glob: Glob };
/** For each pattern: whether it matched the path or a directory above; and what comes of it. */
type Outcome = { readonly hits: Uint8Array; readonly matched: boolean };

const MAX_PATTERNS = 10_000;
const MAX_PATTERN = 4096;
const MAX_REMEMBERED = 10_000;

/** The patterns of an ignore file: comments and blank lines are left out, paths are cleaned, a slash in front means nothing. */
export function parseIgnore(text: string): string[] {
  return text.replace(/^\uFEFF/, "").split("\n").flatMap((line) => {
    const pattern = line.trim();
    if (line.startsWith("#") || pattern === "") return [];
    if (!pattern.startsWith("!")) return [relative(pattern)];
    const exception = pattern.slice(1).trim();
    return [exception === "" ? "!" : `!${relative(exception)}`];
  });
}

/** @throws invalid for a pattern that is none */
export function compilePatterns(lines: readonly string[]): PatternMatcher {
  const patterns = lines.flatMap(compileLine);
  if (patterns.length > MAX_PATTERNS) throw fail("invalid", `an ignore file has at most ${MAX_PATTERNS} patterns`);
  const exceptions = patterns.filter(({ isException }) => isException);
  const known = new Map<string, Outcome>();

  const directory = (path: string): Outcome | undefined => {
    if (path === "") return undefined;
    const found = known.get(path);
    if (found !== undefined) return found;
    const outcome = outcomeOf(patterns, path, directory(parentOf(path)));
    if (known.size >= MAX_REMEMBERED) known.clear();
    known.set(path, outcome);
    return outcome;
  };

  return {
    patterns,
    matches: (path) => patterns.length > 0 && isMatched(patterns, path, directory(parentOf(path))),
    skips: (path) => patterns.length > 0 && directory(path)!.matched && !exceptions.some(({ glob }) => glob.mayMatchIn(path)),
  };
}

function compileLine(line: string): Compiled[] {
  const trimmed = line.trim();
  if (trimmed === "") return [];
  if (trimmed.length > MAX_PATTERN) throw fail("invalid", `a pattern of an ignore file has at most ${MAX_PATTERN} characters`);
  const cleaned = clean(trimmed);
  const isException = cleaned.startsWith("!");
  if (cleaned === "!") throw fail("invalid", 'illegal exclusion pattern: "!"');
  const text = isException ? cleaned.slice(1) : cleaned;
  return [{ text, isException, glob: compileGlob(text) }];
}

function outcomeOf(patterns: readonly Compiled[], path: string, parent: Outcome | undefined): Outcome {
  const hits = new Uint8Array(patterns.length);
  return { hits, matched: isMatched(patterns, path, parent, hits) };
}

/** Notes which patterns matched, if that is wanted. */
function isMatched(patterns: readonly Compiled[], path: string, parent: Outcome | undefined, hits?: Uint8Array): boolean {
  let matched = false;
  for (let at = 0; at < patterns.length; at += 1) {
    const { isException, glob } = patterns[at]!;
    // A pattern that would change nothing is not tried.
    if (parent?.hits[at] !== 1 && (isException !== matched || !glob.matches(path))) continue;
    if (hits !== undefined) hits[at] = 1;
    matched = !isException;
  }
  return matched;
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash === -1 ? "" : path.slice(0, slash);
}

function relative(pattern: string): string {
  const cleaned = clean(pattern);
  return cleaned.length > 1 && cleaned.startsWith("/") ? cleaned.slice(1) : cleaned;
}

/** As Go's filepath.Clean: no empty parts, no ".", ".." resolved where there is something to leave. */
function clean(path: string): string {
  const parts: string[] = [];
  const isAbsolute = path.startsWith("/");
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== ".." || (parts.length === 0 ? !isAbsolute : parts.at(-1) === "..")) parts.push(part);
    else parts.pop();
  }
  const joined = (isAbsolute ? "/" : "") + parts.join("/");
  return joined === "" ? "." : joined;
}
