/**
 * Chunks of files that are being sent. Many clients pull the same blob at about the same time: what one reads the others
 * send too, and a buffer is used again, because fresh memory costs as much as the bytes that are read into it.
 *
 *     const chunk = await chunks.hold(file, 3);      // now or soon
 *     … chunk.bytes …
 *     chunks.release(chunk);
 */
import { read } from "node:fs";
import { release } from "#base/memory.ts";

export const CHUNK = 512 * 1024;
/** Chunks that are kept while nobody uses them, for so long. */
const KEPT = 48;
const IDLE_MS = 3000;

/** `id` is the file and its version: what is read of it does not change. */
export type ChunkFile = { readonly descriptor: number; readonly id: string; readonly size: number };

export type Chunk = { readonly key: string; readonly bytes: Buffer };

type Entry = Chunk & { bytes: Buffer; users: number; readonly buffer: Buffer; readonly ready: Promise<Entry> };

export type Chunks = { hold(file: ChunkFile, index: number): Promise<Chunk>; release(chunk: Chunk): void };

export function openChunks(): Chunks {
  /** In the order of their last use. */
  const entries = new Map<string, Entry>();
  const free: Buffer[] = [];

  let idle: NodeJS.Timeout | undefined;
  let used = false;

  /** Gives the memory back when nothing was sent for a while. */
  const rest = (): void => {
    if (used) {
      used = false;
      idle?.refresh();
      return;
    }
    idle = undefined;
    for (const entry of entries.values()) if (entry.users === 0) forget(entry);
    for (const buffer of free.splice(0)) release(buffer);
    if (entries.size > 0) idle = setTimeout(rest, IDLE_MS).unref();
  };
  const forget = (entry: Entry): void => {
    if (entries.get(entry.key) === entry) entries.delete(entry.key);
    if (free.length < KEPT) free.push(entry.buffer);
  };
  /** What nobody uses, the oldest first, until few enough are left. */
  const shrink = (): void => {
    for (const entry of entries.values()) {
      if (entries.size <= KEPT) return;
      if (entry.users === 0) forget(entry);
    }
  };
  const load = (file: ChunkFile, index: number, key: string): Entry => {
    const buffer = free.pop() ?? Buffer.allocUnsafeSlow(CHUNK);
    const { promise, resolve, reject } = Promise.withResolvers<Entry>();
    promise.catch(() => {});
    const entry: Entry = { key, bytes: EMPTY, users: 1, buffer, ready: promise };
    const length = Math.min(CHUNK, file.size - index * CHUNK);
    read(file.descriptor, buffer, 0, length, index * CHUNK, (error, count) => {
      if (error === null && count === length) {
        entry.bytes = buffer.subarray(0, length);
        return resolve(entry);
      }
      entries.delete(key);
      reject(error ?? new Error("a file became shorter while it was read"));
    });
    return entry;
  };
  return {
    hold(file, index) {
      used = true;
      idle ??= setTimeout(rest, IDLE_MS).unref();
      const key = `${file.id}/${index}`;
      const known = entries.get(key);
      if (known !== undefined) {
        known.users++;
        entries.delete(key);
        entries.set(key, known);
        return known.ready;
      }
      const entry = load(file, index, key);
      entries.set(key, entry);
      return entry.ready;
    },
    release(chunk) {
      const entry = chunk as Entry;
      if (--entry.users === 0) shrink();
    },
  };
}

const EMPTY = Buffer.alloc(0);
