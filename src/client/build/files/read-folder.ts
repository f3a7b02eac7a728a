/**
 * All that is in a folder and the folders below it: names and numbers, read by a thread of a library of ours
 * (native/list/list.c, which says how they stand in memory) while there is something else to do. A file at a time, Node
 * takes ten times as long as the kernel.
 */
import { join } from "node:path";

/** What is in one folder. */
export type FolderList = {
  /** In the order of their bytes. */
  names(): readonly string[];
  stat(place: number): EntryStat;
};

/** As lstat(2) says; times in milliseconds. */
export type EntryStat = { readonly mode: number; readonly size: number; readonly mtimeMs: number; readonly ctimeMs: number; readonly nlink: number; readonly dev: number; readonly ino: number; readonly rdev: number };

export type Whole = {
  /** A short name for all of it, but for times of reading and what differs without a change. */
  readonly state: string;
  /** Of each folder, by its path from the root on: "", "/a/b". Undefined: one of them has a name that is no UTF-8. */
  lists(): ReadonlyMap<string, FolderList> | undefined;
};

export type Reading = {
  /** Waits so many milliseconds at most, and everybody with it; undefined: it takes longer, or cannot be read. */
  state(ms: number): string | undefined;
  /** All of it. Undefined: one of the folders cannot be read; whoever asks Node for it is told why. */
  end(signal: AbortSignal): Promise<Whole | undefined>;
};

/** Begins at once. */
export type BeginReading = (root: string) => Reading | undefined;

/** Of what was no UTF-8. */
export const isBroken = (name: string): boolean => name.includes("\ufffd");

type Library = { begin(path: string): object | undefined; wait(reading: object, ms: number): number; take(reading: object, into: Uint8Array): number };

/** So long, and others have their turn. */
const SLICE_MS = 5;
const HEAD = 16;
const FIELDS = 8;

let library: Library | undefined;

/** Undefined where the library is not: `make -C native` was not run here. */
export function loadReader(): BeginReading | undefined {
  try {
    library ??= load();
  } catch {
    return undefined;
  }
  return begin;
}

function load(): Library {
  const loaded = { exports: {} };
  process.dlopen(loaded, join(import.meta.dirname, "../../../../build/list.node"));
  return loaded.exports as Library;
}

function begin(root: string): Reading | undefined {
  const { begin, wait, take } = library!;
  const reading = begin(root);
  if (reading === undefined) return undefined;
  const stateOf = (): string => {
    const [low = 0, high = 0] = headOf(reading);
    return `${hex(high)}${hex(low)}`;
  };
  return {
    state: (ms) => (wait(reading, ms) > 0 ? stateOf() : undefined),
    async end(signal) {
      let outcome = wait(reading, SLICE_MS);
      for (; outcome === 0; outcome = wait(reading, SLICE_MS)) {
        await new Promise<void>((resolve) => setImmediate(resolve));
        signal.throwIfAborted();
      }
      if (outcome < 0) return undefined;
      return {
        state: stateOf(),
        lists() {
          const bytes = new Uint8Array(take(reading, new Uint8Array(0)));
          take(reading, bytes);
          return listsIn(bytes.buffer);
        },
      };
    },
  };
}

const hex = (word: number): string => word.toString(16).padStart(8, "0");

function headOf(reading: object): Uint32Array {
  const head = new Uint32Array(HEAD / 4);
  library!.take(reading, new Uint8Array(head.buffer));
  return head;
}

function listsIn(bytes: ArrayBuffer): ReadonlyMap<string, FolderList> | undefined {
  const [, , count = 0] = new Uint32Array(bytes, 0, HEAD / 4);
  const lists = new Map<string, FolderList>();
  for (let at = HEAD, left = count; left > 0; left--) {
    const [length = 0, pathLength = 0] = new Uint32Array(bytes, at, 2);
    const path = Buffer.from(bytes, at + 8, pathLength).toString();
    if (isBroken(path)) return undefined;
    at += (8 + pathLength + 7) & ~7;
    lists.set(path, view(bytes, at, length));
    at += length;
  }
  return lists;
}

function view(bytes: ArrayBuffer, at: number, length: number): FolderList {
  const [count = 0] = new Uint32Array(bytes, at, 1);
  const numbers = new Float64Array(bytes, at + 8, count * FIELDS);
  const text = Buffer.from(bytes, at + 8 + numbers.byteLength, length - 8 - numbers.byteLength);
  return {
    names: () => text.toString().split("\0").slice(0, count),
    stat(place) {
      const [mode = 0, size = 0, mtimeMs = 0, ctimeMs = 0, nlink = 0, dev = 0, ino = 0, rdev = 0] = numbers.subarray(place * FIELDS, (place + 1) * FIELDS);
      return { mode, size, mtimeMs, ctimeMs, nlink, dev, ino, rdev };
    },
  };
}
