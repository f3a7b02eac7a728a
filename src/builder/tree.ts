/** What steps result in: root file systems as layers, or plain files. */
import type { Layer } from "#core/layers/layers.ts";
import type { Digest } from "#spec/digest.ts";

export type Tree = LayerTree | FileTree;

/** A root file system: layers, bottom first, unpacked as the committed snapshot `snapshot` (a chain ID; undefined: no layers). */
export type LayerTree = { readonly kind: "layers"; readonly snapshot: string | undefined; readonly layers: readonly Layer[] };

/**
 * Files of a context, a repository or a download: an index, and bytes that the pool (contexts/pool.ts) keeps by digest.
 * Immutable: two builds may have two states of one folder at the same time. Sorted by path; directories are entries too.
 */
export type FileTree = {
  readonly kind: "files";
  /** Of the index without times: what cache keys are made of. */
  readonly digest: Digest;
  readonly entries: readonly FileEntry[];
};

export type FileEntry = {
  /** "src/main.c": UTF-8, no leading slash, no "." or ".."; the root itself has no entry. */
  readonly path: string;
  readonly type: "file" | "directory" | "symlink" | "hardlink" | "char" | "block" | "fifo";
  /** Permissions with set-id and sticky bits: 0o7777 at most. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Unix nanoseconds. Not part of any cache key. */
  readonly mtime: bigint;
  readonly size: number;
  /** Of a file: where its bytes are in the pool. */
  readonly digest?: Digest;
  /** Of a symlink what it says; of a hardlink the path of the file in this tree. */
  readonly link?: string;
  readonly device?: { readonly major: number; readonly minor: number };
  readonly xattrs?: Readonly<Record<string, Uint8Array>>;
};

/** Bytes by digest, on the data root's disk, that contexts are made of. What no index leads to goes at a collection. */
export type FilePool = {
  /** The file's path: for programs of `cell`, and for reading it. */
  path(digest: Digest): string;
  /** A small file's bytes, as of a Dockerfile. @throws invalid when it is longer than limit */
  read(entry: FileEntry, limit: number): Promise<Buffer>;
};
