/** An archive becomes a tree: POST /build, a URL of an archive, what git gives. */
import { fail } from "#base/errors.ts";
import { decompress, detectCompression } from "#base/streams.ts";
import { tarReader, type TarEntry } from "#base/tar.ts";
import { takeTurns } from "#base/turns.ts";
import type { Digest } from "#spec/digest.ts";
import type { FileEntry, FileTree } from "../tree.ts";
import type { ArchiveOptions } from "./contexts.ts";
import { MAX_ENTRIES, openAssembly } from "./assemble.ts";
import { makeTree } from "./make-tree.ts";
import { cleanName, textOf } from "./names.ts";
import type { GrowingFile } from "./pool/growing-file.ts";
import { type PoolWriter, SMALL } from "./pool/writer.ts";

const MAX_BYTES = 256 * 2 ** 30;
/** A chunk counts as that many entries. */
const CHUNK = 64;
/** Enough to tell how it is compressed. */
const HEAD = 8;

/** Large files that came in archives: by name and length what they were the last time. */
export type LargeFiles = Map<string, Digest>;

const MOST_LARGE = 1000;
const largeName = ({ path, size }: FileEntry): string => `${size} ${path}`;

export type Taking = ArchiveOptions & { readonly large: LargeFiles };

export async function takeArchive(writer: PoolWriter, archive: AsyncIterable<Uint8Array>, { signal, large, map = (entry) => entry }: Taking): Promise<FileTree> {
  const stream = plainBytes(archive);
  const reader = tarReader({ entries: MAX_ENTRIES });
  const assembly = openAssembly();
  let file: TakenFile | undefined;
  const turns = takeTurns();
  for await (const chunk of stream) {
    signal.throwIfAborted();
    const turn = turns(CHUNK);
    if (turn !== undefined) await turn;
    for (const event of reader.push(chunk)) {
      if (event.kind === "entry") {
        const entry = entryOf(event.entry);
        if (entry.type !== "file") assembly.add(entry);
        else if (entry.size === 0) assembly.add({ ...entry, digest: writer.put(Buffer.alloc(0)) });
        else file = entry.size <= SMALL ? takeSmall(writer, entry) : takeLarge(writer.begin(large.get(largeName(entry))), entry);
        continue;
      }
      const waits = file!.write(event.bytes, event.last);
      if (waits !== undefined) await waits;
      if (event.last) assembly.add(await file!.end());
    }
    await writer.drain();
  }
  reader.end();
  await writer.finish();
  const entries = await assembly.entries();
  const mapped: FileEntry[] = [];
  for (const entry of entries) {
    const wait = turns();
    if (wait !== undefined) await wait;
    if (entry.digest !== undefined && entry.size > SMALL) large.delete(largeName(entry)), large.set(largeName(entry), entry.digest);
    const one = map(entry);
    if (one !== undefined) mapped.push(one);
  }
  for (const name of large.keys()) if (large.size > MOST_LARGE) large.delete(name);
  return await makeTree(mapped, entries);
}

/** What is not compressed is passed on as it comes, uncopied. */
async function* plainBytes(archive: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const source = archive[Symbol.asyncIterator]();
  let head: Uint8Array = Buffer.alloc(0);
  const rest = async function* () {
    yield head;
    for (let next; (next = await source.next()).done !== true; ) yield next.value;
  };
  try {
    for (let next; head.length < HEAD && (next = await source.next()).done !== true; ) head = head.length === 0 ? next.value : Buffer.concat([head, next.value]);
    if (detectCompression(head) === "none") yield* rest();
    else yield* (await decompress(rest(), { what: "the context", limit: MAX_BYTES })).stream;
  } finally {
    await source.return?.();
  }
}

/** One file alone. */
export async function takeOne(writer: PoolWriter, bytes: AsyncIterable<Uint8Array>, { signal, ...entry }: Pick<FileEntry, "path" | "mode" | "mtime"> & { readonly signal: AbortSignal }): Promise<FileTree> {
  const growing = writer.begin();
  for await (const chunk of bytes) {
    signal.throwIfAborted();
    await growing.write(chunk);
  }
  const stored = await growing.end();
  return await makeTree([{ ...entry, type: "file", uid: 0, gid: 0, ...stored }]);
}

function entryOf(entry: TarEntry): FileEntry {
  const { type, mode, uid, gid, size, sec, nsec, major, minor, xattrs } = entry;
  const plain = { path: cleanName(entry.name), mode, uid, gid, size, mtime: BigInt(sec) * 1_000_000_000n + BigInt(nsec) };
  const more = xattrs.length === 0 ? {} : { xattrs: Object.fromEntries(xattrs.map(([name, value]) => [textOf(name), Uint8Array.from(value)])) };
  if (plain.path === "" && type !== "directory") throw fail("invalid", `read the context: an entry that is no directory takes the place of the context itself`);
  if (type === "link") return { ...plain, type: "hardlink", link: cleanName(entry.linkName) };
  if (type === "symlink") return { ...plain, ...more, type, link: textOf(entry.linkName) };
  if (type === "char" || type === "block") return { ...plain, ...more, type, device: { major, minor } };
  return { ...plain, ...more, type };
}

type TakenFile = { write(bytes: Uint8Array, last: boolean): Promise<void> | undefined; end(): FileEntry | Promise<FileEntry> };

/** Gathered only if it does not come in one piece. */
function takeSmall(writer: PoolWriter, entry: FileEntry): TakenFile {
  let whole: Buffer | undefined;
  let done = 0;
  let digest: FileEntry["digest"];
  return {
    write(bytes, last) {
      if (whole === undefined && last) return void (digest = writer.put(bytes));
      whole ??= Buffer.allocUnsafe(entry.size);
      whole.set(bytes, done);
      done += bytes.length;
      if (last) digest = writer.put(whole);
      return undefined;
    },
    end: () => ({ ...entry, digest: digest! }),
  };
}

function takeLarge(growing: GrowingFile, entry: FileEntry): TakenFile {
  return {
    write: (bytes) => growing.write(bytes),
    async end() {
      return { ...entry, ...(await growing.end()) };
    },
  };
}

