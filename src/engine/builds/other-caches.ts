/** What the build cache lists and prunes besides results of steps: cache mounts, and what clients have sent. */
import { nowNanos } from "#base/clock.ts";
import { kindOf } from "#base/errors.ts";
import type { CacheUsage, OtherCache } from "#builder/cache/cache.ts";
import type { Contexts } from "#builder/contexts/contexts.ts";
import type { CacheMount, CacheMounts } from "./run/run.ts";

const CONTEXTS = "local-contexts";

export function cacheMounts(mounts: CacheMounts): OtherCache {
  return {
    kinds: ["exec.cachemount"],
    list: () => Promise.all(mounts.list().map(async (mount) => mountUsage(mount, await mounts.usage(mount.volume).catch(() => 0)))),
    async remove(usages) {
      const gone: CacheUsage[] = [];
      for (const usage of usages) {
        // One that a step has taken meanwhile stays.
        const removed = await mounts.remove(usage.id).then(() => true, (error: unknown) => (kindOf(error) === "conflict" ? false : Promise.reject(error)));
        if (removed) gone.push(usage);
      }
      return gone;
    },
  };
}

function mountUsage({ volume, id, sharing, inUse, created }: CacheMount, size: number): CacheUsage {
  const time = BigInt(Date.parse(created)) * 1_000_000n;
  return { id: volume, kind: "exec.cachemount", description: `cached mount ${id} (${sharing})`, parents: [], inUse, shared: false, mutable: true, size, created: time, lastUsed: undefined, uses: 0 };
}

export function sentContexts(contexts: Pick<Contexts, "usage" | "collect">): OtherCache {
  return {
    kinds: ["source.local"],
    async list() {
      const { bytes, files, contexts: count } = await contexts.usage();
      if (bytes === 0) return [];
      // It has no age: what of it was not used for long, the pool lets go of by itself. So no prune by age takes it.
      const description = `files of ${count} contexts (${files})`;
      return [{ id: CONTEXTS, kind: "source.local", description, parents: [], inUse: false, shared: false, mutable: true, size: bytes, created: nowNanos(), lastUsed: undefined, uses: 0 }];
    },
    async remove(usages) {
      if (usages.length === 0) return [];
      const { bytes } = await contexts.collect({ all: true });
      return usages.map((usage) => ({ ...usage, size: bytes }));
    },
  };
}
