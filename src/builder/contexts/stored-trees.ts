/**
 * Indexes of trees on the disk: of the last exchange with a folder ("sync-…"), and of results that the cache refers to
 * ("kept-…"). A file says of itself whether it is whole (its first line digests the rest), and is worth what the pool
 * still has of what it names: so none of them needs to be durable. When it was used is the file's time.
 */
import { createHash, hash } from "node:crypto";
import { mkdir, readdir, readFile, rename, stat, unlink, utimes, writeFile } from "node:fs/promises";
import { takeTurns } from "#base/turns.ts";
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
      return bytes === undefined ? undefined : await decodeTree(bytes);
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

/** Entries in a line. */
const SLICE = 1000;

/** No engine takes another's for its own. */
const FORMAT = "lines ";

/** Lines: the digest of all others; the tree's, in JSON; some entries in each, in JSON. */
async function encodeTree({ digest, entries }: FileTree): Promise<readonly Buffer[]> {
  const lines = [Buffer.from(`${JSON.stringify(digest)}\n`)];
  const state = createHash("sha256").update(lines[0]!);
  const turns = takeTurns();
  for (let at = 0; at < entries.length; at += SLICE) {
    await turns(SLICE);
    const line = Buffer.from(`${JSON.stringify(entries.slice(at, at + SLICE).map(rowOf))}\n`);
    state.update(line);
    lines.push(line);
  }
  return [Buffer.from(`${FORMAT}${state.digest("hex")}\n`), ...lines];
}

async function decodeTree(bytes: Buffer): Promise<FileTree | undefined> {
  const start = bytes.indexOf(NEWLINE) + 1;
  if (start === 0 || !(await isDigestOf(bytes.toString("latin1", 0, start - 1).slice(FORMAT.length), bytes.subarray(start)))) return undefined;
  const entries: FileEntry[] = [];
  const turns = takeTurns();
  let digest: Digest | undefined;
  for (let at = start, end; (end = bytes.indexOf(NEWLINE, at)) >= 0; at = end + 1) {
    await turns(SLICE);
    const line: unknown = JSON.parse(bytes.toString("utf8", at, end));
    if (digest === undefined) digest = line as Digest;
    else for (const row of line as Row[]) entries.push(entryOf(row));
  }
  return digest === undefined ? undefined : { kind: "files", digest, entries };
}

const NEWLINE = 10;
const PIECE = 4 * 2 ** 20;

async function isDigestOf(digest: string, bytes: Buffer): Promise<boolean> {
  if (bytes.length <= PIECE) return hash("sha256", bytes, "hex") === digest;
  const state = createHash("sha256");
  const turns = takeTurns();
  for (let at = 0; at < bytes.length; at += PIECE) {
    await turns(SLICE);
    state.update(bytes.subarray(at, at + PIECE));
  }
  return state.digest("hex") === digest;
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
