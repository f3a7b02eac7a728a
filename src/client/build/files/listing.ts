/**
 * What a walk has found: names, and four numbers of each. Thousands of files are a few large pieces of memory, and no
 * objects: most builds only want to know whether anything is different.
 */
import { MODE } from "#spec/buildkit/session.ts";
import type { Entry } from "./encode.ts";
import { mixWords } from "./token.ts";

export type Listing = {
  readonly paths: readonly string[];
  /** A short name for all of it: whoever remembers it needs not be told again. */
  state(): string;
  entry(place: number): Entry;
};

/** As the kernel says them, the mode as Go does; times in milliseconds, to a quarter of a microsecond. */
export type Found = { readonly mode: number; readonly size: number; readonly mtimeMs: number; readonly ctimeMs: number };

export type ListingWriter = Listing & {
  /** `link`: of a symlink what it says, of a file the path of the one it is a hard link to. */
  add(path: string, found: Found, more?: { readonly link?: string; readonly device?: number }): void;
};

const PER_ENTRY = 4;

export function openListing(): ListingWriter {
  const paths: string[] = [];
  const more = new Map<number, { readonly link?: string; readonly device?: number }>();
  let numbers = new Float64Array(4096);
  return {
    paths,
    add(path, { mode, size, mtimeMs, ctimeMs }, extra) {
      let at = paths.length * PER_ENTRY;
      if (at + PER_ENTRY > numbers.length) {
        const larger = new Float64Array(numbers.length * 2);
        larger.set(numbers);
        numbers = larger;
      }
      numbers[at++] = mode;
      numbers[at++] = size;
      numbers[at++] = mtimeMs;
      numbers[at] = ctimeMs;
      if (extra !== undefined) more.set(paths.length, extra);
      paths.push(path);
    },
    state() {
      const links = [...more].map(([place, { link = "", device = 0 }]) => `${place} ${device} ${link}\0`);
      const names = Buffer.from(`${paths.join("\0")}\0\0${links.join("")}`.padEnd(8));
      const words = new Uint32Array(Math.ceil(names.length / 4));
      new Uint8Array(words.buffer).set(names);
      // The kernel's own time of the last change says all that the others do, but for what a file is.
      const marks = new Float64Array(paths.length * 2);
      for (let place = 0, at = 0; place < paths.length; place++, at += PER_ENTRY) {
        marks[place * 2] = numbers[at + 3]!;
        marks[place * 2 + 1] = numbers[at + 1]! * 2 ** 16 + ((numbers[at]! >>> 16) ^ (numbers[at]! & 0xffff));
      }
      return mixWords([new Uint32Array(marks.buffer), words]);
    },
    entry(place) {
      const at = place * PER_ENTRY;
      const { link, device } = more.get(place) ?? {};
      return {
        path: paths[place]!,
        mode: numbers[at]!,
        size: numbers[at + 1]!,
        mtime: nanoseconds(numbers[at + 2]!),
        changed: nanoseconds(numbers[at + 3]!),
        ...(link === undefined ? {} : { link }),
        ...(device === undefined || (numbers[at]! & MODE.device) === 0 ? {} : { major: (device >>> 8) & 0xfff, minor: (device & 0xff) | ((device >>> 12) & 0xfff00) }),
      };
    },
  };
}

/** Seconds and the rest apart: what is whole milliseconds stays exact. */
function nanoseconds(ms: number): bigint {
  const seconds = Math.floor(ms / 1000);
  return BigInt(seconds) * 1_000_000_000n + BigInt(Math.round((ms - seconds * 1000) * 1e6));
}
