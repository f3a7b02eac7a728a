/**
 * Uploads in a folder. Whoever opens one renames it to a name that only they know: rename is atomic, so nobody else writes
 * to the bytes that were hashed, and what is committed is what was verified, also when two instances share the folder.
 * A claim of an instance that died is taken over by copying: the dead one's descriptor, if it lives after all, leads nowhere.
 */
import { constants, copyFile, open, readdir, rename, rm, stat, utimes, type FileHandle } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import { basename, dirname, join } from "node:path";
import { fail } from "#base/errors.ts";
import { release, releaseWhole } from "#base/memory.ts";
import { asDiskFailure, codeOf, orUndefined } from "./folder-failure.ts";
import { streamFile } from "./folder-read.ts";
import { inFolder, type Files } from "./folder.ts";
import type { Storage, Upload } from "./storage.ts";

const CLAIMED = ".claimed-";
/** A claim whose file has not changed for so long is of somebody who is gone, or has nothing to send. */
const staleMs = 30_000;
/** So much is written before the disk is told to begin: the sync at the end finds little to do. */
const SYNC_EVERY = 32 * 2 ** 20;
const WRITE = 2 ** 20;

export function openFolderUploads(files: Files): Pick<Storage, "upload" | "uploads" | "dropUpload"> {
  return {
    async upload(key, { create = false } = {}) {
      const path = files.at(key);
      const claim = `${path}${CLAIMED}${randomBytes(8).toString("hex")}`;
      if (create) await inFolder(files, claim, async () => (await open(claim, "wx")).close());
      else if (!(await claimed(path, claim))) return undefined;
      const file = await open(claim, "r+");
      return openUpload({ files, path, claim, file, size: (await file.stat()).size });
    },
    uploads: (prefix) => allUploads(files, prefix),
    async dropUpload(key) {
      const path = files.at(key);
      for (const name of [path, ...(await claimsOf(path))]) await rm(name, { force: true });
    },
  };
}

/** False when there is no such upload. @throws conflict */
async function claimed(path: string, claim: string): Promise<boolean> {
  if ((await orUndefined(rename(path, claim).then(() => true))) === true) return true;
  for (const other of await claimsOf(path)) {
    const found = await orUndefined(stat(other));
    if (found === undefined) continue;
    if (Date.now() - found.mtimeMs < staleMs) throw fail("conflict", "go on with an upload: another request is writing to it");
    if (await takeOver(other, claim)) return true;
  }
  // Released between the two looks.
  return (await orUndefined(rename(path, claim).then(() => true))) ?? false;
}

async function takeOver(stale: string, claim: string): Promise<boolean> {
  const taken = `${claim}-taken`;
  if ((await orUndefined(rename(stale, taken).then(() => true))) === undefined) return false;
  await copyFile(taken, claim, constants.COPYFILE_FICLONE);
  await rm(taken, { force: true });
  return true;
}

async function claimsOf(path: string): Promise<string[]> {
  const names = (await orUndefined(readdir(dirname(path)))) ?? [];
  const start = basename(path) + CLAIMED;
  return names.filter((name) => name.startsWith(start)).map((name) => join(dirname(path), name));
}

async function* allUploads(files: Files, prefix: string): AsyncGenerator<{ key: string; size: number; modified: Date }> {
  for (const name of (await orUndefined(readdir(files.at(prefix)))) ?? []) {
    const found = await orUndefined(stat(join(files.at(prefix), name)));
    if (found !== undefined) yield { key: prefix + name.split(CLAIMED)[0], size: found.size, modified: found.mtime };
  }
}

type Claim = { readonly files: Files; readonly path: string; readonly claim: string; readonly file: FileHandle; size: number };

function openUpload(one: Claim): Upload {
  const { files, path, claim, file } = one;
  return {
    get size() {
      return one.size;
    },
    append: (source, { consume = false } = {}) => append(one, source, consume),
    async *read() {
      const bytes = await streamFile(claim, { start: 0, end: one.size });
      if (bytes !== undefined) yield* bytes.stream;
    },
    async commit(key) {
      const target = files.at(key);
      const now = new Date();
      if ((await orUndefined(utimes(target, now, now).then(() => true))) === undefined) {
        await file.datasync();
        await file.close();
        await inFolder(files, target, () => rename(claim, target));
        await files.sync(dirname(target));
      } else {
        await file.close();
        await rm(claim, { force: true });
      }
    },
    async abort() {
      await file.close();
      await rm(claim, { force: true });
    },
    async release() {
      await file.close();
      await rename(claim, path).catch((error: unknown) => {
        if (codeOf(error) !== "ENOENT") throw error;
      });
    },
  };
}

/**
 * Chunks are copied together: a write costs as much for 64 KiB as for 1 MiB. While one buffer is written the other is filled
 * (and what fills it is hashed, by whoever gives the source).
 */
async function append(one: Claim, source: AsyncIterable<Uint8Array>, consume: boolean): Promise<number> {
  let filling = takeBuffer();
  let other: Buffer | undefined;
  let writing: Promise<void> = Promise.resolve();
  let filled = 0;
  const sync = openEarlySync(one.file);
  const flush = async (): Promise<void> => {
    await writing;
    const full = filling.subarray(0, filled);
    // Most uploads need no second one.
    if (filled === WRITE) [filling, other] = [other ?? takeBuffer(), filling];
    filled = 0;
    writing = writeAll(one, full).then(() => sync.wrote(full.length));
    writing.catch(noop);
  };
  let failure: unknown;
  try {
    for await (const chunk of untilFailure(source, (error) => (failure = error))) {
      for (let at = 0; at < chunk.length; ) {
        const length = Math.min(chunk.length - at, WRITE - filled);
        filling.set(chunk.subarray(at, at + length), filled);
        at += length;
        filled += length;
        if (filled === WRITE) await flush();
      }
      if (consume) releaseWhole(chunk);
    }
    await flush();
    await writing;
  } catch (error) {
    throw asDiskFailure("write an upload", error);
  } finally {
    await writing.catch(noop);
    await sync.ended();
    giveBack(filling);
    if (other !== undefined) giveBack(other);
  }
  if (failure !== undefined) throw failure;
  return one.size;
}

/** Buffers of uploads that ended, for the next ones. */
const spare: Buffer[] = [];
const SPARE = 4;
const takeBuffer = (): Buffer => spare.pop() ?? Buffer.allocUnsafeSlow(WRITE);

function giveBack(buffer: Buffer): void {
  if (spare.length < SPARE) spare.push(buffer);
  else release(buffer);
}

async function writeAll(one: Claim, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesWritten } = await one.file.write(bytes, at, bytes.length - at, one.size);
    at += bytesWritten;
    one.size += bytesWritten;
  }
}

/** Tells the disk to begin, now and then, without waiting for it. */
function openEarlySync(file: FileHandle): { wrote(length: number): void; ended(): Promise<void> } {
  let unsynced = 0;
  let running: Promise<void> | undefined;
  return {
    wrote(length) {
      unsynced += length;
      if (unsynced < SYNC_EVERY || running !== undefined) return;
      unsynced = 0;
      running = file.datasync().catch(noop).then(() => void (running = undefined));
    },
    ended: async () => await running,
  };
}

const noop = () => {};

/** Ends where the source fails, so that what came before is written. */
async function* untilFailure(source: AsyncIterable<Uint8Array>, tell: (error: unknown) => void): AsyncGenerator<Uint8Array> {
  try {
    yield* source;
  } catch (error) {
    tell(error ?? new Error("the source of an upload failed"));
  }
}
