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
 *
 * A download that was cut goes on later (`resume`), also after a crash: what came is kept in `partial/DIGITS`, which is no
 * blob and which nobody can read but the next attempt. Kept are at most 7 days and 32 GiB of them, the newest.
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
  /**
   * The same for bytes that somebody else writes into the (empty) file at `path`: `fill` tells how many there are so far, and
   * they are hashed while the next are written. A failure of `fill`, or fewer bytes than it told, is a failure of this.
   */
  take(lease: Lease, fill: (path: string) => AsyncIterable<number>): Promise<Blob>;
  /** The same for a blob that is known beforehand and may come in several attempts. */
  resume(lease: Lease, blob: Blob): Promise<ResumableWriter>;
  /** What attempts that ended left, with the bytes that came of each. */
  partials(): Promise<readonly Partial[]>;
  /** Removes what attempts left, but for those under way; with `before`, only the older ones. */
  dropPartials(before?: Date): Promise<{ bytes: number }>;
  /** Holds the blob if it is there. Undefined if not. */
  find(lease: Lease, digest: Digest): Blob | undefined;
  stat(digest: Digest): Blob | undefined;
  /** The whole of a small blob, compared with its digest. @throws not-found; invalid when it is longer than limit (4 MiB). */
  read(digest: Digest, limit?: number): Promise<Buffer>;
  /** Chunks of 1 MiB, from that byte on. Not verified: hash it, or have it hashed on its way. @throws not-found. */
  stream(digest: Digest, from?: number): AsyncIterable<Buffer>;
  list(): Blob[];
};

export type BlobWriter = {
  write(chunk: Uint8Array): Promise<void>;
  /** `verified` is called once size and digest hold, before the disk is waited for. */
  commit(verified?: () => void): Promise<Blob>;
  abort(): Promise<void>;
};

export type Partial = { readonly digest: Digest; readonly size: number; readonly modified: Date };

export type ResumableWriter = BlobWriter & {
  /** Bytes that are here of earlier attempts: what is written goes on there. */
  readonly offset: number;
  /** Those bytes, in order. To be read to its end before the first `write` or `commit`: they are hashed on this way. */
  replay(): AsyncIterable<Buffer>;
  /** Ends this attempt; what came is kept for the next one. */
  suspend(): Promise<void>;
};
