/**
 * The build cache: what steps resulted in, by the keys of the steps (solve/keys.ts).
 *
 *     const cache = openCache({ core });
 *     const found = cache.find(key);                       // { record, gone }
 *     await cache.put({ key, tree, … });                   // durable when resolved
 *     await cache.prune({ all: true, filters: new Map() });
 *
 * A record keeps a result: its snapshot and blobs are roots of collection as long as it is there. What a step resulted
 * in is remembered longer than the result itself (a fact: the step's key → the result's identity): so that a step whose
 * result went need not be made again for those after it to be found.
 */
import type { Lease, Node } from "#core/leases/leases.ts";
import type { Digest } from "#spec/digest.ts";
import type { LayerTree } from "../tree.ts";

export { openCache } from "./open-cache.ts";

export type Cache = {
  /** What is known of a key; the record's result is held by the lease. */
  find(key: Digest, lease: Lease): Found | undefined;
  put(result: NewRecord): Promise<CacheRecord>;
  /** Small things that follow from others for ever: the digest of a selection, the identity of a commit's files. */
  fact(key: Digest): string | undefined;
  /** Durable some time later. */
  learn(key: Digest, value: string): void;
  /** The newest records of steps with this description, or at this place: to say what is different about a step now. */
  previous(step: { readonly description: string; readonly place: string }): CacheRecord[];
  /** There was a record of this key, which was pruned. */
  wasRemoved(key: Digest): boolean;
  /** The record is one that something under way needs: `inUse`, and not pruned, until disposed. */
  use(id: string): Disposable;
  usage(filters?: CacheFilters): Promise<CacheUsage[]>;
  /** One wish after another. */
  prune(...wishes: readonly PruneOptions[]): Promise<Pruned>;
  /** Writes what waits to be written (last uses, facts). */
  flush(): Promise<void>;
};

/** `gone`: it is known what the step resulted in, but that is not here any more. */
export type Found = { readonly record: CacheRecord; readonly gone: boolean };

export type CacheKind = "regular" | "internal" | "frontend" | "source.local" | "source.git.checkout" | "exec.cachemount";

export type NewRecord = {
  readonly key: Digest;
  readonly tree: LayerTree;
  /** What the key is made of, by names: for saying what changed. */
  readonly parts: Readonly<Record<string, string>>;
  /** Of parts that are a selection of a context's files: which files those were, by the tree's digest. */
  readonly trees: Readonly<Record<string, string>>;
  /** By which `previous` finds it: the instruction, and where it stood. */
  readonly description: string;
  readonly place: string;
  /** As BuildKit describes its records. */
  readonly title: string;
  /** Unix nanoseconds: when the step was done. */
  readonly created: bigint;
};

export type CacheRecord = NewRecord & {
  /** 25 characters of a-z0-9. */
  readonly id: string;
  readonly kind: CacheKind;
  /** Bytes of the step's own snapshot and layer. */
  readonly size: number;
  /** Unix nanoseconds. */
  readonly lastUsed: bigint;
  readonly uses: number;
};

/** As `docker buildx du` and /system/df show it. */
export type CacheUsage = {
  readonly id: string;
  readonly kind: CacheKind;
  readonly description: string;
  readonly parents: readonly string[];
  readonly inUse: boolean;
  /** An image or a container has the same layers. */
  readonly shared: boolean;
  readonly mutable: boolean;
  readonly size: number;
  readonly created: bigint;
  /** Undefined: nobody knows. */
  readonly lastUsed: bigint | undefined;
  readonly uses: number;
};

/** until, id, parent, type, description, inuse, mutable, immutable, shared, private: several of a name are alternatives. */
export type CacheFilters = ReadonlyMap<string, readonly string[]>;

export type PruneOptions = {
  /** Says what would go, and removes nothing. */
  readonly dryRun?: boolean;
  /** With `dryRun`: images, and snapshots of containers, that are thought to be gone already. */
  readonly without?: ReadonlySet<Node>;
  /** Also what is shared with an image, and internal things. */
  readonly all: boolean;
  readonly filters?: CacheFilters;
  /** Nanoseconds: what was used less long ago stays. */
  readonly keepDuration?: bigint;
  /** Bytes; 0 or absent: no such bound. */
  readonly reserved?: number;
  readonly maxUsed?: number;
  readonly minFree?: number;
};

/** Caches of other kinds that are listed and pruned with the records: cache mounts, contexts. */
export type OtherCache = {
  readonly kinds: readonly CacheKind[];
  list(): Promise<readonly CacheUsage[]>;
  /** Returns those that went. */
  remove(usages: readonly CacheUsage[]): Promise<readonly CacheUsage[]>;
};

export type Pruned = { readonly removed: readonly CacheUsage[]; readonly bytes: number };
