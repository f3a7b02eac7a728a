/** What is remembered of contexts, as the build cache lists it: each tree with the bytes that go with it. */
import { takeTurns } from "#base/turns.ts";
import type { Digest } from "#spec/digest.ts";
import type { FileTree } from "../tree.ts";
import type { StoredTrees } from "./stored-trees.ts";

export type StoredContext = {
  /** Undefined: bytes that no index leads to any more. */
  readonly digest: Digest | undefined;
  /** Of its indexes. */
  readonly names: readonly string[];
  /** A client's, or what came of a repository or a download. */
  readonly kind: "folder" | "source";
  readonly files: number;
  /** What of the pool is neither a tree's that was used later nor needed by somebody now. */
  readonly bytes: number;
  /** Unix milliseconds. */
  readonly used: number;
  /** All of it is needed now. */
  readonly inUse: boolean;
};

export type Listing = {
  readonly stored: Pick<StoredTrees, "list">;
  readonly treeOf: (name: string) => Promise<FileTree | undefined>;
  readonly held: Iterable<FileTree>;
  readonly isSent: (name: string) => boolean;
};

type Seen = { -readonly [Key in "files" | "bytes" | "used" | "inUse"]: StoredContext[Key] } & { readonly names: string[]; sent: boolean };

/** Those that were used last first: so whoever takes some from the end frees what they say. `total`: content of the pool. */
export async function listStored({ stored, treeOf, held, isSent }: Listing, rest: { readonly total: number; readonly used: number }): Promise<StoredContext[]> {
  const needed = new Set<Digest>();
  const counted = new Set<Digest>();
  let left = rest.total;
  for (const tree of held) left -= (await measure(tree, needed, needed)).bytes;
  const trees = new Map<Digest, Seen>();
  for (const { name, used } of await stored.list()) {
    const tree = await treeOf(name);
    if (tree === undefined) continue;
    const seen = trees.get(tree.digest) ?? { names: [], sent: true, used, ...(await measure(tree, needed, counted)) };
    if (seen.names.length === 0) left -= seen.bytes;
    seen.names.push(name);
    seen.sent &&= isSent(name);
    trees.set(tree.digest, seen);
  }
  const known = [...trees].map(([digest, { sent, ...seen }]): StoredContext => ({ ...seen, digest, kind: sent ? "folder" : "source" }));
  return left <= 0 ? known : [...known, { digest: undefined, names: [], kind: "folder", files: 0, bytes: left, used: rest.used, inUse: false }];
}

/** What is counted already, or needed, is not counted again. */
async function measure({ entries }: FileTree, needed: ReadonlySet<Digest>, counted: Set<Digest>): Promise<{ files: number; bytes: number; inUse: boolean }> {
  const turns = takeTurns();
  let [files, bytes, inUse] = [0, 0, needed.size > 0];
  for (const { digest, size } of entries) {
    const wait = turns();
    if (wait !== undefined) await wait;
    if (digest === undefined) continue;
    files++;
    inUse &&= needed.has(digest);
    if (counted.has(digest) || needed.has(digest)) continue;
    counted.add(digest);
    bytes += size;
  }
  return { files, bytes, inUse: inUse && files > 0 };
}
