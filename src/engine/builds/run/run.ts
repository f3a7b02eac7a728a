/**
 * RUN: a command in a task of its own, on top of the tree of the steps before it. It is kept apart from the host exactly
 * as a container that `docker run` starts without options, because the same code makes it: specification, networks, names,
 * program. But it is no container: it has no record, no name and no log, and nobody can reach it from outside.
 *
 *     const run = openRun({ containers: open.context, drafts, … });
 *     const tree = await run.exec(op, inputs, context);     // Performers.exec
 *     …
 *     await run.close();                                    // ends what runs
 *
 * A step's own places are a layer of their own (places.ts), below what it writes: whatever the runtime must make to mount
 * something is never in the step's layer, and nothing is cleaned up inside a tree that the step has had in its hands.
 */
import type { Contexts } from "#builder/contexts/contexts.ts";
import type { Drafts } from "#builder/files/files.ts";
import type { Performers } from "#builder/solve/solve.ts";
import type { Context } from "../../containers/context.ts";

export { openRun } from "./open-run.ts";

export type RunParts = {
  /** Of `OpenContainers`: what containers are made of. */
  readonly containers: Context;
  readonly drafts: Drafts;
  readonly contexts: Pick<Contexts, "pool" | "hold">;
  /** A folder of its own in the data root: contexts as they are mounted. Emptied when this is opened. */
  readonly folder: string;
  /** daemon.json's builder.entitlements: what any build may be allowed. */
  readonly allowed: () => { readonly networkHost: boolean; readonly securityInsecure: boolean };
};

export type Run = Pick<Performers, "exec"> & {
  readonly caches: CacheMounts;
  /** Ends every step that runs, and waits for it. */
  close(): Promise<void>;
};

/** What RUN --mount=type=cache keeps: volumes of the driver local, found by their labels. */
export type CacheMounts = {
  list(): readonly CacheMount[];
  /** Bytes on the disk. */
  usage(volume: string): Promise<number>;
  /** @throws conflict while a step uses it */
  remove(volume: string): Promise<void>;
};

export type CacheMount = {
  /** The volume's name: "build-cache-npm-1a2b3c4d". */
  readonly volume: string;
  /** As the Dockerfile says it. */
  readonly id: string;
  readonly sharing: "shared" | "private" | "locked";
  readonly inUse: boolean;
  /** RFC 3339. */
  readonly created: string;
};
