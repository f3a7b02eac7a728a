/**
 * The solver: finds in the cache, or has made, what steps result in. Independent steps at once; what does not lead to a
 * target is not touched; the same step asked for twice, by one build or two, is made once; whoever waits for it may go
 * away, and it is given up when nobody waits any more.
 */
import type { Layer } from "#core/layers/layers.ts";
import type { Lease, Leases } from "#core/leases/leases.ts";
import type { Snapshots } from "#core/snapshots/snapshots.ts";
import type { Digest } from "#spec/digest.ts";
import type { Platform } from "#spec/platform.ts";
import type { BuildClient, DebugShell, RunDefaults } from "../builder.ts";
import type { Cache } from "../cache/cache.ts";
import type { Contexts } from "../contexts/contexts.ts";
import type { BuildEvent } from "../events.ts";
import type { ExecOp, FileOp, GitOp, Graph, HttpOp, ImageOp } from "../graph.ts";
import type { FileTree, LayerTree, Tree } from "../tree.ts";

export { openSolver } from "./open-solver.ts";

export type SolverParts = {
  readonly leases: Leases;
  readonly snapshots: Pick<Snapshots, "stat">;
  readonly cache: Cache;
  readonly performers: Performers;
  readonly contexts: Pick<Contexts, "hold" | "keep" | "recall" | "recent">;
  /** RUNs at a time, of all builds. Default: see open-solver.ts. */
  readonly parallel?: number;
};

export type Solver = {
  /**
   * The targets' trees, in their order; held by the lease. Reports the plan first, then vertices.
   * @throws a step's failure with facts.step (its index) and facts.vertex; invalid and forbidden (check-graph.ts)
   */
  solve(graph: Graph, targets: readonly number[], options: SolveOptions): Promise<Solved>;
};

export type Solved = {
  readonly trees: readonly Tree[];
  /** Of each step that was looked at: its key, whether it was found, and its result. */
  readonly steps: ReadonlyMap<number, { readonly key: Digest; readonly cached: boolean; readonly tree: Tree; readonly created: bigint }>;
  /** What followed from inputs on the way: digests of selections, by their keys. */
  readonly facts: ReadonlyMap<Digest, string>;
};

export type SolveOptions = {
  readonly lease: Lease;
  readonly client: BuildClient;
  readonly run: RunDefaults;
  readonly entitlements: readonly string[];
  readonly signal: AbortSignal;
  readonly report: (event: BuildEvent) => void | Promise<void>;
  /** Given what a failed step leaves behind; then no step is another build's, too. */
  readonly keepFailed?: (step: number, left: LeftStep) => void;
  /** What a step (of steps that are the same, the first) results in, as soon as it is known; again, if it turns out otherwise. */
  readonly known?: (step: number, result: { readonly tree: Tree; readonly created: bigint }) => void;
  /** Results that others keep (--cache-from), asked for what is not here. */
  readonly imports?: readonly ImportedCache[];
};

/** Results of a cache that is elsewhere (cache/remote). */
export type ImportedCache = {
  /** What a step of this key resulted in. */
  find(key: Digest): { readonly identity: string; readonly layers: readonly Layer[]; /** The layers are to be had. */ readonly whole: boolean; readonly created: bigint } | undefined;
  fact(key: Digest): string | undefined;
  /** Brings the layers and unpacks them. */
  fetch(layers: readonly Layer[], context: StepContext): Promise<LayerTree>;
};

/** What a performer is told besides its op and its inputs' trees (in the order of the step's `inputs`). */
export type StepContext = {
  readonly lease: Lease;
  readonly client: BuildClient;
  readonly run: RunDefaults;
  readonly entitlements: readonly string[];
  readonly signal: AbortSignal;
  /** A promise: to be waited for before more is told. */
  readonly log: (stream: 1 | 2, data: Uint8Array) => void | Promise<void>;
  readonly progress: (status: { readonly id: string; readonly name: string; readonly current: number; readonly total: number; readonly done?: boolean }) => void;
  readonly keepFailed?: (left: LeftStep) => void;
  /** The step's. */
  readonly platform?: Platform;
};

/** Where a command has failed: its tree as it was left, and its mounts, until it is disposed. */
export type LeftStep = AsyncDisposable & {
  /**
   * Runs a shell there, which ends when `attach` does. Resolves when it has ended.
   * @throws when there is none; `attach` was not called then
   */
  enter(attach: (shell: DebugShell) => Promise<void>, signal: AbortSignal): Promise<void>;
};

/** Who makes what steps result in. A result is whole or absent, durable when it resolves, and held by the lease. */
export type Performers = {
  /** Unpacks the image's layers if they are not there yet. */
  image(op: ImageOp, context: StepContext): Promise<LayerTree>;
  /** Adds one layer. @throws facts.exitCode: of a command that failed */
  exec(op: ExecOp, inputs: readonly Tree[], context: StepContext): Promise<LayerTree>;
  file(op: FileOp, inputs: readonly Tree[], context: StepContext): Promise<LayerTree>;
  /** `upper`'s own topmost layer on top of `base` (--link). */
  merge(base: LayerTree, upper: LayerTree, context: StepContext): Promise<LayerTree>;
  /** `key`: what gitKey said. What the ref leads to may be something else by now. */
  git(op: GitOp, context: StepContext, key: string): Promise<FileTree>;
  /** The key first (a commit; an entity tag or a digest), so that nothing is fetched that is known. */
  gitKey(op: GitOp, context: StepContext): Promise<string>;
  http(op: HttpOp, context: StepContext, key: string): Promise<FileTree>;
  httpKey(op: HttpOp, context: StepContext): Promise<string>;
  /**
   * Digest of what `sources` select of a tree, by names, kinds, modes, owners and bytes, never by times: the key of COPY
   * and of bind mounts. Quick for FileTrees; a LayerTree's files are read.
   */
  selection(tree: Tree, sources: readonly string[], options: { readonly exclude: readonly string[]; readonly parents?: boolean; readonly signal: AbortSignal }): Promise<Digest>;
};
