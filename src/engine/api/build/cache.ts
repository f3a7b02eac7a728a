/** The build cache as Docker's API shows and prunes it. */
import type { CacheUsage, PruneOptions } from "#builder/cache/cache.ts";
import { fail } from "#base/errors.ts";
import { nowNanos } from "#base/clock.ts";
import type { Builds } from "../../builds/builds.ts";
import type { Events } from "../../engine.ts";
import { untilFilter } from "../../filters.ts";
import { type Answer, type ApiCall, ok } from "../answer.ts";
import { filters, flag, integer } from "../query.ts";

const FILTERS = ["until", "unused-for", "id", "parent", "type", "description", "inuse", "mutable", "immutable", "shared", "private"];

/** `dryRun`: what would go is told, and nothing goes. */
export async function pruneCache({ cache }: Pick<Builds, "cache">, { query, version }: ApiCall, publish: Events["publish"], { dryRun = false } = {}): Promise<Answer> {
  const { removed, bytes } = await cache.prune({ ...pruneOptions(query, version), dryRun });
  if (!dryRun) publish({ Type: "builder", Action: "prune", Actor: { ID: "", Attributes: { reclaimed: String(bytes) } } });
  return ok({ CachesDeleted: removed.length === 0 ? null : removed.map(({ id }) => id), SpaceReclaimed: bytes });
}

export function pruneOptions(query: URLSearchParams, version: number): PruneOptions {
  const given = new Map(filters(query, FILTERS));
  const times = ["until", "unused-for"].filter((name) => given.has(name));
  if (times.length > 1) throw fail("invalid", "conflicting filters: until and unused-for cannot both be set");
  const until = times[0] === undefined ? undefined : untilFilter(new Map([["until", given.get(times[0])!]]));
  for (const name of times) given.delete(name);
  const reserved = bytesOf(query, version >= 48 ? "reserved-space" : "keep-storage") ?? bytesOf(query, "keep-storage");
  const maxUsed = version >= 48 ? bytesOf(query, "max-used-space") : undefined;
  const minFree = version >= 48 ? bytesOf(query, "min-free-space") : undefined;
  return {
    all: flag(query, "all"),
    filters: given,
    ...(until !== undefined && { keepDuration: nowNanos() - until }),
    ...(reserved !== undefined && { reserved }),
    ...(maxUsed !== undefined && { maxUsed }),
    ...(minFree !== undefined && { minFree }),
  };
}

function bytesOf(query: URLSearchParams, name: string): number | undefined {
  const bytes = integer(query, name);
  if (bytes !== undefined && bytes < 0) throw fail("invalid", `${name} is no number of bytes: ${bytes}`);
  return bytes;
}

/** Of /system/df. Before 1.42 a record had one parent. */
export function buildCacheJson(usages: readonly CacheUsage[], version: number): object[] {
  return usages.map(({ id, kind, description, parents, inUse, shared, size, created, lastUsed, uses }) => ({
    ID: id,
    ...(version >= 42 ? parents.length > 0 && { Parents: parents } : { Parent: parents[0] ?? "" }),
    Type: kind,
    Description: description,
    InUse: inUse,
    Shared: shared,
    Size: size,
    CreatedAt: dateOf(created),
    LastUsedAt: lastUsed === undefined ? null : dateOf(lastUsed),
    UsageCount: uses,
  }));
}

const dateOf = (nanos: bigint): string => new Date(Number(nanos / 1_000_000n)).toISOString();
