/** Where COPY takes from: the root of a context or of a stage, looked into the same way. */
import type { Digest } from "#spec/digest.ts";
import type { FileEntry, Tree } from "../tree.ts";
import type { FilesParts } from "./files.ts";
import { fileSource } from "./file-source.ts";
import { layerSource } from "./layer-source.ts";

export type SourceEntry = {
  /** Below what was listed; "" is that itself. */
  readonly path: string;
  /** Below the source's root. */
  readonly at: string;
  readonly type: Exclude<FileEntry["type"], "hardlink">;
  readonly mode: number;
  /** Of a context always 0. */
  readonly uid: number;
  readonly gid: number;
  /** Nanoseconds are those beside the seconds. */
  readonly sec: number;
  readonly nsec: number;
  readonly size: number;
  /** Of a context's file. */
  readonly digest?: Digest;
  /** What a symlink says. */
  readonly link?: string;
  readonly device?: { readonly major: number; readonly minor: number };
  readonly xattrs?: readonly (readonly [name: string, value: Uint8Array])[];
  /** Files with several names: the same for all that are one. */
  readonly inode?: string;
};

export type Source = {
  readonly kind: Tree["kind"];
  /** Where a path leads, links followed inside the root. Undefined: nowhere. */
  find(path: string): Promise<{ readonly path: string; readonly type: SourceEntry["type"] } | undefined>;
  /** What is at a path, which no link leads through (nothing if there is none), and below it, so many levels down (-1: all): a directory before what is in it, by name. */
  list(path: string, depth: number): Promise<readonly SourceEntry[]>;
  /** A file's bytes, from the beginning. */
  read(entry: SourceEntry): AsyncIterable<Uint8Array>;
};

export type SourceParts = Pick<FilesParts, "kernel" | "tasks" | "pool"> & { readonly core: Pick<FilesParts["core"], "snapshots">; readonly signal: AbortSignal };

export const openSource = (parts: SourceParts, tree: Tree): Source => (tree.kind === "files" ? fileSource(parts, tree) : layerSource(parts, tree));
