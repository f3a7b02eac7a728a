import type { Log } from "#base/log.ts";
import type { RegistrySettings } from "../open-registry.ts";
import type { Storage } from "../storage/storage.ts";
import { openBytesCache, type BytesCache } from "./bytes-cache.ts";
import { deleteBlob, getBlob, mountBlob } from "./blobs.ts";
import { openFresh, type Fresh } from "./fresh.ts";
import { catalogKey, linkKey, manifestKey } from "./keys.ts";
import { openLayoutIndex } from "./layout-index.ts";
import { listReferrers, listRepositories, listTags } from "./listings.ts";
import { deleteManifest, deleteTag, getManifest, putManifest } from "./manifests.ts";
import { compilePattern, compilePatterns, type Matcher } from "./patterns.ts";
import { openPulled } from "./pulled.ts";
import { openQuotas, type Quotas } from "./quota.ts";
import { readDescriptor } from "./records.ts";
import type { ManifestDescriptor, Store } from "./store.ts";
import { openUploads } from "./uploads.ts";

/** What the parts of a store share. */
export type Parts = {
  readonly storage: Storage;
  /** Descriptors: of tags and of manifests. */
  readonly records: Fresh<ManifestDescriptor>;
  readonly links: Fresh<true>;
  readonly small: BytesCache;
  readonly quota: Quotas;
  readonly settings: { readonly createOnly: Matcher; readonly sparseIndexes: boolean };
  /** The repository is one that collections and the catalog look at, from now on, durably. */
  announce(repository: string): Promise<void>;
  /** A tag has another target, or is gone. */
  changed(): void;
};

export type StoreOptions = { readonly storage: Storage; readonly settings: RegistrySettings; readonly log: Log };

/** Manifests, configurations and small layers: what is asked for most. */
const CACHE_BYTES = 16 * 2 ** 20;
const CACHE_LONGEST = 128 * 1024;

/** `changed`: tags were taken away without it. */
export function openStore({ storage, settings, log }: StoreOptions): Store & { changed(): void } {
  const records = openFresh(storage, readDescriptor);
  const layout = settings.layoutIndex ? openLayoutIndex({ storage, records, log }) : undefined;
  const parts: Parts = {
    storage,
    records,
    links: openFresh(storage, () => true as const),
    small: openBytesCache(CACHE_BYTES, CACHE_LONGEST),
    quota: openQuotas(storage, settings.quotas),
    settings: { createOnly: compilePatterns(settings.createOnly), sparseIndexes: settings.sparseIndexes },
    announce: announcer(storage),
    changed: () => layout?.changed(),
  };
  const keep = openKeeper(storage, settings.collect.graceMs);
  const pulled = openPulled(storage, wantsPulls(settings));
  return {
    async manifest(repository, ref, { claim = false } = {}) {
      const found = await getManifest(parts, repository, ref);
      if (claim && found !== undefined) await keep(manifestKey(repository, found.digest));
      if (found !== undefined && ref.tag !== undefined) pulled.note(repository, ref.tag);
      return found;
    },
    putManifest: (repository, manifest) => putManifest(parts, repository, manifest),
    deleteManifest: (repository, digest) => deleteManifest(parts, repository, digest),
    deleteTag: (repository, tag) => deleteTag(parts, repository, tag),
    async blob(repository, digest, { claim = false } = {}) {
      if (claim) await keep(linkKey(repository, digest));
      return await getBlob(parts, repository, digest);
    },
    deleteBlob: (repository, digest) => deleteBlob(parts, repository, digest),
    mountBlob: (repository, digest, from) => mountBlob(parts, repository, digest, from),
    tags: (repository, page) => listTags(parts, repository, page),
    repositories: (page) => listRepositories(parts, page),
    referrers: (repository, subject, page) => listReferrers(parts, repository, subject, page),
    uploads: openUploads(parts),
    changed: parts.changed,
    async [Symbol.asyncDispose]() {
      await layout?.[Symbol.asyncDispose]();
    },
  };
}

/** Markers are never taken away, so what was once there stays. */
function announcer(storage: Storage): Parts["announce"] {
  const known = new Set<string>();
  return async (repository) => {
    if (known.has(repository)) return;
    await storage.put(catalogKey(repository), Buffer.alloc(0), { ifAbsent: true });
    if (known.size > 100_000) known.clear();
    known.add(repository);
  };
}

/** Makes young what somebody may rely on; once is enough for a while. */
function openKeeper(storage: Storage, graceMs: number): (key: string) => Promise<void> {
  const kept = new Map<string, number>();
  return async (key) => {
    const now = Date.now();
    if (now - (kept.get(key) ?? -Infinity) < graceMs / 4) return;
    if (!(await storage.renew(key))) return;
    if (kept.size >= 50_000) kept.clear();
    kept.set(key, now);
  };
}

function wantsPulls({ collect }: RegistrySettings): (repository: string, tag: string) => boolean {
  const rules = collect.retention.filter(({ keepPulledMs }) => keepPulledMs !== undefined).map(({ repositories, tags }) => [compilePattern(repositories), compilePattern(tags)] as const);
  return (repository, tag) => rules.some(([repositories, tags]) => repositories(repository) && tags(tag));
}
