/**
 * How much the repositories of a prefix may hold together. What they hold is counted by looking (each blob once), again
 * after a while, and what is pushed meanwhile is added: between instances the count may lag by that while.
 */
import { fail } from "#base/errors.ts";
import type { Digest } from "./digest.ts";
import type { Quota } from "../open-registry.ts";
import type { Storage } from "../storage/storage.ts";
import { blobKey, catalogPrefix, digestOf, linksPrefix, manifestsPrefix, repositoryOf } from "./keys.ts";

export type Quotas = {
  /** @throws exhausted when `bytes` more are too many */
  admit(repository: string, bytes: number): Promise<void>;
  /** For an upload that has `size` bytes: to be called with the length of each chunk that comes. @throws exhausted */
  open(repository: string, size: number): Promise<(bytes: number) => void>;
  added(repository: string, bytes: number): void;
};

const COUNT_AGAIN_MS = 60_000;

type Count = { readonly quota: Quota; used: number; at: number; counting: Promise<void> | undefined };

export function openQuotas(storage: Storage, quotas: readonly Quota[]): Quotas {
  const counts: Count[] = quotas.map((quota) => ({ quota, used: 0, at: 0, counting: undefined }));
  const of = (repository: string): Count[] => counts.filter(({ quota }) => repository.startsWith(quota.prefix));
  const refresh = async (count: Count): Promise<void> => {
    if (Date.now() - count.at < COUNT_AGAIN_MS) return;
    count.counting ??= countUsed(storage, count.quota.prefix)
      .then((used) => void Object.assign(count, { used, at: Date.now() }))
      .finally(() => (count.counting = undefined));
    await count.counting;
  };
  const check = ({ quota, used }: Count, bytes: number): void => {
    if (used + bytes > quota.bytes) {
      throw fail("exhausted", `store ${bytes} bytes: repositories "${quota.prefix}*" have ${used} of their ${quota.bytes} bytes`, { facts: { code: "DENIED", quota: quota.prefix } });
    }
  };
  return {
    async admit(repository, bytes) {
      for (const count of of(repository)) {
        await refresh(count);
        check(count, bytes);
      }
    },
    async open(repository, size) {
      const mine = of(repository);
      await Promise.all(mine.map(refresh));
      let total = size;
      return (bytes) => {
        total += bytes;
        for (const count of mine) check(count, total);
      };
    },
    added(repository, bytes) {
      for (const count of of(repository)) count.used += bytes;
    },
  };
}

async function countUsed(storage: Storage, prefix: string): Promise<number> {
  const seen = new Set<Digest>();
  let used = 0;
  for await (const key of storage.list(catalogPrefix)) {
    const repository = repositoryOf(key);
    if (!repository.startsWith(prefix)) continue;
    for (const links of [linksPrefix(repository), manifestsPrefix(repository)]) {
      for await (const link of storage.list(links)) {
        const digest = digestOf(link);
        if (digest === undefined || seen.has(digest)) continue;
        seen.add(digest);
        used += (await storage.stat(blobKey(digest)))?.size ?? 0;
      }
    }
  }
  return used;
}
