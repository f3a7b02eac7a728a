/** The cache as `buildx du` and `buildx prune` see it. */
import type { In, Of } from "#base/protobuf.ts";
import type { Cache, CacheUsage } from "#builder/cache/cache.ts";
import { parseFilters } from "#builder/cache/filters.ts";
import type { pruneRequest, usageRecord } from "#spec/buildkit/control.ts";
import { timeOf } from "./status-feed.ts";

export async function* prune(cache: Cache, { all, filter, keepDuration, reservedSpace, maxUsedSpace, minFreeSpace }: Of<typeof pruneRequest>): AsyncGenerator<In<typeof usageRecord>> {
  const { removed } = await cache.prune({ all, filters: parseFilters(filter), keepDuration, reserved: reservedSpace, maxUsed: maxUsedSpace, minFree: minFreeSpace });
  for (const one of removed) yield recordOf(one);
}

export function recordOf({ id, parents, kind, description, inUse, shared, mutable, size, created, lastUsed, uses }: CacheUsage): In<typeof usageRecord> {
  return { id, parents, recordType: kind, description, inUse, shared, mutable, size, usageCount: uses, createdAt: timeOf(created), lastUsedAt: lastUsed === undefined ? undefined : timeOf(lastUsed) };
}
