/**
 * A container's files, from outside: what `docker cp`, `diff`, `export` and `commit` do.
 *
 *     const stat = await files.stat("web", "/etc/hosts");
 *     const { archive } = await files.read("web", "/var/log", { signal });       // tar, rooted at "log"
 *     await files.write("web", "/srv", body, { signal });
 *     for (const { kind, path } of await files.changes("web")) …
 *     const id = await files.commit("web", { target: "me/web:2", pause: true, … });
 *
 * All of it is done by programs performed inside a *view*: a mount namespace in which the container's root, and what is
 * mounted in it, is all there is (core/trees). A path can lead nowhere else, whoever changes it meanwhile. Names are
 * bytes; nothing here makes a path of the host from one. See docs/design/files.md.
 */
import type { Digest } from "#spec/digest.ts";

export { openFiles, type FilesParts } from "./open-files.ts";

/** What the header X-Docker-Container-Path-Stat tells. */
export type PathStat = {
  readonly name: string;
  readonly size: number;
  /** Of the file system: type and permissions. */
  readonly mode: number;
  /** RFC 3339 with nanoseconds. */
  readonly mtime: string;
  /** Where a symbolic link leads in the end, as a path in the container; else "". */
  readonly linkTarget: string;
};

export type Change = { readonly kind: "modified" | "added" | "deleted"; readonly path: string };

export type CommitOptions = {
  /** repository[:tag], or "" for an image without a name. */
  readonly target: string;
  readonly author: string;
  readonly comment: string;
  /** Lines of a Dockerfile. */
  readonly changes: readonly string[];
  /** Freezes the container meanwhile, if it runs. */
  readonly pause: boolean;
  /** What replaces or adds to the container's own configuration: the body of POST /commit. */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly signal: AbortSignal;
};

export type Files = {
  /** @throws not-found: neither container nor file. */
  stat(ref: string, path: string): Promise<PathStat>;
  /** The archive has to be read from at once; leaving it early ends the program that makes it. */
  read(ref: string, path: string, options: { signal: AbortSignal }): Promise<{ stat: PathStat; archive: AsyncIterable<Uint8Array> }>;
  /**
   * Unpacks the archive in the directory `path`.
   * @throws not-found; invalid for what is no directory or no archive; forbidden where the container may not write.
   */
  write(ref: string, path: string, archive: AsyncIterable<Uint8Array>, options: WriteOptions): Promise<void>;
  /** What the container changed in its image's files, in the order of paths. */
  changes(ref: string): Promise<Change[]>;
  /** Everything in the root file system, without what is mounted there. What is returned must be read, or sent. */
  export(ref: string, options: ExportOptions): Promise<AsyncIterable<Uint8Array> | Sending>;
  /** The id of the image. */
  commit(ref: string, options: CommitOptions): Promise<Digest>;
};

/** `connection`: a descriptor of this process, to which the archive may be written in chunks of HTTP, without the last one. */
export type ExportOptions = { readonly connection?: number; readonly signal: AbortSignal };

/** The archive is written by somebody else, past this process. */
export type Sending = { send(): Promise<void> };

/** `fd`: of this process. `read`: what of the body was read, as it came. `length`: its bytes; -1: in chunks of HTTP. `back`: it is not wanted. */
export type Lent = { readonly fd: number; readonly read: Buffer; readonly length: number; back(): void };

export type WriteOptions = {
  /** A directory is not replaced by a file, nor a file by a directory. */
  readonly noOverwriteDirNonDir: boolean;
  /** Everything belongs to the container's user. */
  readonly copyUidGid: boolean;
  /** The connection on which the archive comes, of which `archive` is then not read. */
  readonly lent?: Lent;
  readonly signal: AbortSignal;
};
