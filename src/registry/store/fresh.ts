/**
 * Small objects that are asked for all the time: kept in memory, and served only when the storage still has that version.
 * Asking is shared by all requests of one turn of the event loop: they had all arrived before the storage was asked.
 *
 *     const descriptor = await records.get("repositories/a/_tags/latest");
 *     records.forget(key);      // after a change by this process
 */
import type { Storage } from "../storage/storage.ts";

export type Fresh<T> = {
  get(key: string): Promise<T | undefined>;
  forget(key: string): void;
};

type Entry<T> = { value: T; version: string; checked: number };

/** `parse`: of the bytes; what it throws is thrown to whoever asked. */
export function openFresh<T>(storage: Storage, parse: (bytes: Buffer, key: string) => T, limit = 20_000): Fresh<T> {
  const entries = new Map<string, Entry<T>>();
  /** What is being asked: `open` while more may join. */
  const asked = new Map<string, Promise<T | undefined>>();
  let changes = 0;

  const ask = async (key: string): Promise<T | undefined> => {
    const began = changes;
    const found = await storage.stat(key);
    const known = entries.get(key);
    if (found === undefined) {
      entries.delete(key);
      return undefined;
    }
    if (known !== undefined && known.version === found.version) {
      known.checked = Date.now();
      return known.value;
    }
    const bytes = found.size === 0 ? EMPTY : await storage.read(key);
    if (bytes === undefined) return undefined;
    const value = parse(bytes, key);
    // Read after the stat: what was put between them has another version, and is read again the next time.
    if (began === changes) remember(entries, key, { value, version: found.version, checked: Date.now() }, limit);
    return value;
  };

  return {
    get(key) {
      if (storage.trustMs > 0) {
        const known = entries.get(key);
        if (known !== undefined && Date.now() - known.checked < storage.trustMs) return Promise.resolve(known.value);
      }
      const shared = asked.get(key);
      if (shared !== undefined) return shared;
      const answer = ask(key);
      if (asked.size === 0) setImmediate(() => asked.clear());
      asked.set(key, answer);
      return answer;
    },
    forget(key) {
      changes++;
      entries.delete(key);
      asked.delete(key);
    },
  };
}

const EMPTY = Buffer.alloc(0);

function remember<T>(entries: Map<string, Entry<T>>, key: string, entry: Entry<T>, limit: number): void {
  entries.delete(key);
  if (entries.size >= limit) entries.delete(entries.keys().next().value as string);
  entries.set(key, entry);
}
