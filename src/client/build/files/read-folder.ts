/**
 * All that is in a folder with one call: names and numbers (native/list/list.c, which says how they stand in memory). A file
 * at a time, Node takes ten times as long as the kernel.
 */
import { join } from "node:path";

export type FolderList = {
  /** In the order of their bytes. */
  names(): readonly string[];
  /** Those that are folders. */
  readonly folders: readonly string[];
  stat(place: number): EntryStat;
  /** Of all of it, but for times of reading and what differs without a change. */
  readonly hash: Uint32Array;
};

/** As lstat(2) says; times in milliseconds. */
export type EntryStat = { readonly mode: number; readonly size: number; readonly mtimeMs: number; readonly ctimeMs: number; readonly nlink: number; readonly dev: number; readonly ino: number; readonly rdev: number };

/** Undefined for what cannot be read: whoever asks Node for it is told why. */
export type ReadFolder = (path: string) => FolderList | undefined;

/** Of what was no UTF-8. */
export const isBroken = (name: string): boolean => name.includes("\ufffd");

const HEAD = 16;
const FIELDS = 8;

/** Undefined where the library is not: `make -C native` was not run here. */
export function loadReader(): ReadFolder | undefined {
  const library: { exports: unknown } = { exports: {} };
  try {
    process.dlopen(library, join(import.meta.dirname, "../../../../build/list.node"));
  } catch {
    return undefined;
  }
  const list = library.exports as (path: string, into: Uint8Array) => number;
  let scratch = new Uint8Array(2 ** 18);
  return (path) => {
    let length = list(path, scratch);
    while (length > scratch.length) {
      scratch = new Uint8Array(length * 2);
      length = list(path, scratch);
    }
    return length < 0 ? undefined : view(scratch.slice(0, length));
  };
}

function view(bytes: Uint8Array): FolderList {
  const [count = 0, folderCount = 0] = new Uint32Array(bytes.buffer, 0, 2);
  const numbers = new Float64Array(bytes.buffer, HEAD, count * FIELDS);
  const text = Buffer.from(bytes.buffer, HEAD + numbers.byteLength);
  let split: readonly string[] | undefined;
  const names = () => (split ??= text.toString().split("\0").slice(0, count));
  return {
    names,
    folders: folderCount === 0 ? [] : lastNames(text, folderCount),
    hash: new Uint32Array(bytes.buffer, 8, 2),
    stat(place) {
      const [mode = 0, size = 0, mtimeMs = 0, ctimeMs = 0, nlink = 0, dev = 0, ino = 0, rdev = 0] = numbers.subarray(place * FIELDS, (place + 1) * FIELDS);
      return { mode, size, mtimeMs, ctimeMs, nlink, dev, ino, rdev };
    },
  };
}

/** Without a look at the others. */
function lastNames(text: Buffer, count: number): readonly string[] {
  let start = text.length - 1;
  for (let left = count; left > 0; left--) start = start === 0 ? -1 : text.lastIndexOf(0, start - 1);
  return text.toString("utf8", start + 1, text.length - 1).split("\0");
}
