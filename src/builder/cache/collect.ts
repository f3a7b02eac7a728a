/** Keeps the cache small by itself: some time after a build, by rules. See policy.ts. */
import { statfs } from "node:fs/promises";
import type { Cache, PruneOptions } from "./cache.ts";
import { type CacheRule, pruneOf } from "./policy.ts";

export type CacheCollection = {
  /** A build ended: a round comes within a minute. */
  after(): void;
  /** A round now. Resolves to the bytes of what went. */
  run(): Promise<number>;
  /** What a round does, one after another. */
  rounds(): Promise<readonly PruneOptions[]>;
  close(): void;
};

export type CollectionParts = {
  readonly cache: Pick<Cache, "prune">;
  readonly root: string;
  /** Read at each round: a reload takes effect. */
  readonly rules: () => readonly CacheRule[];
  readonly failed: (error: unknown) => void;
  /** Milliseconds between a build and the round. */
  readonly delay?: number;
};

const MINUTE = 60_000;

export function openCollection({ cache, root, rules, failed, delay = MINUTE }: CollectionParts): CacheCollection {
  let timer: NodeJS.Timeout | undefined;
  const rounds = async (): Promise<PruneOptions[]> => {
    const { bsize, blocks } = await statfs(root);
    return rules().map((rule) => pruneOf(rule, bsize * blocks));
  };
  const run = async (): Promise<number> => {
    const wishes = await rounds();
    return wishes.length === 0 ? 0 : (await cache.prune(...wishes)).bytes;
  };
  const tick = () => {
    timer = undefined;
    void run().catch(failed);
  };
  return { run, rounds, after: () => void (timer ??= setTimeout(tick, delay).unref()), close: () => clearTimeout(timer) };
}
