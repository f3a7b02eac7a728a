/**
 * What interrupted work brought, kept for the next attempt: unlike a lease it outlives the engine, and ends by itself.
 *
 *     await kept.keep(nodes, 7 * 24 * 3600); // before the work begins: a kill at any moment loses nothing that came
 *     …
 *     await kept.drop(nodes);                // done, or given up for good
 *
 * A node need not exist (yet).
 */
import { nowNanos } from "#base/clock.ts";
import type { Database } from "#base/sqlite.ts";
import type { Node } from "./leases.ts";

export type Kept = {
  /** For so many seconds from now. */
  keep(nodes: readonly Node[], seconds: number): Promise<void>;
  drop(nodes: readonly Node[]): Promise<void>;
  /** Drops all: somebody wants the room. */
  clear(): Promise<void>;
};

const statements = {
  keep: "INSERT INTO kept (node, until) VALUES (?, ?) ON CONFLICT (node) DO UPDATE SET until = max(until, excluded.until)",
  drop: "DELETE FROM kept WHERE node = ?",
  clear: "DELETE FROM kept",
} as const;

export function openKept(db: Database): Kept {
  const q = db.prepare(statements);
  return {
    async keep(nodes, seconds) {
      const until = nowNanos() + BigInt(seconds) * 1_000_000_000n;
      await db.write(() => nodes.forEach((node) => q.keep.run(node, until)));
    },
    drop: (nodes) => db.write(() => nodes.forEach((node) => q.drop.run(node))),
    clear: () => db.write(() => void q.clear.run()),
  };
}
