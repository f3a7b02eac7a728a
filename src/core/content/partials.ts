/** Blobs that came in part, kept for the next attempt: `partial/DIGITS`, one file each. See content.ts. */
import { mkdir, open, readdir, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { hasher } from "#base/digest.ts";
import { fail } from "#base/errors.ts";
import { failpoint } from "#base/failpoint.ts";
import { type Digest, digits, isDigest } from "#spec/digest.ts";
import { diskFailure } from "../disk.ts";
import type { Blob, Partial, ResumableWriter } from "./content.ts";
import { readChunks } from "./read-chunks.ts";
import { blobWriter, type Written } from "./writer.ts";

const MOST_AGE = 7 * 86_400_000;
const MOST_BYTES = 32 * 2 ** 30;

export type Partials = {
  /** One attempt a blob at a time. `finish` takes the file over. @throws conflict */
  resume(blob: Blob, finish: (path: string) => Promise<void>): Promise<ResumableWriter>;
  list(): Promise<readonly Partial[]>;
  drop(before?: Date): Promise<{ bytes: number }>;
  /** Keeps to the limits. At start. */
  sweep(): Promise<void>;
};

export async function openPartials(folder: string): Promise<Partials> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const underWay = new Set<Digest>();
  const pathOf = (digest: Digest) => join(folder, digits(digest));

  return {
    async resume(blob, finish) {
      if (underWay.has(blob.digest)) throw fail("conflict", `store ${blob.digest}: it is being stored already`);
      underWay.add(blob.digest);
      try {
        let ended = false;
        return await begin(blob, finish, () => {
          if (!ended) underWay.delete(blob.digest);
          ended = true;
        });
      } catch (error) {
        underWay.delete(blob.digest);
        throw error;
      }
    },
    list,
    async drop(before) {
      const doomed = (await list()).filter(({ modified }) => before === undefined || modified < before);
      return remove(doomed);
    },
    async sweep() {
      for (const name of await readdir(folder)) if (!isDigest(`sha256:${name}`)) await unlink(join(folder, name));
      const oldest = Date.now() - MOST_AGE;
      let bytes = 0;
      const newestFirst = (await list()).toSorted((a, b) => b.modified.getTime() - a.modified.getTime());
      await remove(newestFirst.filter(({ size, modified }) => (bytes += size) > MOST_BYTES || modified.getTime() < oldest));
    },
  };

  async function begin(blob: Blob, finish: (path: string) => Promise<void>, end: () => void): Promise<ResumableWriter> {
    const path = pathOf(blob.digest);
    const file = await diskFailure("store a blob", open(path, "a", 0o600));
    let offset = (await file.stat()).size;
    if (offset > blob.size) {
      await file.truncate(0);
      offset = 0;
    }
    const written: Written = { hash: hasher(), size: 0 };
    const writer = blobWriter({ path, file, expected: blob, finish: () => finish(path) }, written);
    return {
      offset,
      async *replay() {
        for await (const chunk of readChunks(path, 0, () => fail("internal", `store ${blob.digest}: what was kept of it is gone`))) {
          written.size += chunk.length;
          written.hash.update(chunk);
          yield chunk;
        }
      },
      async write(chunk) {
        await failpoint("content.partial");
        await writer.write(chunk);
      },
      commit: (verified) => writer.commit(verified).finally(end),
      async suspend() {
        try {
          await writer.suspend();
          // An empty file is nothing to go on from.
          if (written.size + offset === 0) await unlink(path).catch(() => undefined);
        } finally {
          end();
        }
      },
      abort: () => writer.abort().finally(end),
    };
  }

  async function list(): Promise<Partial[]> {
    const found: Partial[] = [];
    for (const name of await readdir(folder)) {
      const digest = `sha256:${name}`;
      const known = isDigest(digest) && !underWay.has(digest) ? await stat(join(folder, name)).catch(() => undefined) : undefined;
      if (known !== undefined && isDigest(digest)) found.push({ digest, size: known.size, modified: known.mtime });
    }
    return found;
  }

  async function remove(doomed: readonly Partial[]): Promise<{ bytes: number }> {
    let bytes = 0;
    for (const { digest, size } of doomed) {
      if (underWay.has(digest)) continue;
      await unlink(pathOf(digest)).catch(() => undefined);
      bytes += size;
    }
    return { bytes };
  }
}
