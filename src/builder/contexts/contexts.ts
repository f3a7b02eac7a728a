/**
 * Contexts: how files come to the builder, and where they are kept meanwhile. A context becomes a FileTree: an index, and
 * bytes in the pool. The last index of each folder of each client is remembered, so that only what changed is sent.
 *
 *     const tree = await contexts.fromArchive(body, { signal });                  // POST /build; a URL of an archive
 *     const sync = contexts.begin({ key: "SHARED-KEY/context" });                 // BuildKit's file sync: see receive.ts
 */
import type { Kernel } from "#linux/linux.ts";
import type { Digest } from "#spec/digest.ts";
import type { FileEntry, FilePool, FileTree } from "../tree.ts";
import type { StoredContext } from "./list-stored.ts";
import type { RecentTrees } from "./recent-trees.ts";

export { openContexts } from "./open-contexts.ts";
export type { StoredContext } from "./list-stored.ts";

export type Contexts = AsyncDisposable & {
  readonly pool: FilePool;
  /** Folders of clients as they were at the exchange before the last, and whatever else somebody remembers. */
  readonly recent: RecentTrees;
  /** Plain or compressed. Names that lead out of the context are refused (BLD-09). @throws invalid */
  fromArchive(archive: AsyncIterable<Uint8Array>, options: ArchiveOptions): Promise<FileTree>;
  /** One file, as of `-f -` or a URL of a text. */
  fromFile(name: string, bytes: AsyncIterable<Uint8Array>, options: { readonly signal: AbortSignal; readonly mode?: number; readonly mtime?: bigint }): Promise<FileTree>;
  /**
   * `key`: whose folder it is, and what of it was asked for (a digest of include and exclude): what is compared with the
   * last exchange of the same key. Two at once do not disturb one another.
   */
  begin(options: { readonly key: string; readonly signal: AbortSignal }): Promise<ContextSync>;
  /** What came of the last exchange of this key, if the client then called it by this name. */
  unchanged(key: string, state: string): Promise<FileTree | undefined>;
  /** What of the tree these select; include empty: everything. Lines of a .dockerignore as `exclude`, with Docker's matching. */
  filter(tree: FileTree, options: { readonly include?: readonly string[]; readonly exclude?: readonly string[] }): Promise<FileTree>;
  /** A directory of the tree as a tree of its own. */
  below(tree: FileTree, path: string): Promise<FileTree>;
  /** Keeps what is handed out from collection: until disposed. */
  hold(tree: FileTree): Disposable;
  /**
   * For records that outlive the engine (the cache's, of repositories and downloads): writes the tree's index, to be found
   * by its digest. Room is limited: what was not used longest goes first, so `recall` may be undefined at any time.
   */
  keep(tree: FileTree): Promise<void>;
  recall(digest: Digest): Promise<FileTree | undefined>;
  /** The same under a name: what a source (a commit, a download) came to. */
  note(key: string, tree: FileTree): Promise<void>;
  noted(key: string): Promise<FileTree | undefined>;
  /** Of the pool on the disk. */
  usage(): Promise<{ readonly bytes: number; readonly files: number; readonly contexts: number }>;
  /** What is remembered, those that were used last first; at the end what nothing leads to. */
  list(): Promise<readonly StoredContext[]>;
  /** Forgets trees by the names that are listed of them, and frees what nothing leads to then. Resolves to what the disk has got back. */
  forget(names: readonly string[]): Promise<{ readonly bytes: number }>;
  /** Frees what nothing leads to. */
  collect(): Promise<{ readonly bytes: number }>;
};

export type ArchiveOptions = {
  readonly signal: AbortSignal;
  /** What an entry becomes; undefined: it is left out. Links are not looked at. */
  readonly map?: (entry: FileEntry) => FileEntry | undefined;
};

export type ContextsParts = {
  /** A folder of its own in the data root: "<data root>/build". */
  readonly root: string;
  /** Bytes that the pool may have; what is held may be more. */
  readonly limit?: number;
  readonly kernel: Pick<Kernel, "perform">;
  /** Of this start of the machine: the kernel's boot id, unless a test says otherwise. */
  readonly boot?: string;
};

/** One exchange with a client that tells its files' names and times first. */
export type ContextSync = AsyncDisposable & {
  /** What came of the last exchange of this key, by the name that the client had for it: is it the same now, nothing needs to be told. */
  readonly last: { readonly state: string; readonly tree: FileTree } | undefined;
  /**
   * Tells an entry, each directory before what is in it; true: its bytes are needed, by `id` (its place, from 0). An
   * entry's digest is not looked at, and its parents must have been told. @throws invalid for hostile names
   */
  entry(entry: FileEntry): boolean;
  /** A piece of a file's bytes, copied if need be; pieces of several files may come mixed. Undefined: go on at once. */
  data(id: number, chunk: Uint8Array): Promise<void> | undefined;
  /** All of one file's bytes came. */
  end(id: number): Promise<void> | undefined;
  /** Everything came: the tree; remembered for the next time, by the client's name for it. */
  finish(state?: string): Promise<FileTree>;
};
