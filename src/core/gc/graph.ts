/**
 * The graph that collection walks, as a value: to say what an image holds, what it shares and what would be freed,
 * without asking the database again for each.
 */
import type { Database } from "#base/sqlite.ts";
import type { Leases, Node } from "../leases/leases.ts";

export type Graph = {
  /** Bytes of each node that is there: of a blob, or of one snapshot without its parents. */
  readonly sizes: ReadonlyMap<Node, number>;
  targets(node: Node): readonly Node[];
  /** What is kept without an image: active snapshots and views, and what leases hold. */
  readonly others: readonly Node[];
  /** What interrupted work brought, and waits for another attempt. */
  readonly waiting: readonly Node[];
  /** What the build cache keeps. */
  readonly cached: readonly Node[];
};

const statements = {
  blobs: "SELECT 'content/' || digest AS node, size FROM blobs",
  snapshots: "SELECT 'snapshot/' || name AS node, bytes AS size, parent FROM snapshots",
  edges: "SELECT source, target FROM edges",
  active: "SELECT 'snapshot/' || name AS node FROM snapshots WHERE kind <> 'committed'",
  waiting: "SELECT node FROM kept",
  cached: "SELECT DISTINCT node.value AS node FROM build_cache, json_each(build_cache.nodes) AS node",
} as const;

export function readGraph(db: Database, leases: Leases): () => Graph {
  const q = db.prepare(statements);
  return () => {
    const sizes = new Map<Node, number>();
    const edges = new Map<Node, Node[]>();
    const add = (source: Node, target: Node) => {
      const known = edges.get(source);
      if (known === undefined) edges.set(source, [target]);
      else known.push(target);
    };
    for (const { node, size } of q.blobs.all<{ node: Node; size: number }>()) sizes.set(node, size);
    for (const { node, size, parent } of q.snapshots.all<{ node: Node; size: number; parent: string | null }>()) {
      sizes.set(node, size);
      if (parent !== null) add(node, `snapshot/${parent}`);
    }
    for (const { source, target } of q.edges.all<{ source: Node; target: Node }>()) add(source, target);
    const nodes = (rows: readonly { node: Node }[]) => rows.map(({ node }) => node);
    return { sizes, targets: (node) => edges.get(node) ?? [], others: [...nodes(q.active.all()), ...leases.held()], waiting: nodes(q.waiting.all()), cached: nodes(q.cached.all()) };
  };
}

/** The graph as it is when these snapshots and images are gone: what they lead to is there as long as something else does. */
export function without(graph: Graph, gone: ReadonlySet<Node>): Graph {
  if (gone.size === 0) return graph;
  const snapshots = new Set([...gone].filter((node) => node.startsWith("snapshot/")));
  const sizes = new Map(graph.sizes);
  for (const node of snapshots) sizes.delete(node);
  return { ...graph, sizes, others: graph.others.filter((node) => !snapshots.has(node)) };
}

/** Everything the roots lead to that is there, themselves included. */
export function reach(graph: Graph, roots: Iterable<Node>): Set<Node> {
  const found = new Set<Node>();
  for (const root of roots) if (graph.sizes.has(root)) found.add(root);
  // A set's iteration meets what is added on the way.
  for (const node of found) for (const target of graph.targets(node)) if (graph.sizes.has(target)) found.add(target);
  return found;
}

export function sizeOf(graph: Graph, nodes: Iterable<Node>): number {
  let bytes = 0;
  for (const node of nodes) bytes += graph.sizes.get(node) ?? 0;
  return bytes;
}

/** What only the build cache needs, when `roots` are all others. */
export function onlyCached(graph: Graph, roots: Iterable<Node>): Set<Node> {
  return reach(graph, graph.cached).difference(reach(graph, [...roots, ...graph.others, ...graph.waiting]));
}

/** Roots that go one after another: what each frees, after those before it. */
export type Removals = { remove(root: Node): number };

/** `roots`: of which some will be removed. What `others` of the graph need, what waits, and what builds have cached is never freed. */
export function openRemovals(graph: Graph, roots: Iterable<Node>): Removals {
  const reached = new Map([...new Set(roots)].map((root) => [root, reach(graph, [root])]));
  const users = new Map<Node, number>();
  for (const nodes of [...reached.values(), reach(graph, [...graph.others, ...graph.waiting, ...graph.cached])]) {
    for (const node of nodes) users.set(node, (users.get(node) ?? 0) + 1);
  }
  return {
    remove(root) {
      const freed: Node[] = [];
      for (const node of reached.get(root) ?? []) {
        const left = users.get(node)! - 1;
        users.set(node, left);
        if (left === 0) freed.push(node);
      }
      reached.delete(root);
      return sizeOf(graph, freed);
    },
  };
}
