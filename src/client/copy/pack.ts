/**
 * Files of this machine as a tar archive. Names are bytes. A file is what it was when it was looked at: one that shrinks
 * meanwhile ends in zeros.
 */
import { closeSync, constants, fstatSync, lstatSync, openSync, readdirSync, readlinkSync, readSync, type Stats } from "node:fs";
import { TAR_END, tarHeader, tarPadding, type NewEntry } from "#base/tar-write.ts";
import type { EntryType } from "#base/tar.ts";

const SLASH = Buffer.from("/");
/** One read, one write to the socket. */
const CHUNK = 2 ** 20;

/** An archive of `path`, a directory with all in it or a file, whose root is called `name`; "": what is in it alone. */
export async function* packTree(path: string, name: string): AsyncGenerator<Buffer> {
  const links = new Map<string, Buffer>();
  const chunks = chunker();
  const stack: { path: Buffer; name: Buffer }[] = [{ path: Buffer.from(path), name: Buffer.from(name) }];
  for (let next; (next = stack.pop()) !== undefined; ) {
    const found = lstatSync(next.path);
    if (found.isSocket()) continue;
    const entry = describe(next, found, links);
    if (found.isDirectory()) stack.push(...inside(next).toReversed());
    if (entry.type === "file") yield* file(next.path, entry, chunks);
    else if (next.name.length > 0) yield* chunks.add(tarHeader(entry));
  }
  yield* chunks.add(TAR_END);
  yield* chunks.end();
}

const join = (a: Buffer, b: Buffer) => (a.length === 0 ? b : Buffer.concat(a.at(-1) === 0x2f ? [a, b] : [a, SLASH, b]));

function inside({ path, name }: { path: Buffer; name: Buffer }): { path: Buffer; name: Buffer }[] {
  const names = (readdirSync(path, { encoding: "buffer" }) as Buffer[]).toSorted(Buffer.compare);
  return names.map((child) => ({ path: join(path, child), name: join(name, child) }));
}

function describe({ path, name }: { path: Buffer; name: Buffer }, found: Stats, links: Map<string, Buffer>): NewEntry {
  const common = { name, mode: found.mode & 0o7777, uid: found.uid, gid: found.gid, sec: Math.floor(found.mtimeMs / 1000) };
  if (found.isDirectory()) return { ...common, type: "directory", name: name.at(-1) === 0x2f ? name : Buffer.concat([name, SLASH]) };
  const key = `${found.dev}:${found.ino}`;
  const known = found.nlink > 1 ? links.get(key) : undefined;
  if (known !== undefined) return { ...common, type: "link", linkName: known };
  if (found.nlink > 1) links.set(key, name);
  if (found.isSymbolicLink()) return { ...common, type: "symlink", linkName: readlinkSync(path, { encoding: "buffer" }) as Buffer };
  if (found.isFile()) return { ...common, type: "file", size: found.size };
  return { ...common, type: nodeType(found), major: (found.rdev >> 8) & 0xfff, minor: (found.rdev & 0xff) | ((found.rdev >> 12) & 0xfff00) };
}

const nodeType = (found: Stats): EntryType => (found.isFIFO() ? "fifo" : found.isCharacterDevice() ? "char" : "block");

function* file(path: Buffer, entry: NewEntry, chunks: Chunker): Generator<Buffer> {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const { size } = fstatSync(fd);
    yield* chunks.add(tarHeader({ ...entry, size }));
    for (let left = size; left > 0; ) {
      const room = chunks.room(left);
      const read = readSync(fd, room);
      if (read === 0) room.fill(0);
      left -= read || room.length;
      yield* chunks.took(read || room.length);
    }
    yield* chunks.add(tarPadding(size));
  } finally {
    closeSync(fd);
  }
}

type Chunker = ReturnType<typeof chunker>;

/** Small pieces are put together, large ones read right into place. */
function chunker() {
  let chunk = Buffer.allocUnsafeSlow(CHUNK);
  let length = 0;
  const room = (most: number): Buffer => chunk.subarray(length, length + Math.min(most, CHUNK - length));
  function* took(bytes: number): Generator<Buffer> {
    length += bytes;
    if (length < CHUNK) return;
    yield chunk;
    chunk = Buffer.allocUnsafeSlow(CHUNK);
    length = 0;
  }
  function* add(bytes: Uint8Array): Generator<Buffer> {
    for (let at = 0; at < bytes.length; ) {
      const into = room(bytes.length - at);
      into.set(bytes.subarray(at, at + into.length));
      at += into.length;
      yield* took(into.length);
    }
  }
  function* end(): Generator<Buffer> {
    if (length > 0) yield chunk.subarray(0, length);
  }
  return { room, took, add, end };
}
