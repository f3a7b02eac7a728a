/** A folder of this machine, as a source of files. */
import { closeSync, constants, fstatSync, openSync, readSync, realpathSync, statSync } from "node:fs";
import { fail } from "#base/errors.ts";
import { followLinks } from "./follow.ts";
import { loadReader, type Reading } from "./read-folder.ts";
import { compileSelection, EVERYTHING } from "./select.ts";
import type { Source } from "./sync.ts";
import { walkFolder } from "./walk.ts";

/** As gRPC's receivers expect it: larger than most files, smaller than any limit. */
const CHUNK = 2 ** 18;

let buffer: Buffer | undefined;

/** What was read before it was asked for is given away once: what is asked for again may have changed. */
export type Ahead = {
  take(): Reading | undefined;
  /** What its state is called, if that is known within so many milliseconds. */
  state(ms: number): string | undefined;
};

export function readAhead(path: string): Ahead {
  let begun = loadReader()?.(realpathSync.native(path));
  return {
    state: (ms) => begun?.state(ms),
    take() {
      const reading = begun;
      begun = undefined;
      return reading;
    },
  };
}

export function openFolder(path: string, ahead?: Ahead): Source {
  const root = realpathSync.native(path);
  if (!statSync(root).isDirectory()) throw fail("invalid", `${path}: not a directory`);
  return {
    async walk({ include, exclude, follow }, signal) {
      const followed = followLinks(root, follow);
      // "." among them: everything is asked for.
      const everything = follow.length > 0 && followed.length === 0;
      const selection = compileSelection({ include: everything ? [] : [...include, ...followed], exclude });
      return walkFolder(root, { selection, signal, reading: selection === EVERYTHING ? ahead?.take() : undefined });
    },
    read: (file) => readFile(`${root}/${file}`),
  };
}

/**
 * The bytes of a file as they are now, which may be more or fewer than were told; the next build is told other times. What
 * has become a link, a pipe or nothing at all is empty: nothing is read that was not a file, and nothing waited for.
 */
function* readFile(path: string): Generator<Buffer> {
  const fd = open(path);
  if (fd === undefined) return;
  try {
    if (!fstatSync(fd).isFile()) return;
    buffer ??= Buffer.allocUnsafeSlow(CHUNK);
    for (let read = readSync(fd, buffer); read > 0; read = readSync(fd, buffer)) yield buffer.subarray(0, read);
  } finally {
    closeSync(fd);
  }
}

const GONE = new Set(["ENOENT", "ENOTDIR", "ELOOP", "ENXIO"]);

function open(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (GONE.has((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}
