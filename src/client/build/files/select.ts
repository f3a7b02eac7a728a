/**
 * Which paths of a folder the engine wants: those that `include` selects (none: all), without those of `exclude`, and what
 * the links among `follow` lead to. Docker's patterns; a folder in which nothing can be wanted is not looked into.
 */
import { compilePatterns } from "#spec/path-patterns.ts";

export type FileWish = { readonly include: readonly string[]; readonly exclude: readonly string[]; readonly follow: readonly string[] };

export type Selection = {
  /** Of a clean relative path. */
  wants(path: string): boolean;
  /** Nothing below this folder is wanted. */
  skips(folder: string): boolean;
};

export const EVERYTHING: Selection = { wants: () => true, skips: () => false };

/** `include`: with what `follow` leads to already in it (follow.ts). @throws invalid for a pattern that is none */
export function compileSelection({ include, exclude }: Pick<FileWish, "include" | "exclude">): Selection {
  if (include.length === 0 && exclude.length === 0) return EVERYTHING;
  const excluded = compilePatterns(exclude);
  // What is not included is "everything, except": so that one matcher says both what and where.
  const outside = include.length === 0 ? undefined : compilePatterns(["**", ...include.map((pattern) => `!${pattern}`)]);
  return {
    wants: (path) => !excluded.matches(path) && outside?.matches(path) !== true,
    skips: (folder) => excluded.skips(folder) || outside?.skips(folder) === true,
  };
}
