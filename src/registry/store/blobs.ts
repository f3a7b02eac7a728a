/** Blobs of repositories: bytes that are shared, links that are not. */
import type { Digest } from "./digest.ts";
import type { Storage } from "../storage/storage.ts";
import type { BytesCache } from "./bytes-cache.ts";
import type { Fresh } from "./fresh.ts";
import { blobKey, linkKey, trashKey } from "./keys.ts";
import type { Parts } from "./open-store.ts";
import type { StoredBlob } from "./store.ts";

const NOTHING = Buffer.alloc(0);

export async function getBlob({ storage, links, small }: Parts, repository: string, digest: Digest): Promise<StoredBlob | undefined> {
  if ((await links.get(linkKey(repository, digest))) === undefined) return undefined;
  const bytes = small.get(digest);
  if (bytes !== undefined) return inMemory(bytes);
  const found = (await storage.stat(blobKey(digest))) ?? (await restored(storage, digest));
  if (found === undefined) return undefined;
  if (found.size <= small.longest) {
    const read = await storage.read(blobKey(digest));
    if (read === undefined) return undefined;
    small.add(digest, read);
    return inMemory(read);
  }
  return {
    size: found.size,
    async open(range, options) {
      const object = await storage.get(blobKey(digest), range, options);
      if (object === undefined) throw new Error(`read ${digest}: it is gone`);
      return object.stream;
    },
  };
}

function inMemory(bytes: Buffer): StoredBlob {
  return {
    size: bytes.length,
    bytes,
    async open({ start, end } = { start: 0, end: bytes.length }) {
      const part = bytes.subarray(start, end);
      return (async function* () {
        yield part;
      })();
    },
  };
}

/** A collection may be deciding about it: whoever needs it takes it back. */
async function restored(storage: Storage, digest: Digest): Promise<{ size: number } | undefined> {
  await storage.move(trashKey(digest), blobKey(digest));
  return await storage.stat(blobKey(digest));
}

/**
 * The repository has the blob, from now on, durably. The bytes must have been there a moment ago; that they still are is
 * looked at after the link is written, so that either we see what a collection took, or it sees the link.
 * @returns false when the bytes are gone
 */
export async function linkBlob(parts: Parts, repository: string, digest: Digest): Promise<boolean> {
  const { storage, links } = parts;
  await parts.announce(repository);
  await storage.put(linkKey(repository, digest), NOTHING);
  links.forget(linkKey(repository, digest));
  if (await hasBytes(parts, digest)) return true;
  await storage.delete(linkKey(repository, digest));
  links.forget(linkKey(repository, digest));
  return false;
}

export async function hasBytes({ storage }: Parts, digest: Digest): Promise<boolean> {
  return ((await storage.stat(blobKey(digest))) ?? (await restored(storage, digest))) !== undefined;
}

/** Whether the repository has it; a collection leaves it alone for a while from now on. */
export async function claimLink({ storage }: Parts, repository: string, digest: Digest): Promise<boolean> {
  return await storage.renew(linkKey(repository, digest));
}

export async function deleteBlob({ storage, links }: Parts, repository: string, digest: Digest): Promise<boolean> {
  const key = linkKey(repository, digest);
  const had = (await storage.stat(key)) !== undefined;
  await storage.delete(key);
  links.forget(key);
  return had;
}

export async function mountBlob(parts: Parts, repository: string, digest: Digest, from: string): Promise<boolean> {
  if (!(await claimLink(parts, from, digest))) return false;
  if (!(await hasBytes(parts, digest))) return false;
  return await linkBlob(parts, repository, digest);
}

export type Links = Fresh<true>;
export type Small = BytesCache;
