/**
 * A build as a value: steps, each of which makes a tree of others' trees. Pure data: what is equal is the same step, in
 * this build and in another one. `plan/` writes it of a Dockerfile, `solve/` works it off.
 *
 * Inputs are indexes of earlier steps, so there is no cycle. checkGraph (check-graph.ts) refuses everything else.
 */
import type { Layer } from "#core/layers/layers.ts";
import type { Digest } from "#spec/digest.ts";
import type { Platform } from "#spec/platform.ts";

export type Graph = { readonly steps: readonly Step[] };

export type Step = {
  readonly op: StepOp;
  /** What the op's numbers `from`, `base` and `mounts[].from` mean: indexes of steps before this one. */
  readonly inputs: readonly number[];
  /** "[build 2/5] RUN npm ci": for people only. */
  readonly name: string;
  /** COPY --link is two steps, shown as one of this name: the weak one of the files, and its last input's that puts them on top. */
  readonly group?: { readonly name: string; readonly weak: boolean };
  readonly stage?: string;
  /** The Dockerfile's text, and its lines (from 1, both included). */
  readonly instruction?: string;
  readonly lines?: readonly [number, number];
  /** Neither found in the cache nor kept from being made again. */
  readonly noCache?: boolean;
  readonly platform: Platform;
};

/** Paths are absolute and clean in op's own root, which they cannot leave; inputs are given by their place in `inputs`. */
export type StepOp = ScratchOp | ImageOp | LocalOp | GitOp | HttpOp | ExecOp | FileOp | MergeOp;

export type ScratchOp = { readonly kind: "scratch" };

/** An image that was resolved while planning. Its layers are unpacked when first needed. */
export type ImageOp = { readonly kind: "image"; readonly reference: string; readonly manifest: Digest; readonly layers: readonly Layer[]; readonly chain: string };

/** A folder of the client. `include` as of fsutil's follow paths: wildcards, and links of the folder are followed; none: everything. */
export type LocalOp = { readonly kind: "local"; readonly name: string; readonly include: readonly string[]; readonly exclude: readonly string[] };

export type GitOp = {
  readonly kind: "git";
  readonly url: string;
  /** Branch, tag or commit; "": the default branch. Resolved to a commit when solved, which is the key. */
  readonly ref: string;
  readonly subdir: string;
  readonly keepGitDir: boolean;
  /** false: they are left out. */
  readonly submodules?: boolean;
  /** A commit it must be. */
  readonly checksum?: string;
};

export type HttpOp = {
  readonly kind: "http";
  readonly url: string;
  readonly checksum?: string;
  /** The name of the one file; "": from the URL or the answer. */
  readonly filename: string;
  readonly mode?: number;
};

export type ExecOp = {
  readonly kind: "exec";
  readonly base: number;
  readonly args: readonly string[];
  readonly env: readonly string[];
  /** HTTP_PROXY=… and the like, of --build-arg: the command has them, keys and history have not. */
  readonly proxies: readonly string[];
  readonly cwd: string;
  readonly user: string;
  readonly hostname: string;
  readonly network: "default" | "none" | "host" | string;
  readonly security: "sandbox" | "insecure";
  readonly mounts: readonly ExecMount[];
  readonly devices: readonly { readonly name: string; readonly required: boolean }[];
  /** Files of heredocs: mounted read-only at these paths while it runs. */
  readonly files: Readonly<Record<string, string>>;
};

export type ExecMount = { readonly target: string } & (
  /** `rw`: what is written is forgotten when the step ends. */
  | { readonly type: "bind"; readonly from: number; readonly source: string; readonly rw: boolean }
  | {
      readonly type: "cache";
      readonly id: string;
      readonly from?: number;
      readonly source: string;
      readonly readOnly: boolean;
      readonly sharing: "shared" | "private" | "locked";
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
    }
  | { readonly type: "tmpfs"; readonly size: number }
  /** `env`: given as a variable of that name; `target` "" then: no file. */
  | { readonly type: "secret"; readonly id: string; readonly required: boolean; readonly mode: number; readonly uid: number; readonly gid: number; readonly env?: string }
  | { readonly type: "ssh"; readonly id: string; readonly required: boolean; readonly mode: number; readonly uid: number; readonly gid: number }
);

/** Changes of the base's files, one after another, which make one layer. */
export type FileOp = { readonly kind: "file"; readonly base: number; readonly actions: readonly FileAction[] };

export type FileAction =
  | { readonly action: "mkdir"; readonly path: string; readonly mode: number; readonly owner?: string; readonly parents: boolean }
  /** A heredoc's file: at `path`, or in it under its name if `path` is a directory or ends in a slash. */
  | { readonly action: "mkfile"; readonly path: string; readonly name: string; readonly data: string; readonly mode: number | string; readonly owner?: string }
  | CopyAction;

/** COPY and ADD, by Docker's rules of what goes where. */
export type CopyAction = {
  readonly action: "copy";
  readonly from: number;
  /** With wildcards; relative to the source's root, which they do not leave; ".": all of it. With `parents`, "a/./b/c" keeps "b/c". */
  readonly sources: readonly string[];
  /** As written after expansion, made absolute by WORKDIR; a slash at the end means a directory. */
  readonly destination: string;
  readonly exclude: readonly string[];
  /** "user[:group]", names looked up in the base's files; undefined: 0:0 (or the source's, of a stage). */
  readonly owner?: string;
  /** Octal as a number, or chmod's symbolic words. */
  readonly mode?: number | string;
  readonly parents: boolean;
  /** An archive is unpacked (ADD): always, never, or if it is a local file. */
  readonly unpack: boolean;
  /** Made independent of what lies below: neither looks at the base nor follows its links (--link). */
  readonly link: boolean;
  /** Wildcards that match nothing are no error. */
  readonly allowEmpty?: boolean;
};

/** Layers of the inputs' own steps on top of one another (--link). */
export type MergeOp = { readonly kind: "merge" };
