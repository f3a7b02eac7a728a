/**
 * The pool: bytes of files by their digest, in packs: files of up to PACK_BYTES in which they lie back to back (a large one
 * has a pack of its own). Beside each pack an index: a record of 48 bytes a file.
 *
 *     await using writer = pool.writer();
 *     const digest = writer.put(bytes);            // small: hashed, and written later with others, unless it is there
 *     await writer.finish();                       // now it can be found, also by an engine that is started after a kill -9
 *
 * A record is written after its bytes, and what has no record is not there: so a kill at any moment leaves at most bytes
 * that nobody knows of. Nothing is synced one by one; after the machine itself went down only what a later syncfs covered
 * is believed (packs.ts, decision 0040).
 */
import { open, type FileHandle } from "node:fs/promises";
import { fail } from "#base/errors.ts";
import type { Digest } from "#spec/digest.ts";
import type { FileEntry, FilePlace, FilePool } from "../../tree.ts";
import { openPacks, type PacksOptions } from "./packs.ts";
import { openWriter, type PoolWriter } from "./writer.ts";

export type Pool = FilePool & AsyncDisposable & {
  has(digest: Digest): boolean;
  writer(): PoolWriter;
  /** Bytes on the disk, and files that can be found. */
  usage(): { readonly bytes: number; readonly content: number; readonly files: number };
  /** The beginning of a collection: what is marked from here on, or put by a writer, stays. False: it was already. */
  mark(): (digest: Digest) => boolean;
  /** Removes what the last `mark` did not reach. Packs that are mostly dead are written anew. Resolves to the bytes freed. */
  sweep(): Promise<number>;
  /** As long as it is not disposed, what `place` said stays there. */
  hold(): Disposable;
};

export type { PoolWriter } from "./writer.ts";

export async function openPool(options: PacksOptions): Promise<Pool> {
  const packs = await openPacks(options);
  const writers = new Set<PoolWriter>();
  const writer = () => {
    const made = openWriter(packs, () => writers.delete(made));
    writers.add(made);
    return made;
  };
  return {
    place: (digest) => placeOf(packs.find(digest), digest),
    has: (digest) => packs.find(digest) !== undefined,
    async read(entry, limit) {
      using _ = packs.hold();
      return await readEntry(entry, limit, (digest) => placeOf(packs.find(digest), digest));
    },
    writer,
    usage: () => packs.usage(),
    mark: () => packs.mark(),
    async sweep() {
      const mark = packs.reach;
      for (const { reached } of writers) for (const digest of reached) mark(digest);
      return await packs.sweep(async (moved) => {
        await using anew = writer();
        for (const place of moved) {
          anew.move(await readPlace(place));
          await anew.drain();
        }
        await anew.finish();
      });
    },
    hold: () => packs.hold(),
    async [Symbol.asyncDispose]() {
      await Promise.allSettled([...writers].map((open) => open[Symbol.asyncDispose]()));
      await packs.close();
    },
  };
}

function placeOf(place: FilePlace | undefined, digest: Digest): FilePlace {
  if (place === undefined) throw fail("not-found", `find a file of a context: ${digest} is not in the pool any more`);
  return place;
}

async function readEntry({ path, digest, size }: FileEntry, limit: number, find: (digest: Digest) => FilePlace): Promise<Buffer> {
  if (digest === undefined) throw fail("invalid", `read ${path}: it is no regular file`);
  if (size > limit) throw fail("invalid", `read ${path}: ${size} bytes, more than the limit of ${limit}`, { facts: { size, limit } });
  return await readPlace(find(digest));
}

async function readPlace({ path, offset, length }: FilePlace): Promise<Buffer> {
  if (length === 0) return Buffer.alloc(0);
  await using file = await open(path, "r");
  return await readRange(file, offset, length);
}

async function readRange(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await file.read(bytes, done, length - done, offset + done);
    if (bytesRead === 0) throw fail("internal", "read a file of a context: its pack is cut short");
    done += bytesRead;
  }
  return bytes;
}
