/**
 * Contexts as folders, for bind mounts. Made of the pool's bytes when a step first needs them, shared by those who need the
 * same, and kept for a while: the next step, and the next build, nearly always bind the same context.
 */
import { mkdir } from "node:fs/promises";
import { fail } from "#base/errors.ts";
import type { FileTree } from "#builder/tree.ts";
import type { RunParts } from "./run.ts";

export type Trees = {
  /** The folder of a tree, until it is disposed. Nobody may write to it. */
  use(tree: FileTree, options: { readonly source: string; readonly signal: AbortSignal }): Promise<AsyncDisposable & { readonly path: string }>;
  /** A folder with nothing in it. */
  empty(): Promise<string>;
};

export function openTrees(parts: RunParts): Trees {
  const empty = `${parts.containers.config.execRoot}/empty`;
  return {
    use: () => Promise.reject(fail("not-implemented", "RUN --mount=type=bind: a part of the context cannot be mounted yet")),
    async empty() {
      await mkdir(empty, { recursive: true, mode: 0o755 });
      return empty;
    },
  };
}
