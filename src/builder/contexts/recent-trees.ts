/** What folders were before, without their files: for saying what changed. */
import type { FileTree } from "../tree.ts";

/** The newest trees by their digest, as long as they are not too large together. */
export type RecentTrees = {
  remember(tree: FileTree): void;
  get(digest: string): FileTree | undefined;
  /** Those that were remembered last first. */
  list(): FileTree[];
};

const MOST_ENTRIES = 60_000;

export function openRecentTrees(most = MOST_ENTRIES): RecentTrees {
  const trees = new Map<string, FileTree>();
  let entries = 0;
  const forget = (tree: FileTree) => {
    trees.delete(tree.digest);
    entries -= tree.entries.length;
  };
  return {
    remember(handed) {
      // Not the value that was handed out: that would keep its files from collection.
      const tree = { ...handed };
      const known = trees.get(tree.digest);
      if (known !== undefined) forget(known);
      trees.set(tree.digest, tree);
      entries += tree.entries.length;
      for (const [, oldest] of trees) {
        if (entries <= most || oldest === tree) break;
        forget(oldest);
      }
    },
    get: (digest) => trees.get(digest),
    list: () => [...trees.values()].reverse(),
  };
}
