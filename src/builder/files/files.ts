/**
 * Steps that change files without running anything: COPY, ADD, WORKDIR, heredoc files. Performed by programs of `cell`
 * inside a view of the base (its paths are hostile); contexts' bytes go from the pool to the layer inside the kernel.
 * And how a changed tree becomes a committed layer: for these steps and for RUN.
 */
import type { Lease } from "#core/leases/leases.ts";
import type { Mounts } from "#core/snapshots/snapshots.ts";
import type { LayerTree } from "../tree.ts";

/** A writable tree on top of another one, that nobody knows of until it is committed. */
export type Draft = AsyncDisposable & {
  /** To be mounted as / of a container, or of a view. */
  readonly mounts: Mounts;
  /** Archives what changed, stores it as a layer and commits the snapshot under its chain ID: durable when resolved. */
  commit(lease: Lease, options: { readonly signal: AbortSignal }): Promise<LayerTree>;
};

export type Drafts = { begin(base: LayerTree): Promise<Draft> };
