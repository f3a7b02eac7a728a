/**
 * RUN --mount=type=cache: volumes of the driver local, which any container can mount, and whoever asks for their label sees. Who uses
 * which is in memory: after a crash nobody does.
 *
 * As BuildKit shares them: `shared` joins those who share; `private` takes one that nobody has, or another one; `locked`
 * waits until nobody has any.
 */
import { fail } from "#base/errors.ts";
import { createHash } from "node:crypto";
import type { Program } from "#linux/ops.ts";
import type { Context } from "../../containers/context.ts";
import type { VolumeRecord } from "../../engine.ts";
import { CACHE_LABEL } from "../../volumes/list.ts";
import type { CacheMount, CacheMounts } from "./run.ts";

const SHARING_LABEL = "com.gantry.build.cache.sharing";

type Sharing = CacheMount["sharing"];

export type CacheWish = {
  /** As the Dockerfile says it, and of what its first content was made ("" : of nothing). */
  readonly id: string;
  readonly seed: string;
  readonly sharing: Sharing;
  /** Who uses it: the step's id. */
  readonly user: string;
  readonly signal: AbortSignal;
  /** Called when somebody else has it, and when that is over. */
  readonly waits: (isOver: boolean) => void;
};

export type Caches = CacheMounts & {
  /** A volume until it is disposed. */
  take(wish: CacheWish): Promise<Disposable & { readonly record: VolumeRecord }>;
};

/** Those who use volumes of one id. */
type Group = { readonly users: Map<string, { sharing: Sharing; readonly steps: Set<string> }>; readonly waiting: Set<() => void> };

export function openCaches(ctx: Context): Caches {
  const groups = new Map<string, Group>();
  const groupOf = (base: string) => {
    const group = groups.get(base) ?? { users: new Map(), waiting: new Set() };
    groups.set(base, group);
    return group;
  };
  const inUse = (name: string) => [...groups.values()].some(({ users }) => users.has(name));
  return {
    async take({ id, seed, sharing, user, signal, waits }) {
      const base = volumeName(id, seed);
      const group = groupOf(base);
      const name = await choose(group, { base, sharing, user, signal, waits });
      const claim = `${user} ${name}`;
      const leave = () => {
        ctx.claimedVolumes.delete(claim);
        free(group, name, user);
        if (group.users.size === 0 && group.waiting.size === 0) groups.delete(base);
      };
      ctx.claimedVolumes.set(claim, name);
      try {
        const { record } = await ctx.volumes.ensure({ name, driver: "local", anonymous: false, labels: { [CACHE_LABEL]: id, [SHARING_LABEL]: sharing } });
        return { record, [Symbol.dispose]: leave };
      } catch (error) {
        leave();
        throw error;
      }
    },
    list: () => ctx.volumes.list(new Map([["label", [CACHE_LABEL]]])).map((record) => cacheOf(record, inUse(record.name))),
    usage: async (volume) => (await ctx.volumes.usage(volume)).bytes,
    async remove(volume) {
      if (inUse(volume)) throw fail("conflict", `remove cache ${volume}: a build uses it`);
      await ctx.volumes.remove(volume, { force: false });
    },
  };
}

function cacheOf({ name, labels, created }: VolumeRecord, inUse: boolean): CacheMount {
  return { volume: name, id: labels[CACHE_LABEL] ?? "", sharing: (labels[SHARING_LABEL] as Sharing | undefined) ?? "shared", inUse, created };
}

/** The volume to use; its user is noted when this resolves. */
async function choose(group: Group, { base, sharing, user, signal, waits }: Omit<CacheWish, "id" | "seed"> & { readonly base: string }): Promise<string> {
  if (sharing === "locked" && group.users.size > 0) {
    waits(false);
    while (group.users.size > 0) await nextLeft(group, signal);
    waits(true);
  }
  signal.throwIfAborted();
  const name = sharing === "shared" ? (sharedOf(group) ?? unused(group, base)) : unused(group, base);
  const users = group.users.get(name) ?? { sharing, steps: new Set() };
  users.steps.add(user);
  group.users.set(name, users);
  return name;
}

const sharedOf = (group: Group): string | undefined => [...group.users].find(([, { sharing }]) => sharing === "shared")?.[0];

/** NAME, NAME-2, NAME-3: the first that nobody has. */
function unused({ users }: Group, base: string): string {
  for (let number = 1; ; number++) {
    const name = number === 1 ? base : `${base}-${number}`;
    if (!users.has(name)) return name;
  }
}

function free(group: Group, name: string, user: string): void {
  const users = group.users.get(name);
  users?.steps.delete(user);
  if (users?.steps.size === 0) group.users.delete(name);
  for (const wake of [...group.waiting]) wake();
}

async function nextLeft({ waiting }: Group, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const abort = () => reject(signal.reason as Error);
  waiting.add(resolve);
  signal.addEventListener("abort", abort, { once: true });
  await promise.finally(() => {
    waiting.delete(resolve);
    signal.removeEventListener("abort", abort);
  });
}

const LONGEST_SLUG = 60;

/** "/root/.npm" → "build-cache-root-.npm-1a2b3c4d": people find it, and ids that look alike have other hashes. */
export function volumeName(id: string, seed: string): string {
  const slug = id.replace(/[^a-zA-Z0-9_.-]+/g, "-").replace(/^[-.]+|[-.]+$/g, "").slice(0, LONGEST_SLUG);
  const hash = createHash("sha256").update(`${id}\0${seed}`).digest("hex").slice(0, 8);
  return ["build-cache", ...(slug === "" ? [] : [slug]), hash].join("-");
}

const EMPTY_ONLY = 4;

/** An empty volume gets this owner and mode: whoever was killed before he could do it. */
export const settleProgram = (folder: string, { uid, gid, mode }: { uid: number; gid: number; mode: number }): Program => [
  { op: "forbid", path: folder, flags: EMPTY_ONLY, note: SETTLED },
  { op: "chown", path: folder, uid, gid },
  { op: "chmod", path: folder, mode },
];
export const SETTLED = "only an empty cache gets an owner";
