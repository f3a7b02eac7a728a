/** The content store on a file system. See content.ts. */
import { mkdir, open, readdir, rename, unlink } from "node:fs/promises";
import { join } from "node:path";
import { nowNanos } from "#base/clock.ts";
import { hasher } from "#base/digest.ts";
import { fail } from "#base/errors.ts";
import { failpoint } from "#base/failpoint.ts";
import type { Database } from "#base/sqlite.ts";
import { gather } from "#base/streams.ts";
import { type Digest, digits } from "#spec/digest.ts";
import { MAX_DOCUMENT } from "#spec/image.ts";
import { diskFailure } from "../disk.ts";
import type { Lease } from "../leases/leases.ts";
import type { Blob, Content } from "./content.ts";
import { openPartials } from "./partials.ts";
import { readChunks } from "./read-chunks.ts";
import { takeFile } from "./take-file.ts";
import { blobWriter, syncFolder } from "./writer.ts";

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
  const partials = await openPartials(join(folder, "partial"));
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
      return blobWriter({ path, file, expected, finish: (blob) => keep(lease, blob, path) });
    },
    async take(lease, fill) {
      const path = join(ingests, String(next++));
      const file = await diskFailure("store a blob", open(path, "wx+", 0o600));
      const blob = await takeFile(path, file, fill);
      await keep(lease, blob, path).catch(async (error: unknown) => {
        await unlink(path).catch(() => undefined);
        throw error;
      });
      return blob;
    },
    resume(lease, blob) {
      lease.hold(`content/${blob.digest}`);
      return partials.resume(blob, (path) => keep(lease, blob, path));
    },
    partials: () => partials.list(),
    dropPartials: (before) => partials.drop(before),
    async read(digest, limit = MAX_DOCUMENT) {
      const blob = store.stat(digest);
      if (blob === undefined) throw missing(digest);
      if (blob.size > limit) throw fail("invalid", `read ${digest}: ${blob.size} bytes, more than the limit of ${limit}`);
      const bytes = await readAll(read(digest, 0));
      const hash = hasher();
      hash.update(bytes);
      if (hash.digest() !== digest) throw fail("internal", `read ${digest}: the stored blob is damaged; remove the image and load or pull it again`);
      return bytes;
    },
    stream(digest, from = 0) {
      if (store.stat(digest) === undefined) throw missing(digest);
      return read(digest, from);
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
      await partials.sweep();
      const files = new Set(await readdir(blobs));
      const rows = new Set(store.list().map((blob) => digits(blob.digest)));
      for (const name of files) if (!rows.has(name)) await unlink(join(blobs, name));
      const lost = [...rows].filter((name) => !files.has(name)).map((name): Digest => `sha256:${name}`);
      if (lost.length > 0) await db.write(() => lost.forEach((digest) => q.remove.run(digest)));
    },
  };
  return store;

  function read(digest: Digest, from: number): AsyncIterable<Buffer> {
    return readChunks(pathOf(digest), from, () => missing(digest));
  }

  /** A file that is complete and synced becomes the blob. */
  async function keep(lease: Lease, { digest, size }: Blob, path: string): Promise<void> {
    lease.hold(`content/${digest}`);
    await leaving.get(digest)?.promise;
    if (store.stat(digest) !== undefined) return unlink(path);
    await failpoint("content.rename");
    await rename(path, pathOf(digest));
    await syncFolder(blobs);
    await failpoint("content.row");
    await db.write(() => q.put.run(digest, size, nowNanos()));
  }

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

async function readAll(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts);
}

const missing = (digest: Digest) => fail("not-found", `content ${digest}: not found`);
