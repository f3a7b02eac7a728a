/** What the build cache lists and prunes besides results of steps: cache mounts, and what clients have sent. */
import { kindOf } from "#base/errors.ts";
import type { CacheUsage, OtherCache } from "#builder/cache/cache.ts";
import type { Contexts, StoredContext } from "#builder/contexts/contexts.ts";
import type { CacheMount, CacheMounts } from "./run/run.ts";

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

/** Each tree that is remembered is a record; and one more is what nothing leads to any more, of archives that were sent. */
export function sentContexts(contexts: Pick<Contexts, "list" | "forget">): OtherCache {
  return {
    kinds: ["source.local", "source.git.checkout"],
    list: async () => (await contexts.list()).map(contextUsage),
    async remove(usages) {
      if (usages.length === 0) return [];
      const ids = new Set(usages.map(({ id }) => id));
      const names = (await contexts.list()).filter((one) => ids.has(contextUsage(one).id)).flatMap((one) => one.names);
      let { bytes: left } = await contexts.forget(names);
      // What is told to be freed is what the disk has got back: a pack that is half alive stays for now.
      return usages.map((usage) => {
        const size = Math.min(left, usage.size);
        left -= size;
        return { ...usage, size };
      });
    },
  };
}

function contextUsage({ digest, kind, files, bytes, used, inUse }: StoredContext): CacheUsage {
  const time = BigInt(Math.round(used * 1000)) * 1000n;
  const what = digest === undefined ? "files of earlier contexts" : `${kind === "folder" ? "local source" : "repository or download"}: ${files} files`;
  return {
    id: digest === undefined ? "local-contexts" : digest.slice("sha256:".length, "sha256:".length + 25),
    kind: kind === "folder" ? "source.local" : "source.git.checkout",
    description: what,
    parents: [],
    inUse,
    shared: false,
    mutable: true,
    size: bytes,
    created: time,
    lastUsed: time,
    uses: 0,
  };
}
