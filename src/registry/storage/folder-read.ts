/** Reads files: small ones whole, others in large chunks; while one is used, the next is read. */
import { close, fstat, open, read, type Stats } from "node:fs";
import { readFile } from "node:fs/promises";
import { CHUNK, openChunks, type Chunk, type ChunkFile } from "./folder-chunks.ts";
import { orUndefined } from "./folder-failure.ts";
import type { StoredObject } from "./storage.ts";

/** A shorter part is read by itself. */
const WORTH_SHARING = CHUNK / 4;

const shared = openChunks();

export function readFileBytes(path: string): Promise<Buffer | undefined> {
  return orUndefined(readFile(path));
}

type Range = { readonly start: number; readonly end?: number };
type Part = { readonly file: ChunkFile; at: number; readonly end: number };

/** By descriptor and callback: the answers of a registry are mostly this. */
export async function streamFile(path: string, range?: Range, { reuse = false }: { readonly reuse?: boolean } = {}): Promise<StoredObject | undefined> {
  const descriptor = await orUndefined(openFile(path));
  if (descriptor === undefined) return undefined;
  try {
    const { size, mtime, mtimeMs, ino, dev } = await statFile(descriptor);
    const part: Part = { file: { descriptor, size, id: `${dev}-${ino}-${mtimeMs}-${size}` }, at: range?.start ?? 0, end: Math.min(range?.end ?? size, size) };
    const step = reuse && part.end - part.at > WORTH_SHARING ? sharedStep(part) : ownStep(part);
    return { size, modified: mtime, stream: steps(descriptor, step) };
  } catch (error) {
    closeFile(descriptor);
    throw error;
  }
}

/** Begins to read what comes next; undefined at the end. `done` gives back what it holds. */
type Step = () => Promise<{ readonly bytes: Buffer; done(): void }> | undefined;

function ownStep(part: Part): Step {
  return () => {
    if (part.at >= part.end) return undefined;
    const { at } = part;
    const length = Math.min(CHUNK, part.end - at);
    part.at += length;
    return readFrom(part.file.descriptor, at, length).then((bytes) => ({ bytes, done: () => {} }));
  };
}

function sharedStep(part: Part): Step {
  return () => {
    if (part.at >= part.end) return undefined;
    const index = Math.floor(part.at / CHUNK);
    const from = part.at - index * CHUNK;
    const to = Math.min(CHUNK, part.end - index * CHUNK);
    part.at += to - from;
    return shared.hold(part.file, index).then((chunk: Chunk) => ({ bytes: chunk.bytes.subarray(from, to), done: () => shared.release(chunk) }));
  };
}

/** Not a generator: one that was never begun would not close its file when it is ended. */
function steps(descriptor: number, step: Step): AsyncIterableIterator<Buffer> {
  let ahead: ReturnType<Step>;
  let held: (() => void) | undefined;
  let ended = false;
  const begin = (): ReturnType<Step> => {
    const next = step();
    // Whoever asks for it hears of the failure.
    next?.catch(() => {});
    return next;
  };
  const end = (): void => {
    if (ended) return;
    ended = true;
    held?.();
    if (ahead === undefined) return closeFile(descriptor);
    // A read that runs still uses the file.
    ahead.then(({ done }) => done(), () => {}).finally(() => closeFile(descriptor));
  };
  return {
    async next() {
      held?.();
      held = undefined;
      const coming = ahead ?? (ended ? undefined : begin());
      ahead = undefined;
      if (coming === undefined) {
        end();
        return { done: true, value: undefined };
      }
      try {
        const { bytes, done } = await coming;
        held = done;
        if (!ended) ahead = begin();
        return { done: false, value: bytes };
      } catch (error) {
        end();
        throw error;
      }
    },
    async return() {
      end();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

const openFile = (path: string): Promise<number> => new Promise((resolve, reject) => open(path, "r", (error, descriptor) => (error ? reject(error) : resolve(descriptor))));

const statFile = (descriptor: number): Promise<Stats> => new Promise((resolve, reject) => fstat(descriptor, (error, found) => (error ? reject(error) : resolve(found))));

function readFrom(descriptor: number, at: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(length);
  return new Promise((resolve, reject) =>
    read(descriptor, buffer, 0, length, at, (error, count) => {
      if (error) reject(error);
      else if (count === length) resolve(buffer);
      else reject(new Error("a file became shorter while it was read"));
    }),
  );
}

const closeFile = (descriptor: number): void => close(descriptor, () => {});
