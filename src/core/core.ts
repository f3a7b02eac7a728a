/**
 * The core: what containerd is. Content, snapshots, images and layers over one database and one data root.
 *
 *     await using core = await openCore({ root: "/var/lib/gantry", kernel, driver: "overlay" });
 *     using lease = core.leases.open();
 *     …
 *     await core.collect();
 *
 * The data root belongs to one engine at a time: a second one is refused (`conflict`). Opening puts right what a crash
 * left: half-taken blobs, folders without a row, and everything that nothing refers to.
 */
import type { Database } from "#base/sqlite.ts";
import type { Kernel } from "#linux/linux.ts";
import type { CheckOptions, Finding } from "./check/check.ts";
import type { Content } from "./content/content.ts";
import type { Graph } from "./gc/graph.ts";
import type { Images } from "./images/images.ts";
import type { Layers } from "./layers/layers.ts";
import type { Kept } from "./leases/kept.ts";
import type { Leases, Node } from "./leases/leases.ts";
import type { Snapshots } from "./snapshots/snapshots.ts";

export { openCore } from "./open-core.ts";

export type Core = AsyncDisposable & {
  readonly root: string;
  readonly db: Database;
  readonly content: Content;
  readonly snapshots: Snapshots;
  readonly images: Images;
  readonly layers: Layers;
  readonly leases: Leases;
  readonly kept: Kept;
  /** Records that source needs targets: while source is kept, they are. Inside a write of the caller's, or its own. */
  link(source: Node, targets: readonly Node[]): Promise<void>;
  /** Takes such edges away: what nothing else leads to is garbage then. */
  unlink(source: Node, targets: readonly Node[]): Promise<void>;
  /** What keeps what alive, as it is now. */
  graph(): Graph;
  /** Removes what no image, active snapshot or lease leads to, and what is not kept. Calls while one is under way share the next. */
  collect(): Promise<{ bytes: number }>;
  /** Looks whether the store is whole. See check/check.ts. */
  check(options: CheckOptions): AsyncIterable<Finding>;
};

export type CoreOptions = { readonly root: string; readonly kernel: Kernel; readonly driver?: "overlay" | "vfs" };
