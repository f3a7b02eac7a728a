/**
 * Uploads: bytes that come in pieces, over several requests, perhaps to several instances. The hash is made while they
 * come; only an upload that goes on in another process (or after a failure, or that is of SHA-512) is read again to hash it.
 */
import { fail, kindOf } from "#base/errors.ts";
import type { Upload } from "../storage/storage.ts";
import { linkBlob } from "./blobs.ts";
import { algorithmOf, hasher, type Algorithm, type Digest, type Hasher } from "./digest.ts";
import { blobKey, uploadKey } from "./keys.ts";
import type { Parts } from "./open-store.ts";
import type { AppendOptions, Uploads } from "./store.ts";

/** Of the first `size` bytes of an upload. */
type Hashed = { readonly state: Hasher; size: number };

/** An upload that a request of this process writes to: another request for it ends the first, whose client is gone. */
type Active = { readonly ended: Promise<void>; end(): void; size(): number };

/** Uploads between two requests whose hash is remembered. */
const REMEMBERED = 1000;

export function openUploads(parts: Parts): Uploads {
  const hashes = new Map<string, Hashed>();
  const active = new Map<string, Active>();
  const { storage, quota } = parts;

  const withUpload = async <T>(id: string, work: (upload: Upload, signal: AbortSignal) => Promise<T>): Promise<T> => {
    for (let other = active.get(id); other !== undefined; other = active.get(id)) {
      other.end();
      await other.ended;
    }
    const abort = new AbortController();
    const { promise, resolve } = Promise.withResolvers<void>();
    let upload: Upload | undefined;
    active.set(id, { ended: promise, end: () => abort.abort(), size: () => upload?.size ?? 0 });
    try {
      upload = await storage.upload(uploadKey(id));
      if (upload === undefined) throw unknown();
      return await work(upload, abort.signal);
    } finally {
      active.delete(id);
      resolve();
    }
  };

  const appendTo = async (id: string, repository: string, upload: Upload, { source, start, consume = false, signal, algorithm = "sha256" }: Piece): Promise<Hashed> => {
    if (start !== undefined && start !== upload.size) {
      throw fail("invalid", `go on with an upload: it has ${upload.size} bytes, and these belong at ${start}`, { facts: { code: "RANGE_INVALID", size: upload.size } });
    }
    const hashed = await hashOf(hashes.get(id), upload, algorithm);
    hashes.delete(id);
    const admit = await quota.open(repository, upload.size);
    const look = (chunk: Uint8Array) => {
      admit(chunk.length);
      hashed.state.update(chunk);
      hashed.size += chunk.length;
    };
    try {
      await upload.append(watched(source, signal, look), { consume });
    } catch (error) {
      // What came before is kept, and so is its hash.
      if (hashed.size === upload.size) remember(hashes, id, hashed);
      throw error;
    }
    return hashed;
  };

  return {
    async start(repository, id) {
      await quota.admit(repository, 0);
      const upload = await storage.upload(uploadKey(id), { create: true });
      await upload?.release();
    },

    async status(id) {
      const running = active.get(id);
      if (running !== undefined) return running.size();
      return await withUpload(id, async (upload) => {
        await upload.release();
        return upload.size;
      }).catch((error: unknown) => {
        if ((error as { facts?: { code?: unknown } }).facts?.code === UNKNOWN) return undefined;
        throw error;
      });
    },

    append: (id, repository, source, options) =>
      withUpload(id, async (upload, signal) => {
        const hashed = await orLetGo(upload, appendTo(id, repository, upload, { ...options, source, signal }));
        remember(hashes, id, hashed);
        await upload.release();
        return upload.size;
      }),

    finish: (id, repository, digest, source, options) =>
      withUpload(id, async (upload, signal) => {
        const hashed = await orLetGo(upload, appendTo(id, repository, upload, { ...options, source, signal, algorithm: algorithmOf(digest) }));
        await verify(upload, hashed, digest);
        await commit(parts, upload, repository, digest);
        quota.added(repository, upload.size);
        return { size: upload.size };
      }),

    async cancel(id) {
      hashes.delete(id);
      return await withUpload(id, async (upload) => {
        await upload.abort();
        return true;
      }).catch((error: unknown) => {
        if ((error as { facts?: { code?: unknown } }).facts?.code === UNKNOWN) return false;
        throw error;
      });
    },
  };
}

type Piece = AppendOptions & { readonly source: AsyncIterable<Uint8Array>; readonly signal: AbortSignal; readonly algorithm?: Algorithm };

const UNKNOWN = "BLOB_UPLOAD_UNKNOWN";
const unknown = () => fail("not-found", "go on with an upload: there is none of that name", { facts: { code: UNKNOWN } });

/** Which algorithm is wanted is known at the end only: bytes that came before were taken for SHA-256. */
async function hashOf(known: Hashed | undefined, upload: Upload, algorithm: Algorithm): Promise<Hashed> {
  if (known !== undefined && known.size === upload.size && known.state.algorithm === algorithm) return known;
  const state = hasher(algorithm);
  if (upload.size > 0) for await (const chunk of upload.read()) state.update(chunk);
  return { state, size: upload.size };
}

/** A failed append leaves the upload to whoever goes on; where there is no room nobody does, and what it has makes some. */
async function orLetGo<T>(upload: Upload, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    await (kindOf(error) === "exhausted" ? upload.abort() : upload.release());
    throw error;
  }
}

/** What does not have the digest is good for nothing: the upload is over. */
async function verify(upload: Upload, hashed: Hashed, digest: Digest): Promise<void> {
  const found = hashed.state.digest();
  if (found === digest && hashed.size === upload.size) return;
  await upload.abort();
  throw fail("invalid", `take a blob: its digest is ${found}, not ${digest}`, { facts: { code: "DIGEST_INVALID" } });
}

async function commit(parts: Parts, upload: Upload, repository: string, digest: Digest): Promise<void> {
  try {
    await upload.commit(blobKey(digest));
  } catch (error) {
    await upload.abort().catch(() => {});
    throw error;
  }
  if (await linkBlob(parts, repository, digest)) return;
  throw fail("unavailable", `take ${digest}: a collection took it at this very moment; send it again`, { facts: { code: "BLOB_UPLOAD_INVALID" } });
}

async function* watched(source: AsyncIterable<Uint8Array>, signal: AbortSignal, look: (chunk: Uint8Array) => void): AsyncGenerator<Uint8Array> {
  // A request whose client is gone without a word would never give another chunk.
  const stop = () => (source as { destroy?(): void }).destroy?.();
  const refuse = () => fail("cancelled", "take an upload: another request goes on with it");
  signal.addEventListener("abort", stop, { once: true });
  try {
    for await (const chunk of source) {
      if (signal.aborted) throw refuse();
      look(chunk);
      yield chunk;
    }
    if (signal.aborted) throw refuse();
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

function remember(hashes: Map<string, Hashed>, id: string, hashed: Hashed): void {
  if (hashes.size >= REMEMBERED) hashes.delete(hashes.keys().next().value as string);
  hashes.set(id, hashed);
}
