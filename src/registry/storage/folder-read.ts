/** Reads files: small ones whole, others in large chunks, one read at a time. */
import { close, fstat, open, read, type Stats } from "node:fs";
import { readFile } from "node:fs/promises";
import { orUndefined } from "./folder-failure.ts";
import type { StoredObject } from "./storage.ts";

/** A few of them in flight for each of many connections must fit into memory. */
const CHUNK = 256 * 1024;

export function readFileBytes(path: string): Promise<Buffer | undefined> {
  return orUndefined(readFile(path));
}

/** By descriptor and callback: an answer of a registry is mostly this. */
export async function streamFile(path: string, range?: { readonly start: number; readonly end?: number }): Promise<StoredObject | undefined> {
  const descriptor = await orUndefined(openFile(path));
  if (descriptor === undefined) return undefined;
  try {
    const { size, mtime } = await statFile(descriptor);
    return { size, modified: mtime, stream: chunks(descriptor, range?.start ?? 0, Math.min(range?.end ?? size, size)) };
  } catch (error) {
    closeFile(descriptor);
    throw error;
  }
}

/** Not a generator: one that was never begun would not close its file when it is ended. */
export function chunks(descriptor: number, start: number, end: number): AsyncIterableIterator<Buffer> {
  let at = start;
  let open = true;
  const shut = () => {
    if (open) closeFile(descriptor);
    open = false;
  };
  return {
    async next() {
      if (!open || at >= end) {
        shut();
        return { done: true, value: undefined };
      }
      try {
        const bytes = await readFrom(descriptor, at, Math.min(CHUNK, end - at));
        at += bytes.length;
        if (bytes.length === 0) throw new Error("a file became shorter while it was read");
        return { done: false, value: bytes };
      } catch (error) {
        shut();
        throw error;
      }
    },
    async return() {
      shut();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

const openFile = (path: string): Promise<number> => new Promise((resolve, reject) => open(path, "r", (error, descriptor) => (error ? reject(error) : resolve(descriptor))));

const statFile = (descriptor: number): Promise<Stats> => new Promise((resolve, reject) => fstat(descriptor, (error, found) => (error ? reject(error) : resolve(found))));

function readFrom(descriptor: number, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(length);
  return new Promise((resolve, reject) => read(descriptor, bytes, 0, length, position, (error, count) => (error ? reject(error) : resolve(count === length ? bytes : bytes.subarray(0, count)))));
}

const closeFile = (descriptor: number): void => close(descriptor, () => {});
