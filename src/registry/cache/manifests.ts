/**
 * Manifests of copies. By digest they never change. A tag is asked of the upstream again when what we know is older than its
 * time to live: by HEAD, and the document only if it is another one.
 */
import { kindOf, messageOf } from "#base/errors.ts";
import type { Log } from "#base/log.ts";
import type { ManifestRef, Store, StoredManifest } from "../store/store.ts";
import { openFlights } from "./flights.ts";
import type { Copy } from "./upstreams.ts";

export type CopiedManifests = { get(copy: Copy, repository: string, ref: ManifestRef): Promise<StoredManifest | undefined> };

const TTL_MS = 60_000;
/** How long an upstream may think while we have something to show, and how long it is left alone when it did not answer. */
const PATIENCE_MS = 5_000;
const AWAY_MS = 10_000;
const LIMIT_MS = 60_000;
const MOST_KNOWN = 50_000;

export function openManifests(inner: Store, { ended, log }: { ended: AbortSignal; log: Log }): CopiedManifests {
  /** When the upstream last said what the tag leads to; of upstreams, until when they are not asked. */
  const asked = new Map<string, number>();
  const away = new Map<string, number>();
  const flights = openFlights<StoredManifest | undefined>();

  const note = (key: string) => {
    asked.delete(key);
    asked.set(key, performance.now());
    if (asked.size > MOST_KNOWN) asked.delete(asked.keys().next().value as string);
  };

  const fetch = async ({ remote }: Copy, repository: string, digest: string, tag: string | undefined, signal: AbortSignal) => {
    const { descriptor, bytes } = await remote.manifest(digest, signal);
    await inner.putManifest(repository, { bytes, mediaType: descriptor.mediaType, digest: descriptor.digest, tag, partial: true });
    return { mediaType: descriptor.mediaType, digest: descriptor.digest, bytes };
  };

  /** The tag as the upstream has it now. What we have of it is not written again. */
  const renew = async (copy: Copy, repository: string, tag: string, have: StoredManifest | undefined, signal: AbortSignal) => {
    const { descriptor } = await copy.remote.resolve(tag, signal);
    if (descriptor.digest === have?.digest) return have;
    const known = await inner.manifest(repository, { digest: descriptor.digest });
    if (known === undefined) return await fetch(copy, repository, descriptor.digest, tag, signal);
    await inner.putManifest(repository, { bytes: known.bytes, mediaType: known.mediaType, tag, partial: true });
    return known;
  };

  const getTag = async (copy: Copy, repository: string, tag: string): Promise<StoredManifest | undefined> => {
    const { registry, ttlMs = TTL_MS } = copy.upstream;
    const key = `${repository}:${tag}`;
    const have = await inner.manifest(repository, { tag });
    const isFresh = performance.now() - (asked.get(key) ?? -Infinity) < ttlMs;
    if (have !== undefined && (isFresh || performance.now() < (away.get(registry) ?? 0))) return have;
    return await flights(key, async () => {
      try {
        const renewed = await renew(copy, repository, tag, have, AbortSignal.any([ended, AbortSignal.timeout(have === undefined ? LIMIT_MS : PATIENCE_MS)]));
        note(key);
        return renewed;
      } catch (error) {
        if (isRefusal(error)) return undefined;
        if (have === undefined) throw error;
        away.set(registry, performance.now() + AWAY_MS);
        log.warn("upstream does not answer; what is here is served", { repository, tag, registry, error: messageOf(error) });
        return have;
      }
    });
  };

  return {
    async get(copy, repository, ref) {
      if (ref.tag !== undefined) return await getTag(copy, repository, ref.tag);
      const have = await inner.manifest(repository, ref);
      if (have !== undefined) return have;
      return await flights(`${repository}@${ref.digest}`, async () => {
        try {
          return await fetch(copy, repository, ref.digest, undefined, AbortSignal.any([ended, AbortSignal.timeout(LIMIT_MS)]));
        } catch (error) {
          if (isRefusal(error)) return undefined;
          throw error;
        }
      });
    },
  };
}

/** It has answered, and the answer is no. Many registries say "forbidden" of what they do not have. */
export const isRefusal = (error: unknown): boolean => ["not-found", "forbidden", "unauthorized"].includes(kindOf(error));
