/**
 * Contexts: how files come to the builder, and where they are kept meanwhile. A context becomes a FileTree: an index, and
 * bytes in the pool. The last index of each folder of each client is remembered, so that only what changed is sent.
 *
 *     const tree = await contexts.fromArchive(body, { signal });                  // POST /build; a URL of an archive
 *     const sync = contexts.begin({ key: "SHARED-KEY/context" });                 // BuildKit's file sync: see receive.ts
 */
import type { FilePool, FileEntry, FileTree } from "../tree.ts";

export type Contexts = {
  readonly pool: FilePool;
  /** Plain or compressed. Names that lead out of the context are refused (BLD-09). @throws invalid */
  fromArchive(archive: AsyncIterable<Uint8Array>, options: { readonly signal: AbortSignal }): Promise<FileTree>;
  /** One file, as of `-f -` or a URL of a text. */
  fromFile(name: string, bytes: AsyncIterable<Uint8Array>, options: { readonly signal: AbortSignal; readonly mode?: number; readonly mtime?: bigint }): Promise<FileTree>;
  begin(options: { readonly key: string; readonly signal: AbortSignal }): Promise<ContextSync>;
  /** What of the tree these select; include empty: everything. Lines of a .dockerignore as `exclude`, with Docker's matching. */
  filter(tree: FileTree, options: { readonly include?: readonly string[]; readonly exclude?: readonly string[] }): FileTree;
  /** Keeps what is handed out from collection: until disposed. */
  hold(tree: FileTree): Disposable;
};

/** One exchange with a client that tells its files' names and times first. */
export type ContextSync = AsyncDisposable & {
  /** Tells an entry, in the order of paths; true: its bytes are needed, by `id` (its place, from 0). @throws invalid for hostile names */
  entry(entry: FileEntry): boolean;
  data(id: number, chunk: Uint8Array): Promise<void>;
  /** All of one file's bytes came. */
  end(id: number): Promise<void>;
  /** Everything came: the tree; remembered for the next time. */
  finish(): Promise<FileTree>;
};
