/** Bytes by digest, the last used ones, up to a number of bytes. They cannot change; who may have them is asked elsewhere. */
import type { Digest } from "./digest.ts";

export type BytesCache = {
  get(digest: Digest): Buffer | undefined;
  add(digest: Digest, bytes: Buffer): void;
  /** Longer ones are not kept. */
  readonly longest: number;
};

export function openBytesCache(limit: number, longest: number): BytesCache {
  const kept = new Map<Digest, Buffer>();
  let total = 0;
  const drop = (digest: Digest) => {
    total -= kept.get(digest)?.length ?? 0;
    kept.delete(digest);
  };
  return {
    longest,
    get(digest) {
      const bytes = kept.get(digest);
      if (bytes === undefined) return undefined;
      kept.delete(digest);
      kept.set(digest, bytes);
      return bytes;
    },
    add(digest, bytes) {
      if (bytes.length > longest) return;
      drop(digest);
      kept.set(digest, bytes);
      total += bytes.length;
      for (const oldest of kept.keys()) {
        if (total <= limit) break;
        drop(oldest);
      }
    },
  };
}
