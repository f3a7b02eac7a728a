/** Rules by which the cache is kept small by itself: dockerd's `builder.gc`. Pure. */
import type { CacheFilters, PruneOptions } from "./cache.ts";

/** Bytes, or part of the file system's. */
export type Space = { readonly kind: "bytes" | "percent"; readonly value: number };

/** Applied one after another; each is a prune. */
export type CacheRule = {
  readonly all: boolean;
  readonly filters: CacheFilters;
  /** Nanoseconds since the last use. */
  readonly keepDuration: bigint;
  readonly reserved?: Space;
  readonly maxUsed?: Space;
  readonly minFree?: Space;
};

export type CacheBounds = Pick<CacheRule, "reserved" | "maxUsed" | "minFree">;

const HOUR = 3_600_000_000_000n;
const GB = 1e9;

/** BuildKit's rules. Without bounds of the user's: room for 10 GB stays, a fifth of the disk is left free, 100 GB are the most. */
export function defaultRules(given: CacheBounds): CacheRule[] {
  const own = given.reserved !== undefined || given.maxUsed !== undefined || given.minFree !== undefined;
  const bounds: CacheBounds = own ? given : { reserved: percent(10, 10 * GB), maxUsed: percent(60, 100 * GB), minFree: { kind: "percent", value: 20 } };
  const easy = new Map([["type", ["source.local", "exec.cachemount", "source.git.checkout"]]]);
  return [
    { all: false, filters: easy, keepDuration: 48n * HOUR, maxUsed: { kind: "bytes", value: 512e6 } },
    { all: false, filters: new Map(), keepDuration: 60n * 24n * HOUR, ...bounds },
    { all: false, filters: new Map(), keepDuration: 0n, ...bounds },
    { all: true, filters: new Map(), keepDuration: 0n, ...bounds },
  ];
}

type Capped = Space & { readonly most?: number };
const percent = (value: number, most: number): Capped => ({ kind: "percent", value, most });

/** What a rule asks of a disk of so many bytes. */
export function pruneOf({ all, filters, keepDuration, reserved, maxUsed, minFree }: CacheRule, disk: number): PruneOptions {
  return { all, filters, keepDuration, reserved: bytesOf(reserved, disk), maxUsed: bytesOf(maxUsed, disk), minFree: bytesOf(minFree, disk) };
}

function bytesOf(space: Capped | undefined, disk: number): number {
  if (space === undefined) return 0;
  const bytes = space.kind === "bytes" ? space.value : Math.floor((disk * space.value) / 100);
  return Math.min(bytes, space.most ?? Infinity);
}
