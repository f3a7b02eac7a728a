/**
 * Leases keep what is under way from being collected: a blob that was taken in and is not referred to yet, a snapshot
 * whose image has no name yet.
 *
 *     using lease = leases.open();
 *     const blob = await content.ingest(lease, bytes);   // held by the lease
 *     await images.put([{ name, target }]);              // held by the image from here on
 *
 * They live in memory: when the engine dies nothing is under way any more, and what was held is garbage unless it came
 * to be referred to.
 */
import type { Digest } from "#spec/digest.ts";

/** A node of the graph that collection walks. A snapshot's name may be any string; a committed layer's is its chain ID. */
export type Node = `content/${Digest}` | `snapshot/${string}`;

export type Lease = Disposable & {
  hold(node: Node): void;
};

export type Leases = {
  open(): Lease;
  /** Every node held by an open lease. */
  held(): ReadonlySet<Node>;
};

export function openLeases(): Leases {
  const open = new Set<Set<Node>>();
  return {
    open() {
      const nodes = new Set<Node>();
      open.add(nodes);
      return {
        hold: (node) => void nodes.add(node),
        [Symbol.dispose]: () => void open.delete(nodes),
      };
    },
    held: () => new Set([...open].flatMap((nodes) => [...nodes])),
  };
}
