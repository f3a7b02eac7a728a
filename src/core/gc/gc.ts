/**
 * What keeps what alive, and the collection of the rest: mark and sweep over one graph of blobs and snapshots.
 *
 * Roots: the targets of images, active snapshots and views, whatever a lease holds, what is kept for another attempt, and
 * what the build cache has.
 * Edges: what `link` recorded (index → manifests, manifest → configuration and layers, configuration → topmost
 * snapshot), and snapshot → parent.
 * Marking and forgetting are one transaction and read the leases in the same turn of the event loop, so that a blob is
 * either held before the mark, or found to be gone by whoever comes after it. Files go after the rows.
 */
import { nowNanos } from "#base/clock.ts";
import { failpoint } from "#base/failpoint.ts";
import type { Database } from "#base/sqlite.ts";
import type { Digest } from "#spec/digest.ts";
import type { ContentStore } from "../content/store.ts";
import type { Leases, Node } from "../leases/leases.ts";
import type { SnapshotStore } from "../snapshots/store.ts";

/** Each node is looked up by its name: there are as many as thousands of builds have left. */
export const LIVE = `
  WITH RECURSIVE live (node) AS (
    SELECT 'content/' || digest FROM images
    UNION SELECT 'snapshot/' || name FROM snapshots WHERE kind <> 'committed'
    UNION SELECT value FROM json_each(?)
    UNION SELECT node FROM kept
    UNION SELECT node.value FROM build_cache, json_each(build_cache.nodes) AS node
    UNION SELECT e.target FROM live JOIN edges e ON e.source = live.node
    UNION SELECT 'snapshot/' || s.parent FROM live JOIN snapshots s ON s.name = substr(live.node, 10) WHERE live.node LIKE 'snapshot/%' AND s.parent IS NOT NULL
  )`;

const statements = {
  expire: "DELETE FROM kept WHERE until <= ?",
  link: "INSERT INTO edges (source, target) VALUES (?, ?) ON CONFLICT DO NOTHING",
  edge: "SELECT 1 FROM edges WHERE source = ? AND target = ?",
  unlink: "DELETE FROM edges WHERE source = ? AND target = ?",
  deadBlobs: `${LIVE} SELECT digest, size FROM blobs WHERE 'content/' || digest NOT IN live`,
  deadSnapshots: `${LIVE} SELECT name, bytes FROM snapshots WHERE kind = 'committed' AND 'snapshot/' || name NOT IN live`,
  deadEdges: `DELETE FROM edges WHERE
    (source LIKE 'content/%' AND substr(source, 9) NOT IN (SELECT digest FROM blobs)) OR
    (target LIKE 'snapshot/%' AND substr(target, 10) NOT IN (SELECT name FROM snapshots))`,
} as const;

export type Collector = {
  /** Records edges: inside a write. */
  link(source: Node, targets: readonly Node[]): void;
  /** Whether all these edges are recorded. */
  isLinked(source: Node, targets: readonly Node[]): boolean;
  unlink(source: Node, targets: readonly Node[]): void;
  /** What a collection would take now. */
  garbage(): Node[];
  /** Resolves when no collection is under way. */
  idle(): Promise<void>;
  collect(): Promise<{ bytes: number }>;
};

export type CollectorParts = { db: Database; content: ContentStore; snapshots: SnapshotStore; leases: Leases };

export function openCollector({ db, content, snapshots, leases }: CollectorParts): Collector {
  const q = db.prepare(statements);
  let running: Promise<{ bytes: number }> | undefined;
  let queued: Promise<{ bytes: number }> | undefined;

  return {
    link(source, targets) {
      for (const target of targets) q.link.run(source, target);
    },
    isLinked: (source, targets) => targets.every((target) => q.edge.get(source, target) !== undefined),
    unlink(source, targets) {
      for (const target of targets) q.unlink.run(source, target);
    },
    garbage() {
      const { blobs, snapshots: trees } = findGarbage();
      return [...blobs.map(({ digest }): Node => `content/${digest}`), ...trees.map(({ name }): Node => `snapshot/${name}`)];
    },
    async idle() {
      while (running !== undefined) await running.catch(() => undefined);
    },
    collect() {
      if (running === undefined) return start();
      return (queued ??= running.then(again, again));
    },
  };

  function again(): Promise<{ bytes: number }> {
    queued = undefined;
    return start();
  }

  function start(): Promise<{ bytes: number }> {
    running = collectOnce().finally(() => (running = undefined));
    return running;
  }

  async function collectOnce(): Promise<{ bytes: number }> {
    let doomed: Digest[] = [];
    const { blobs, trees } = await db.write(() => {
      const garbage = forgetGarbage();
      doomed = garbage.blobs.map((blob) => blob.digest);
      return garbage;
    }).catch((error: unknown) => {
      content.spare(doomed);
      throw error;
    });
    if (doomed.length + trees.length === 0) return { bytes: 0 };
    await failpoint("gc.files");
    await content.unlink(doomed);
    await snapshots.removeFolders(trees.map((tree) => tree.id));
    return { bytes: [...blobs.map((blob) => blob.size), ...trees.map((tree) => tree.bytes)].reduce((sum, size) => sum + size, 0) };
  }

  function findGarbage() {
    const held = JSON.stringify([...leases.held()]);
    return {
      blobs: q.deadBlobs.all<{ digest: Digest; size: number }>(held),
      snapshots: q.deadSnapshots.all<{ name: string; bytes: number }>(held),
    };
  }

  function forgetGarbage() {
    q.expire.run(nowNanos());
    const { blobs, snapshots: names } = findGarbage();
    content.forget(blobs.map((blob) => blob.digest));
    const trees = snapshots.forget(names.map((row) => row.name)).map((id, index) => ({ id, bytes: names[index]!.bytes }));
    if (blobs.length + names.length > 0) q.deadEdges.run();
    return { blobs, trees };
  }
}
