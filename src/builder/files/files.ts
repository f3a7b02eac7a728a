/**
 * Steps that change files without running anything: COPY, ADD, WORKDIR, heredoc files. Performed by programs of `cell`
 * inside a view of the base (its paths are hostile); contexts' bytes go from the pool to the layer inside the kernel.
 * And how a changed tree becomes a committed layer: for these steps and for RUN.
 *
 *     const files = openFiles({ kernel, core, tasks, pool });
 *     const tree = await files.file(op, inputs, context);           // Performers.file, .merge, .selection
 *
 *     await using draft = await files.drafts.begin(base, { init: true });
 *     … draft.mounts is the root of a container, which ends …
 *     const tree = await draft.commit(lease, { signal });
 *
 * A draft is known to nobody: what is not committed is gone when it is disposed, or at the next start.
 */
import type { Core } from "#core/core.ts";
import type { Lease } from "#core/leases/leases.ts";
import type { Mounts } from "#core/snapshots/snapshots.ts";
import type { Tasks } from "#core/tasks/tasks.ts";
import type { Kernel } from "#linux/linux.ts";
import type { Performers } from "../solve/solve.ts";
import type { FilePool, LayerTree } from "../tree.ts";

/** A writable tree on top of another one, that nobody knows of until it is committed. */
export type Draft = AsyncDisposable & {
  /** To be mounted as / of a container, or of a view. */
  readonly mounts: Mounts;
  /**
   * Archives what changed, stores it as a layer and commits the snapshot under its chain ID: durable when resolved.
   * Nothing may write to the tree any more. @throws invalid when a name or a path in it fits into no layer
   */
  commit(lease: Lease, options: CommitOptions): Promise<LayerTree>;
};

/** `placesFor`: paths that mounts were made at: where the tree is a whole copy, what was made for them alone is no change. */
export type CommitOptions = { readonly signal: AbortSignal; readonly placesFor?: readonly string[] };

export type Drafts = {
  /** `init`: what every container finds in its tree (/dev, /etc/hosts, …) is there, and is not committed. */
  begin(base: LayerTree, options?: { readonly init?: boolean }): Promise<Draft>;
};

export type Files = Pick<Performers, "file" | "merge" | "selection"> & { readonly drafts: Drafts };

export type FilesParts = {
  readonly kernel: Kernel;
  readonly core: Pick<Core, "root" | "content" | "snapshots" | "layers">;
  readonly tasks: Pick<Tasks, "openRoot" | "enterView">;
  readonly pool: FilePool;
};

export { openDrafts } from "./drafts.ts";
export { openFiles } from "./open-files.ts";
