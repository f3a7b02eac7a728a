/** What steps result in: root file systems as layers, or plain files. */
import type { Layer } from "#core/layers/layers.ts";
import type { Digest } from "#spec/digest.ts";

export type Tree = LayerTree | FileTree;

/** A root file system: layers, bottom first, unpacked as the committed snapshot `snapshot` (a chain ID; undefined: no layers). */
export type LayerTree = { readonly kind: "layers"; readonly snapshot: string | undefined; readonly layers: readonly Layer[] };

/**
 * Files of a context, a repository or a download: an index, and bytes that the pool (contexts/pool) keeps by digest.
 * Immutable: two builds may have two states of one folder at the same time. Sorted by path, name by name, so that what is
 * in a directory follows it at once; directories are entries too, and every entry's is there. A folder that did not change
 * is the same object again, so what is derived of a tree can be remembered by it (a WeakMap).
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
  /** When the client's kernel says it was last changed in any way, Unix nanoseconds, if the client says. Nor this. */
  readonly changed?: bigint;
  readonly size: number;
  /** Of a file: where its bytes are in the pool. */
  readonly digest?: Digest;
  /** Of a symlink what it says; of a hardlink the path of the file in this tree, which comes before it and is a file. */
  readonly link?: string;
  readonly device?: { readonly major: number; readonly minor: number };
  readonly xattrs?: Readonly<Record<string, Uint8Array>>;
};

/**
 * Bytes by digest, on the data root's disk, that contexts are made of. They lie back to back in a few large files: making
 * a file is what costs, and 5,000 of them would cost as much again when they are copied. What no index leads to goes at a
 * collection; what of a tree is held (Contexts.hold), or can still be reached in memory, does not.
 */
export type FilePool = {
  /** Where a file's bytes are: for programs of `cell`. @throws not-found when the pool does not have it (any more) */
  place(digest: Digest): FilePlace;
  /** A small file's bytes, as of a Dockerfile. @throws invalid when it is longer than limit */
  read(entry: FileEntry, limit: number): Promise<Buffer>;
};

/** `length` bytes from `offset` on of the file at `path`. Nobody writes there any more. */
export type FilePlace = { readonly path: string; readonly offset: number; readonly length: number };
