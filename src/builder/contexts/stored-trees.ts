/**
 * Indexes of trees on the disk: of the last exchange with a folder ("sync-…"), and of results that the cache refers to
 * ("kept-…"). A file says of itself whether it is whole (its first line digests the rest), and is worth what the pool
 * still has of what it names: so none of them needs to be durable. When it was used is the file's time.
 */
import { hash } from "node:crypto";
import { mkdir, readdir, readFile, rename, stat, unlink, utimes, writeFile } from "node:fs/promises";
import type { Digest } from "#spec/digest.ts";
import type { FileEntry, FileTree } from "../tree.ts";

export type StoredTrees = {
  read(name: string): Promise<FileTree | undefined>;
  write(name: string, tree: FileTree): Promise<void>;
  touch(name: string): Promise<void>;
  remove(name: string): Promise<void>;
  /** Those that were used last first. */
  list(): Promise<{ readonly name: string; readonly bytes: number; readonly used: number }[]>;
};

export async function openStoredTrees(folder: string): Promise<StoredTrees> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  let serial = 0;
  const pathOf = (name: string) => `${folder}/${name}`;
  for (const name of await readdir(folder)) if (name.endsWith(".new")) await unlink(pathOf(name));
  return {
    async read(name) {
      const bytes = await readFile(pathOf(name)).catch(() => undefined);
      return bytes === undefined ? undefined : decodeTree(bytes);
    },
    async write(name, tree) {
      const unfinished = `${pathOf(name)}.${serial++}.new`;
      await writeFile(unfinished, await encodeTree(tree), { mode: 0o600 });
      await rename(unfinished, pathOf(name));
    },
    async touch(name) {
      const now = new Date();
      await utimes(pathOf(name), now, now).catch(() => undefined);
    },
    remove: (name) => unlink(pathOf(name)).catch(() => undefined),
    async list() {
      const found = await Promise.all((await readdir(folder)).map(async (name) => ({ name, stats: await stat(pathOf(name)).catch(() => undefined) })));
      const whole = found.flatMap(({ name, stats }) => (stats === undefined || name.endsWith(".new") ? [] : [{ name, bytes: stats.size, used: stats.mtimeMs }]));
      return whole.sort((a, b) => b.used - a.used);
    },
  };
}

type Row = readonly [
  path: string, type: FileEntry["type"], mode: number, uid: number, gid: number, mtime: string, size: number, digest: string,
  link: string | null, device: readonly [number, number] | null, xattrs: Readonly<Record<string, string>> | null, changed: string | null,
];

/** Entries between two turns of the event loop. */
const SLICE = 2000;

/** Two lines: the digest of the second, and JSON. */
async function encodeTree({ digest, entries }: FileTree): Promise<Buffer> {
  const parts = [JSON.stringify(digest)];
  for (let at = 0; at < entries.length; at += SLICE) {
    parts.push(entries.slice(at, at + SLICE).map((entry) => JSON.stringify(rowOf(entry))).join(","));
    await new Promise((resolve) => setImmediate(resolve));
  }
  const body = Buffer.from(`[${parts.join(",")}]`);
  return Buffer.concat([Buffer.from(`${hash("sha256", body, "hex")}\n`), body]);
}

function decodeTree(bytes: Buffer): FileTree | undefined {
  const line = bytes.indexOf(10);
  const body = bytes.subarray(line + 1);
  if (line < 0 || hash("sha256", body, "hex") !== bytes.toString("latin1", 0, line)) return undefined;
  const [digest, ...rows] = JSON.parse(body.toString()) as [Digest, ...Row[]];
  return { kind: "files", digest, entries: rows.map(entryOf) };
}

function rowOf({ path, type, mode, uid, gid, mtime, size, digest, link, device, xattrs, changed }: FileEntry): Row {
  const more = xattrs === undefined ? null : Object.fromEntries(Object.entries(xattrs).map(([name, value]) => [name, Buffer.from(value).toString("base64")]));
  return [path, type, mode, uid, gid, String(mtime), size, digest?.slice("sha256:".length) ?? "", link ?? null, device === undefined ? null : [device.major, device.minor], more, changed === undefined ? null : String(changed)];
}

function entryOf([path, type, mode, uid, gid, mtime, size, digest, link, device, xattrs, changed]: Row): FileEntry {
  return {
    path, type, mode, uid, gid, mtime: BigInt(mtime), size,
    ...(digest !== "" && { digest: `sha256:${digest}` as const }),
    ...(link !== null && { link }),
    ...(typeof changed === "string" && { changed: BigInt(changed) }),
    ...(device !== null && { device: { major: device[0], minor: device[1] } }),
    ...(xattrs !== null && { xattrs: Object.fromEntries(Object.entries(xattrs).map(([name, value]) => [name, new Uint8Array(Buffer.from(value, "base64"))])) }),
  };
}
