/** `logs --follow`: what is written from now on, over rotations, until the container has ended and all of it is read. */
import { watch } from "node:fs";
import { dirname } from "node:path";
import { nowNanos } from "#base/clock.ts";
import { closeFiles, inodeOf, openFiles, type LogFile } from "./files.ts";
import type { ReadOptions } from "./logs.ts";
import { readFrames } from "./read.ts";

/** The longest that a change which nobody told of goes unseen. */
const POLL_MS = 1000;
const BLIND_POLL_MS = 100;

/** Goes on behind the last of `files`; files opened here are put into `files`, which the caller closes. */
export async function* followLog(
  path: string,
  ended: Promise<unknown>,
  files: LogFile[],
  options: ReadOptions,
): AsyncGenerator<Buffer, void> {
  const bell = openBell(path, options);
  let over = false;
  const end = () => {
    over = true;
    bell.ring();
  };
  ended.then(end, end);
  try {
    for (;;) {
      // Seen before the last look, so that nothing written before the end is missed.
      const last = over;
      if (yield* readNew(path, files, options)) return;
      if (last || options.signal.aborted || isLate(options)) return;
      await bell.wait();
    }
  } finally {
    bell.close();
  }
}

async function* readNew(path: string, files: LogFile[], options: ReadOptions): AsyncGenerator<Buffer, boolean> {
  for (;;) {
    const current = files.at(-1);
    if (current !== undefined && (yield* readFrames(current, options))) return true;
    const next = await nextFiles(path, current);
    if (next.length === 0) return false;
    // Once there is a successor nothing is written to this one any more: read what came since the last look.
    if (current !== undefined && (yield* readFrames(current, options))) return true;
    await closeFiles(files.splice(0, files.length, ...next.slice(0, 1)));
    await closeFiles(next.slice(1));
  }
}

/** The files that came after `current`, oldest first: none while the log was not rotated. */
async function nextFiles(path: string, current: LogFile | undefined): Promise<LogFile[]> {
  const newest = await inodeOf(path);
  if (newest === undefined || newest === current?.inode) return [];
  const all = await openFiles(path);
  const known = all.findIndex(({ inode }) => inode === current?.inode);
  await closeFiles(all.slice(0, known + 1));
  return all.slice(known + 1);
}

const isLate = ({ until }: ReadOptions) => until !== undefined && nowNanos() > until;

type Bell = { ring(): void; wait(): Promise<void>; close(): void };

/** Rings when something happens in the folder, when the reader gives up, at `until`, and now and then. */
function openBell(path: string, { signal, until }: ReadOptions): Bell {
  let rung = false;
  let wake: (() => void) | undefined;
  const ring = () => {
    rung = true;
    wake?.();
  };
  const watcher = tryWatch(dirname(path), ring);
  const timer = setInterval(ring, watcher === undefined ? BLIND_POLL_MS : POLL_MS);
  const late = until === undefined ? undefined : setTimeout(ring, millisUntil(until));
  signal.addEventListener("abort", ring);
  return {
    ring,
    async wait() {
      if (!rung) await new Promise<void>((resolve) => (wake = resolve));
      rung = false;
    },
    close() {
      watcher?.close();
      clearInterval(timer);
      clearTimeout(late);
      signal.removeEventListener("abort", ring);
    },
  };
}

const millisUntil = (until: bigint) => Math.min(Math.max(Number((until - nowNanos()) / 1_000_000n) + 2, 0), 0x7fffffff);

/** inotify can be used up (max_user_watches): then the timer alone has to do. */
function tryWatch(folder: string, onChange: () => void) {
  try {
    const watcher = watch(folder, { persistent: false }, onChange);
    watcher.on("error", () => watcher.close());
    return watcher;
  } catch {
    return undefined;
  }
}
