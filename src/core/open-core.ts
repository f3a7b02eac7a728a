/** Opens the core over a data root. See core.ts. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { openDatabase } from "#base/sqlite.ts";
import { openContent } from "./content/store.ts";
import type { Core, CoreOptions } from "./core.ts";
import { openCollector } from "./gc/gc.ts";
import { readGraph } from "./gc/graph.ts";
import { openImages } from "./images/store.ts";
import { openLayers } from "./layers/unpack.ts";
import { openKept } from "./leases/kept.ts";
import { openLeases } from "./leases/leases.ts";
import { migrations } from "./schema.ts";
import { openSnapshots } from "./snapshots/store.ts";

export async function openCore({ root, kernel, driver = "overlay" }: CoreOptions): Promise<Core> {
  await mkdir(root, { recursive: true, mode: 0o710 });
  await using opened = new AsyncDisposableStack();
  const db = opened.use(openDatabase(join(root, "gantry.db"), { migrations }));
  const content = await openContent(db, join(root, "content"));
  const snapshots = await openSnapshots({ db, kernel, folder: join(root, "snapshots"), driver });
  await snapshots.sweep();
  await content.sweep();
  const leases = openLeases();
  const collector = openCollector({ db, content, snapshots, leases });
  await collector.collect();
  const images = openImages(db);
  const graph = readGraph(db, leases);
  opened.move();
  return {
    root,
    db,
    content,
    snapshots,
    leases,
    kept: openKept(db),
    images,
    layers: openLayers({ kernel, content, snapshots, root }),
    link: (source, targets) => (collector.isLinked(source, targets) ? db.settled() : db.write(() => collector.link(source, targets))),
    unlink: (source, targets) => db.write(() => collector.unlink(source, targets)),
    graph,
    collect: () => collector.collect(),
    async *check(options) {
      // Rarely asked for: not loaded before.
      const { openCheck } = await import("./check/check.ts");
      yield* openCheck({ db, kernel, root, content, snapshots, images, leases, collector })(options);
    },
    [Symbol.asyncDispose]: async () => db.close(),
  };
}
