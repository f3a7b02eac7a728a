/** Removes records: all that match, or the longest unused until few enough bytes are left. */
import { statfs } from "node:fs/promises";
import { nowNanos } from "#base/clock.ts";
import { failpoint } from "#base/failpoint.ts";
import type { Core } from "#core/core.ts";
import { reach, sizeOf, without } from "#core/gc/graph.ts";
import type { Node } from "#core/leases/leases.ts";
import type { CacheUsage, Pruned, PruneOptions } from "./cache.ts";
import { checkFilters, matches } from "./filters.ts";
import type { CacheStatements, Stored } from "./records.ts";
import { byUse, imagesLeft, listUsage, type UsageParts } from "./usage.ts";

export type PruneParts = Omit<UsageParts, "records" | "core" | "without"> & {
  readonly core: Pick<Core, "db" | "graph" | "images" | "root" | "collect">;
  readonly q: CacheStatements;
  readonly records: () => readonly Stored[];
};

/** One after another, of what is there now: listing takes longer than anything else. */
export async function prune(parts: PruneParts, wishes: readonly PruneOptions[]): Promise<Pruned> {
  for (const { filters = new Map() } of wishes) checkFilters(filters);
  const gone = new Set(wishes.flatMap((wish) => [...(wish.without ?? [])]));
  const records = parts.records();
  let left = await listUsage({ ...parts, records, without: gone });
  const removed: CacheUsage[] = [];
  for (const options of wishes) {
    const went = await pruneSome(parts, left, options);
    const ids = new Set(went.map(({ id }) => id));
    left = left.filter(({ id }) => !ids.has(id));
    removed.push(...went);
  }
  const bytes = removed.length === 0 ? 0 : freedBytes(parts.core, { records, removed, without: gone });
  if (wishes.some(({ dryRun }) => dryRun !== true)) await parts.core.collect();
  return { removed, bytes };
}

type Round = { readonly records: readonly Stored[]; readonly removed: readonly CacheUsage[]; readonly without: ReadonlySet<Node> };

/** What nothing else holds: with a record also go layers below it of which neither an image nor a record is left. */
function freedBytes(core: PruneParts["core"], { records, removed, without: gone }: Round): number {
  const graph = without(core.graph(), gone);
  const ids = new Set(removed.map(({ id }) => id));
  const roots = [...imagesLeft(core, gone), ...graph.others, ...graph.waiting];
  const heldBy = (some: readonly Stored[]) => sizeOf(graph, reach(graph, [...roots, ...some.flatMap(({ nodes }) => nodes)]));
  const own = new Set(records.map(({ id }) => id));
  const elsewhere = removed.reduce((sum, { id, size }) => sum + (own.has(id) ? 0 : size), 0);
  return heldBy(records) - heldBy(records.filter(({ id }) => !ids.has(id))) + elsewhere;
}

async function pruneSome(parts: PruneParts, all: readonly CacheUsage[], options: PruneOptions): Promise<readonly CacheUsage[]> {
  const bound = await boundOf(parts.core.root, all, options);
  const doomed = planPrune(all, options, { bound, now: nowNanos() });
  if (options.dryRun === true) return doomed;
  const everything = options.all && bound === undefined && (options.filters?.size ?? 0) === 0;
  return await removeAll(parts, doomed, { remember: bound !== undefined, forget: everything });
}

/** Bytes that may be left; undefined: none need be. BuildKit's reckoning. */
async function boundOf(root: string, all: readonly CacheUsage[], { reserved = 0, maxUsed = 0, minFree = 0 }: PruneOptions): Promise<number | undefined> {
  if (reserved === 0 && maxUsed === 0 && minFree === 0) return undefined;
  const total = bytesOf(all);
  const { bsize, bavail } = await statfs(root);
  const excess = minFree - bsize * bavail;
  const allowed = maxUsed === 0 ? Infinity : maxUsed;
  const bound = excess > 0 ? Math.min(allowed, total - excess) : allowed;
  // Only a reserve: down to it.
  return Math.max(bound === Infinity && minFree === 0 ? 0 : bound, reserved);
}

/** What an image has too takes no room of the cache's. */
const bytesOf = (all: readonly CacheUsage[]): number => all.reduce((sum, { shared, size }) => sum + (shared ? 0 : size), 0);

/**
 * What goes, in this order: what others lie on goes after them. Pure.
 * `bound`: the longest unused first, until at most so many bytes are left.
 */
export function planPrune(all: readonly CacheUsage[], options: PruneOptions, { bound, now }: { readonly bound: number | undefined; readonly now: bigint }): CacheUsage[] {
  const mayGo = all.filter((usage) => isCandidate(usage, options, now)).toSorted(byUse);
  const children = new Map<string, number>();
  for (const { parents } of all) for (const parent of parents) children.set(parent, (children.get(parent) ?? 0) + 1);
  const doomed: CacheUsage[] = [];
  let left = bytesOf(all);
  const waiting = new Set(mayGo);
  for (let progress = true; progress && waiting.size > 0; ) {
    progress = false;
    for (const usage of waiting) {
      if (bound !== undefined && left <= bound) return doomed;
      if ((children.get(usage.id) ?? 0) > 0) continue;
      waiting.delete(usage);
      doomed.push(usage);
      if (!usage.shared) left -= usage.size;
      for (const parent of usage.parents) children.set(parent, children.get(parent)! - 1);
      progress = true;
    }
  }
  return doomed;
}

function isCandidate(usage: CacheUsage, { all, filters = new Map(), keepDuration = 0n }: PruneOptions, now: bigint): boolean {
  if (usage.inUse) return false;
  if (!all && (usage.shared || usage.kind === "internal" || usage.kind === "frontend")) return false;
  if (keepDuration > 0n && (usage.lastUsed ?? usage.created) > now - keepDuration) return false;
  return matches(usage, filters);
}

type How = {
  /** What the results were stays known: only the room was wanted. */
  readonly remember: boolean;
  readonly forget: boolean;
};

async function removeAll({ core, q, busy, others }: PruneParts, doomed: readonly CacheUsage[], { remember, forget }: How): Promise<CacheUsage[]> {
  if (doomed.length === 0 && !forget) return [];
  const gone = await core.db.write(() => {
    const now = nowNanos();
    if (forget) {
      q.clearFacts.run();
      q.noteEmpty.run(now);
      q.dropEmpty.run(now);
    }
    // A build may have come to need one since.
    return doomed.filter(({ id }) => {
      if (busy.has(id)) return false;
      if (remember) return q.empty.run(id) > 0;
      q.noteRemoved.run(id, now);
      return q.drop.run(id) > 0;
    });
  });
  await failpoint("cache.pruned");
  const went = new Set(gone);
  const rest = doomed.filter((usage) => !went.has(usage));
  for (const other of others) {
    gone.push(...(await other.remove(rest.filter(({ kind }) => other.kinds.includes(kind)))));
  }
  return gone;
}
