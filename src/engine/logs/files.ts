/** The files of a log: the current one and those rotated away, `path.1` being the youngest of them. */
import { open, stat, type FileHandle } from "node:fs/promises";

export type LogFile = {
  readonly handle: FileHandle;
  readonly inode: bigint;
  /** Where reading goes on. */
  position: number;
  /** Not to be read beyond; Infinity: as far as there is. */
  end: number;
};

const NEWLINE = 10;
const BLOCK = 64 << 10;
/** More files than `max-file` is ever set to: a bound for a folder gone wild. */
const MOST_FILES = 1000;

/**
 * Opens all there are, oldest first. The youngest is opened first: when the log is rotated meanwhile a file is met a
 * second time under its next name, and none is missed.
 */
export async function openFiles(path: string): Promise<LogFile[]> {
  const files: LogFile[] = [];
  try {
    for (let age = 0; age < MOST_FILES; age++) {
      const file = await openFile(age === 0 ? path : `${path}.${age}`);
      if (file === undefined && age > 0) break;
      if (file === undefined) continue;
      if (files.some(({ inode }) => inode === file.inode)) await file.handle.close();
      else files.unshift(file);
    }
    return files;
  } catch (error) {
    await closeFiles(files);
    throw error;
  }
}

async function openFile(path: string): Promise<LogFile | undefined> {
  const handle = await open(path, "r").catch(absent);
  if (handle === undefined) return undefined;
  const { ino } = await handle.stat({ bigint: true });
  return { handle, inode: ino, position: 0, end: Infinity };
}

export async function inodeOf(path: string): Promise<bigint | undefined> {
  return (await stat(path, { bigint: true }).catch(absent))?.ino;
}

function absent(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
}

export async function closeFiles(files: readonly LogFile[]): Promise<void> {
  await Promise.allSettled(files.map(({ handle }) => handle.close()));
}

/**
 * Moves the positions so that what follows are the last `count` records of all files together. Unless it `goesOn`, what is
 * written from now on is not among them.
 */
export async function seekTail(files: readonly LogFile[], count: number, { goesOn }: { readonly goesOn: boolean }): Promise<void> {
  let missing = count;
  for (const file of files.toReversed()) {
    const { size } = await file.handle.stat();
    if (!goesOn) file.end = size;
    if (missing <= 0) file.position = size;
    else missing -= await seekBack(file, size, missing);
  }
}

/** Sets the position before the last `count` newline-ended lines; returns how many there were, `count` at most. */
async function seekBack(file: LogFile, size: number, count: number): Promise<number> {
  const block = Buffer.allocUnsafe(BLOCK);
  let found = 0;
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - BLOCK);
    const { bytesRead } = await file.handle.read(block, 0, end - start, start);
    for (let at = bytesRead; (at = at === 0 ? -1 : block.lastIndexOf(NEWLINE, at - 1)) !== -1; ) {
      if (++found <= count) continue;
      file.position = start + at + 1;
      return count;
    }
    end = start;
  }
  file.position = 0;
  return found;
}
