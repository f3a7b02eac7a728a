/**
 * The content store: bytes by their digest. What is in it is complete, verified and durable; nothing else is.
 *
 *     using lease = leases.open();
 *     const { digest, size } = await content.ingest(lease, request, { digest: wanted, size: claimed });
 *     const bytes = await content.read(digest);          // a document, whole
 *     for await (const chunk of content.stream(digest)) …// a layer
 *
 * Life of a blob: bytes go to a file of their own in `ingest/` while they are hashed; at their end size and digest are
 * compared, the file is synced, renamed to `blobs/sha256/DIGITS`, the folder synced, the row written. A crash leaves at
 * most a file that no row names; it is removed at the next start. A blob is held by the lease from before it exists.
 */
import type { Digest } from "#spec/digest.ts";
import type { Lease } from "../leases/leases.ts";

export type Bytes = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

export type Blob = { readonly digest: Digest; readonly size: number };

/** What the source is said to be. Whatever is given is compared; `limit` is the most bytes that are accepted. */
export type Expected = { readonly digest?: Digest; readonly size?: number; readonly limit?: number };

export type Content = {
  /**
   * Takes the bytes in. A blob that is there already is not written again.
   * @throws invalid when size, digest or limit do not hold; exhausted when the disk is full; nothing is left then.
   */
  ingest(lease: Lease, source: Bytes, expected?: Expected): Promise<Blob>;
  /** The same for bytes that come piece by piece. Give up with `abort`; after a failed `write` it has given up already. */
  writer(lease: Lease, expected?: Expected): Promise<BlobWriter>;
  /** Holds the blob if it is there. Undefined if not. */
  find(lease: Lease, digest: Digest): Blob | undefined;
  stat(digest: Digest): Blob | undefined;
  /** The whole of a small blob, compared with its digest. @throws not-found; invalid when it is longer than limit (4 MiB). */
  read(digest: Digest, limit?: number): Promise<Buffer>;
  /** Chunks of 1 MiB. Not verified: hash it, or have it hashed on its way. @throws not-found. */
  stream(digest: Digest): AsyncIterable<Buffer>;
  list(): Blob[];
};

export type BlobWriter = {
  write(chunk: Uint8Array): Promise<void>;
  commit(): Promise<Blob>;
  abort(): Promise<void>;
};
