/** Reads files: small ones whole, others in large chunks; while one is used, the next is read. */
import { close, fstat, open, read, type Stats } from "node:fs";
import { readFile } from "node:fs/promises";
import { orUndefined } from "./folder-failure.ts";
import type { StoredObject } from "./storage.ts";

const CHUNK = 512 * 1024;
/** Buffers for later: fresh memory costs as much as the bytes that are read into it. */
const KEPT = 64;
const free: Buffer[] = [];

export function readFileBytes(path: string): Promise<Buffer | undefined> {
  return orUndefined(readFile(path));
}

type Range = { readonly start: number; readonly end?: number };

/** By descriptor and callback: the answers of a registry are mostly this. */
export async function streamFile(path: string, range?: Range, { reuse = false }: { readonly reuse?: boolean } = {}): Promise<StoredObject | undefined> {
  const descriptor = await orUndefined(openFile(path));
  if (descriptor === undefined) return undefined;
  try {
    const { size, mtime } = await statFile(descriptor);
    const part = { descriptor, at: range?.start ?? 0, end: Math.min(range?.end ?? size, size) };
    return { size, modified: mtime, stream: openChunks(part, reuse) };
  } catch (error) {
    closeFile(descriptor);
    throw error;
  }
}

type Part = { readonly descriptor: number; at: number; readonly end: number };

/** Not a generator: one that was never begun would not close its file when it is ended. */
function openChunks(part: Part, reuse: boolean): AsyncIterableIterator<Buffer> {
  let ahead: Promise<Buffer> | undefined;
  let held: Buffer | undefined;
  let shut = false;
  const giveBack = (buffer: Buffer | undefined) => {
    if (reuse && buffer !== undefined && free.length < KEPT) free.push(buffer);
  };
  const readNext = (): Promise<Buffer> | undefined => {
    if (part.at >= part.end) return undefined;
    const length = Math.min(CHUNK, part.end - part.at);
    const at = part.at;
    part.at += length;
    const next = readFrom(part.descriptor, reuse ? (free.pop() ?? Buffer.allocUnsafeSlow(CHUNK)) : Buffer.allocUnsafeSlow(length), { at, length });
    // Whoever asks for it hears of the failure.
    next.catch(() => {});
    return next;
  };
  const end = () => {
    if (shut) return;
    shut = true;
    giveBack(held);
    const last = ahead;
    if (last === undefined) return closeFile(part.descriptor);
    // A read that runs still uses the file and its buffer.
    last.then((buffer) => giveBack(whole(buffer)), () => {}).finally(() => closeFile(part.descriptor));
  };
  return {
    async next() {
      giveBack(held);
      held = undefined;
      const coming = ahead ?? (shut ? undefined : readNext());
      ahead = undefined;
      if (coming === undefined) {
        end();
        return { done: true, value: undefined };
      }
      try {
        const value = await coming;
        held = whole(value);
        ahead = shut ? undefined : readNext();
        return { done: false, value };
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

/** The buffer that a chunk is the beginning of. */
const whole = (chunk: Buffer): Buffer => (chunk.length === chunk.buffer.byteLength ? chunk : Buffer.from(chunk.buffer));

const openFile = (path: string): Promise<number> => new Promise((resolve, reject) => open(path, "r", (error, descriptor) => (error ? reject(error) : resolve(descriptor))));

const statFile = (descriptor: number): Promise<Stats> => new Promise((resolve, reject) => fstat(descriptor, (error, found) => (error ? reject(error) : resolve(found))));

function readFrom(descriptor: number, buffer: Buffer, { at, length }: { readonly at: number; readonly length: number }): Promise<Buffer> {
  return new Promise((resolve, reject) =>
    read(descriptor, buffer, 0, length, at, (error, count) => {
      if (error) reject(error);
      else if (count === length) resolve(buffer.subarray(0, length));
      else reject(new Error("a file became shorter while it was read"));
    }),
  );
}

const closeFile = (descriptor: number): void => close(descriptor, () => {});
