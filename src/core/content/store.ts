/** The content store on a file system. See content.ts. */
import { constants } from "node:fs";
import { mkdir, open, readdir, rename, unlink, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { nowNanos } from "#base/clock.ts";
import { hasher } from "#base/digest.ts";
import { fail } from "#base/errors.ts";
import { failpoint } from "#base/failpoint.ts";
import type { Database } from "#base/sqlite.ts";
import { CHUNK, gather } from "#base/streams.ts";
import { type Digest, digits } from "#spec/digest.ts";
import { MAX_DOCUMENT } from "#spec/image.ts";
import { diskFailure } from "../disk.ts";
import type { Blob, BlobWriter, Content, Expected } from "./content.ts";

const statements = {
  get: "SELECT digest, size FROM blobs WHERE digest = ?",
  list: "SELECT digest, size FROM blobs",
  put: "INSERT INTO blobs (digest, size, created) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
  remove: "DELETE FROM blobs WHERE digest = ?",
} as const;

export type ContentStore = Content & {
  /** Forgets blobs: inside a write. Then their files are removed by `unlink`, or `spare`d if the write failed. */
  forget(digests: readonly Digest[]): void;
  unlink(digests: readonly Digest[]): Promise<void>;
  spare(digests: readonly Digest[]): void;
  /** Removes files that no row names, and forgets rows whose file is gone. At start. */
  sweep(): Promise<void>;
};

/** Opens the store in `folder`, made if missing. */
export async function openContent(db: Database, folder: string): Promise<ContentStore> {
  const q = db.prepare(statements);
  const blobs = join(folder, "blobs", "sha256");
  const ingests = join(folder, "ingest");
  await mkdir(blobs, { recursive: true, mode: 0o700 });
  await mkdir(ingests, { recursive: true, mode: 0o700 });
  const pathOf = (digest: Digest) => join(blobs, digits(digest));
  /** Blobs being removed, from the row on: one that comes back meanwhile waits until its old file is gone. */
  const leaving = new Map<Digest, PromiseWithResolvers<void>>();
  let next = 0;

  const store: ContentStore = {
    stat(digest) {
      const row = q.get.get<Blob>(digest);
      return row && { ...row };
    },
    list: () => q.list.all<Blob>(),
    find(lease, digest) {
      lease.hold(`content/${digest}`);
      return store.stat(digest);
    },
    async ingest(lease, source, expected = {}) {
      const known = expected.digest === undefined ? undefined : store.find(lease, expected.digest);
      if (known !== undefined) return known;
      const writer = await store.writer(lease, expected);
      try {
        for await (const chunk of gather(source)) await writer.write(chunk);
        return await writer.commit();
      } catch (error) {
        await writer.abort();
        throw error;
      }
    },
    async writer(lease, expected = {}) {
      if (expected.digest !== undefined) lease.hold(`content/${expected.digest}`);
      const path = join(ingests, String(next++));
      const file = await diskFailure("store a blob", open(path, "wx", 0o600));
      return blobWriter({ path, file, expected, finish });

      async function finish(blob: Blob): Promise<void> {
        lease.hold(`content/${blob.digest}`);
        await leaving.get(blob.digest)?.promise;
        if (store.stat(blob.digest) !== undefined) return unlink(path);
        await failpoint("content.rename");
        await rename(path, pathOf(blob.digest));
        await syncFolder(blobs);
        await failpoint("content.row");
        await db.write(() => q.put.run(blob.digest, blob.size, nowNanos()));
      }
    },
    async read(digest, limit = MAX_DOCUMENT) {
      const blob = store.stat(digest);
      if (blob === undefined) throw missing(digest);
      if (blob.size > limit) throw fail("invalid", `read ${digest}: ${blob.size} bytes, more than the limit of ${limit}`);
      const bytes = await readAll(pathOf(digest), digest);
      const hash = hasher();
      hash.update(bytes);
      if (hash.digest() !== digest) throw fail("internal", `read ${digest}: the stored blob is damaged; remove the image and load or pull it again`);
      return bytes;
    },
    stream(digest) {
      if (store.stat(digest) === undefined) throw missing(digest);
      return readChunks(pathOf(digest), digest);
    },
    forget(digests) {
      for (const digest of digests) {
        q.remove.run(digest);
        leaving.set(digest, Promise.withResolvers());
      }
    },
    spare(digests) {
      for (const digest of digests) gone(digest);
    },
    async unlink(digests) {
      await Promise.all(digests.map(remove));
    },
    async sweep() {
      for (const name of await readdir(ingests)) await unlink(join(ingests, name));
      const files = new Set(await readdir(blobs));
      const rows = new Set(store.list().map((blob) => digits(blob.digest)));
      for (const name of files) if (!rows.has(name)) await unlink(join(blobs, name));
      const lost = [...rows].filter((name) => !files.has(name)).map((name): Digest => `sha256:${name}`);
      if (lost.length > 0) await db.write(() => lost.forEach((digest) => q.remove.run(digest)));
    },
  };
  return store;

  async function remove(digest: Digest): Promise<void> {
    await unlink(pathOf(digest))
      .catch((error: NodeJS.ErrnoException) => {
        if (error.code !== "ENOENT") throw error;
      })
      .finally(() => gone(digest));
  }

  function gone(digest: Digest): void {
    leaving.get(digest)?.resolve();
    leaving.delete(digest);
  }
}

type Open = { path: string; file: FileHandle; expected: Expected; finish: (blob: Blob) => Promise<void> };

function blobWriter({ path, file, expected, finish }: Open): BlobWriter {
  const hash = hasher();
  const limit = expected.limit ?? expected.size ?? Infinity;
  let size = 0;
  let open = true;
  const abort = async () => {
    if (!open) return;
    open = false;
    await file.close();
    await unlink(path);
  };
  const guarded = async <T>(act: () => Promise<T>): Promise<T> => {
    try {
      return await diskFailure("store a blob", act());
    } catch (error) {
      await abort();
      throw error;
    }
  };

  return {
    abort,
    write: (chunk) =>
      guarded(async () => {
        size += chunk.length;
        if (size > limit) throw fail("invalid", `store a blob: more than ${limit} bytes`);
        await failpoint("content.write");
        // Written by another thread while this one hashes.
        const written = file.writeFile(chunk);
        hash.update(chunk);
        await written;
      }),
    commit: () =>
      guarded(async () => {
        const blob = { digest: hash.digest(), size };
        compare(blob, expected);
        await file.datasync();
        await file.close();
        open = false;
        try {
          await finish(blob);
        } catch (error) {
          await unlink(path).catch(() => undefined);
          throw error;
        }
        return blob;
      }),
  };
}

function compare(blob: Blob, expected: Expected): void {
  if (expected.size !== undefined && expected.size !== blob.size) {
    throw fail("invalid", `store ${expected.digest ?? "a blob"}: ${blob.size} bytes came, ${expected.size} were announced`);
  }
  if (expected.digest !== undefined && expected.digest !== blob.digest) {
    throw fail("invalid", `store ${expected.digest}: what came has the digest ${blob.digest}`);
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function readAll(path: string, digest: Digest): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const chunk of readChunks(path, digest)) parts.push(chunk);
  return Buffer.concat(parts);
}

async function* readChunks(path: string, digest: Digest): AsyncGenerator<Buffer> {
  const file = await open(path, "r").catch((error: NodeJS.ErrnoException) => {
    throw error.code === "ENOENT" ? missing(digest) : error;
  });
  try {
    // One read ahead: the disk and whoever hashes or inflates work side by side.
    let ahead = readChunk(file);
    for (;;) {
      const chunk = await ahead;
      if (chunk.length === 0) return;
      ahead = readChunk(file);
      ahead.catch(() => undefined);
      yield chunk;
    }
  } finally {
    await file.close();
  }
}

async function readChunk(file: FileHandle): Promise<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(CHUNK);
  const { bytesRead } = await file.read(buffer, 0, CHUNK);
  return buffer.subarray(0, bytesRead);
}

const missing = (digest: Digest) => fail("not-found", `content ${digest}: not found`);
