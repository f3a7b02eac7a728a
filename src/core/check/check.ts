/**
 * The check of a store: is what the records say so, and is there nothing else? It looks while anything else runs, and
 * takes nothing away unless it is told to repair.
 *
 *     for await (const finding of core.check({ repair: false, signal })) …
 *
 * What it looks at, in this order:
 * 1. The database: SQLite's own check of its pages and indexes.
 * 2. Blobs: each row's file, its size and its digest, all bytes read; files that no row names.
 * 3. Snapshots: each row's folder, its parent, the number of its files; folders that no row names.
 * 4. Images: from each name, everything its documents lead to is here, and held by an edge.
 * 5. Garbage: what nothing leads to, although nothing is under way that could need it.
 *
 * Repairs: what can be had again is removed (a damaged blob, an image that is no longer whole, a layer's folder that can
 * be unpacked again), what can be derived is made again (edges), what nobody needs goes. What only a container has is
 * left: it is told, and stays a problem.
 */
export type Finding =
  | { readonly kind: "problem"; readonly problem: Problem }
  | { readonly kind: "step"; readonly step: Step; readonly current: number; readonly total: number }
  | { readonly kind: "end"; readonly counts: Counts };

export type Step = "database" | "blobs" | "snapshots" | "images" | "garbage";

export type Problem = {
  readonly step: Step;
  /** What it is about: a digest, a snapshot's name, an image's name, a path below the data root. */
  readonly subject: string;
  readonly text: string;
  /** What was done about it, or why nothing could be. Neither, unless repairs were wanted. */
  readonly repaired?: string;
  readonly left?: string;
};

export type Counts = {
  readonly blobs: number;
  readonly bytes: number;
  readonly snapshots: number;
  readonly images: number;
  readonly problems: number;
  readonly repaired: number;
};

export type CheckOptions = {
  readonly repair: boolean;
  readonly signal: AbortSignal;
  /** False: sizes and presence only, no blob is read. */
  readonly digests?: boolean;
};

export { openCheck } from "./open-check.ts";
