/**
 * Storage in a folder of a file system, which many instances may share (also over a network file system that keeps
 * rename atomic and close-to-open consistency). A key is the file's path.
 *
 * What is small is written beside its place, synced, renamed, and its folder synced: acknowledged means kept. Syncs happen
 * on Node's threads, and one sync of a folder serves all who wait for it.
 */
import { link, mkdir, open, readdir, rename, rm, stat, unlink, utimes } from "node:fs/promises";
import { dirname, join } from "node:path";
import { asDiskFailure, codeOf, orUndefined } from "./folder-failure.ts";
import { listFolder } from "./folder-list.ts";
import { openFolderSync, type FolderSync } from "./folder-sync.ts";
import { openFolderUploads } from "./folder-upload.ts";
import { readFileBytes, streamFile } from "./folder-read.ts";
import type { Stat, Storage } from "./storage.ts";

export async function openFolderStorage(root: string): Promise<Storage> {
  // Whoever may read the folder can read every repository.
  await mkdir(root, { recursive: true, mode: 0o700 });
  const sync = openFolderSync();
  const files: Files = { at: (key) => join(root, key), temporary: join(root, "tmp"), sync };
  await mkdir(files.temporary, { recursive: true });
  await clearTemporary(files.temporary);
  return {
    trustMs: 0,
    get: (key, range, options) => streamFile(files.at(key), range, options),
    read: (key) => readFileBytes(files.at(key)),
    stat: (key) => statOf(files.at(key)),
    put: (key, bytes, { ifAbsent = false } = {}) => inTime(key, () => put(files, files.at(key), bytes, ifAbsent)),
    renew: (key) => renew(files.at(key)),
    move: (key, to) => inTime(key, () => move(files, files.at(key), files.at(to))),
    delete: (key) => remove(files, files.at(key)),
    list: (prefix, { after } = {}) => listFolder(root, prefix, after),
    ...openFolderUploads(files),
    [Symbol.asyncDispose]: async () => {},
  };
}

/** `at` makes a path of a key; `temporary` is on the same file system. */
export type Files = { readonly at: (key: string) => string; readonly temporary: string; readonly sync: FolderSync };

const DAY_MS = 86_400_000;

/** What an instance that died did not come to rename. */
async function clearTemporary(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const found = await orUndefined(stat(join(folder, name)));
    if (found !== undefined && Date.now() - found.mtimeMs > DAY_MS) await rm(join(folder, name), { force: true });
  }
}

let counter = 0;
const own = `${process.pid}-${process.hrtime.bigint().toString(36)}`;

export const temporaryName = (files: Files): string => join(files.temporary, `${own}-${(counter++).toString(36)}`);

async function inTime<T>(key: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw asDiskFailure(`write ${key}`, error);
  }
}

async function put(files: Files, path: string, bytes: Uint8Array, ifAbsent: boolean): Promise<boolean> {
  if (ifAbsent && (await orUndefined(stat(path))) !== undefined) return false;
  if (bytes.length === 0) return await putEmpty(files, path, ifAbsent);
  const name = temporaryName(files);
  try {
    await writeSynced(name, bytes);
    await inFolder(files, path, () => (ifAbsent ? linkNew(name, path) : rename(name, path)));
  } catch (error) {
    await rm(name, { force: true });
    if (ifAbsent && codeOf(error) === "EEXIST") return false;
    throw error;
  }
  await files.sync(dirname(path));
  return true;
}

/** Nothing of it can be lost but its name: one sync, of the folder. */
async function putEmpty(files: Files, path: string, ifAbsent: boolean): Promise<boolean> {
  try {
    const file = await inFolder(files, path, () => open(path, ifAbsent ? "wx" : "a", 0o644));
    try {
      const now = new Date();
      if (!ifAbsent) await file.utimes(now, now);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (ifAbsent && codeOf(error) === "EEXIST") return false;
    throw error;
  }
  await files.sync(dirname(path));
  return true;
}

async function writeSynced(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, "wx", 0o644);
  try {
    await file.writeFile(bytes);
    await file.datasync();
  } finally {
    await file.close();
  }
}

async function linkNew(from: string, to: string): Promise<void> {
  await link(from, to);
  await unlink(from);
}

/** Does what needs the folder of `path`; makes the folder only when it was missing. */
export async function inFolder<T>(files: Files, path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
    await makeFolder(files, dirname(path));
    return await work();
  }
}

/** A new folder's name is in the folder above, and so on up: each is synced. */
async function makeFolder(files: Files, path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true });
  if (first === undefined) return;
  for (let made = path; ; made = dirname(made)) {
    await files.sync(dirname(made));
    if (made === first) return;
  }
}

async function statOf(path: string): Promise<Stat | undefined> {
  const found = await orUndefined(stat(path));
  if (found === undefined || !found.isFile()) return undefined;
  return { size: found.size, modified: found.mtime, version: `${found.ino}-${found.mtimeMs}-${found.size}` };
}

async function renew(path: string): Promise<boolean> {
  const now = new Date();
  return (await orUndefined(utimes(path, now, now).then(() => true))) ?? false;
}

async function move(files: Files, from: string, to: string): Promise<boolean> {
  await makeFolder(files, dirname(to));
  if ((await orUndefined(rename(from, to).then(() => true))) === undefined) return false;
  await Promise.all([files.sync(dirname(to)), files.sync(dirname(from))]);
  return true;
}

async function remove(files: Files, path: string): Promise<void> {
  const gone = await orUndefined(unlink(path).then(() => true));
  if (gone === true) await files.sync(dirname(path));
}
