/** When tags were pulled, within an hour: written only where a rule of retention asks for it. */
import type { Storage } from "../storage/storage.ts";
import { pulledKey } from "./keys.ts";

export type Pulled = { note(repository: string, tag: string): void };

const GRAIN_MS = 3600_000;
const REMEMBERED = 50_000;

export function openPulled(storage: Storage, wanted: (repository: string, tag: string) => boolean): Pulled {
  const noted = new Map<string, number>();
  return {
    note(repository, tag) {
      if (!wanted(repository, tag)) return;
      const key = pulledKey(repository, tag);
      const now = Date.now();
      if (now - (noted.get(key) ?? 0) < GRAIN_MS) return;
      if (noted.size >= REMEMBERED) noted.clear();
      noted.set(key, now);
      // A pull does not wait for it, and does not fail by it.
      storage.put(key, Buffer.alloc(0)).catch(() => noted.delete(key));
    },
  };
}
