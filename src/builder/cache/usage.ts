/** What the cache has, as it is listed: /system/df, `docker buildx du`, `docker builder prune`. */
import type { Core } from "#core/core.ts";
import { reach, without } from "#core/gc/graph.ts";
import type { Node } from "#core/leases/leases.ts";
import type { CacheFilters, CacheUsage, OtherCache } from "./cache.ts";
import { matches } from "./filters.ts";
import type { Stored } from "./records.ts";

export type UsageParts = {
  readonly core: Pick<Core, "graph" | "images">;
  readonly records: readonly Stored[];
  readonly busy: ReadonlyMap<string, number>;
  readonly others: readonly OtherCache[];
  /** What is thought to be gone: images, and snapshots of containers. */
  readonly without?: ReadonlySet<Node>;
};

/** The longest unused first. */
export async function listUsage(parts: UsageParts, filters: CacheFilters = new Map()): Promise<CacheUsage[]> {
  const others = (await Promise.all(parts.others.map((other) => other.list()))).flat();
  return [...usageOf(parts), ...others].filter((usage) => matches(usage, filters)).toSorted(byUse);
}

export const byUse = (a: CacheUsage, b: CacheUsage): number => compare(a.lastUsed ?? a.created, b.lastUsed ?? b.created) || a.uses - b.uses || compare(a.created, b.created);

const compare = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);

function usageOf({ core, records, busy, without = new Set() }: UsageParts): CacheUsage[] {
  const inImages = sharedNodes(core, without);
  const byIdentity = new Map(records.map((record) => [record.tree.snapshot ?? "", record.id]));
  return records.map(({ id, key: _, tree, parts, kind, title, size, created, lastUsed, uses }) => ({
    id,
    kind,
    description: title,
    parents: parentsOf(parts, byIdentity).filter((parent) => parent !== id),
    inUse: busy.has(id),
    shared: tree.snapshot !== undefined && inImages.has(`snapshot/${tree.snapshot}`),
    mutable: false,
    size,
    created,
    lastUsed,
    uses,
  }));
}

/** The records whose results it lies on: what frees nothing as long as it is there. */
const parentsOf = (parts: Readonly<Record<string, string>>, byIdentity: ReadonlyMap<string, string>): string[] =>
  [parts["base"], parts["upper"]].flatMap((identity) => (identity === undefined || identity === "" ? [] : (byIdentity.get(identity) ?? [])));

/** What images and containers need. */
function sharedNodes(core: Pick<Core, "graph" | "images">, gone: ReadonlySet<Node>): ReadonlySet<Node> {
  const graph = without(core.graph(), gone);
  const active = graph.others.filter((node) => node.startsWith("snapshot/") && !node.startsWith("snapshot/sha256:"));
  return reach(graph, [...imagesLeft(core, gone), ...active]);
}

export const imagesLeft = (core: Pick<Core, "images">, gone: ReadonlySet<Node>): Node[] =>
  core.images.list().map(({ target }): Node => `content/${target.digest}`).filter((image) => !gone.has(image));
