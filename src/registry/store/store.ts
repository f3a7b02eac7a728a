/**
 * Repositories over objects.
 *
 *     const manifest = await store.manifest("team/app", { tag: "1.0" });
 *     const { digest } = await store.putManifest("team/app", { bytes, mediaType, tag: "1.0" });
 *
 * A blob is readable only through a repository that it was pushed or mounted to (RS-03). Names, tags and digests have been
 * checked by whoever calls (`api/path.ts`): they become keys.
 *
 * Keys (and `sha512` beside `sha256`, for what was pushed by such a digest):
 * - `blobs/sha256/DIGITS`: bytes, of blobs and of manifests; `trash/DIGITS` while a collection decides about them
 * - `catalog/NAME` ("/" as "!"): that there is a repository; never taken away, so that a collection misses none
 * - `repositories/NAME/_blobs/sha256/DIGITS`: empty: the repository has the blob
 * - `repositories/NAME/_manifests/sha256/DIGITS`: the manifest's descriptor (JSON)
 * - `repositories/NAME/_tags/TAG`: the same descriptor
 * - `repositories/NAME/_referrers/sha256/SUBJECT/DIGITS`: the referrer's descriptor, with artifactType and annotations
 * - `repositories/NAME/_pulled/TAG`: empty: its time is when the tag was last pulled, within an hour
 * - `uploads/UUID`: an upload's bytes
 *
 * Failures: `not-found` (facts.code says which of the specification's codes), `invalid`, `conflict` (create-only tags),
 * `exhausted` (quota, disk), `unavailable`.
 */
import type { Digest } from "./digest.ts";

export type ManifestDescriptor = {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
};

/** By tag or by digest. */
export type ManifestRef = { readonly tag: string; readonly digest?: undefined } | { readonly digest: Digest; readonly tag?: undefined };

export type StoredManifest = { readonly mediaType: string; readonly digest: Digest; readonly bytes: Buffer };

/** `bytes` when it is small enough to be in memory; otherwise `open` streams it. */
export type StoredBlob = {
  readonly size: number;
  readonly bytes?: Buffer;
  /** `end` is exclusive. `reuse`: a chunk need be good only until the next one is asked for. */
  open(range?: { readonly start: number; readonly end: number }, options?: { readonly reuse?: boolean }): Promise<AsyncIterable<Buffer>>;
};

export type NewManifest = {
  readonly bytes: Buffer;
  readonly mediaType: string;
  readonly tag?: string | undefined;
  /** What the client said it is. */
  readonly digest?: Digest | undefined;
  /** A copy of an upstream's: what it refers to may come later. */
  readonly partial?: true;
};

export type Claim = { readonly claim?: boolean };

export type Page = { readonly limit: number; readonly after?: string | undefined };
export type Listing<T> = { readonly items: readonly T[]; readonly more: boolean };

export type Store = AsyncDisposable & {
  /** `claim`: whoever asks may rely on it in a push: no collection takes it for a while. */
  manifest(repository: string, ref: ManifestRef, options?: Claim): Promise<StoredManifest | undefined>;
  putManifest(repository: string, manifest: NewManifest): Promise<{ readonly digest: Digest; readonly subject: Digest | undefined }>;
  /** With its tags. False when there is none. */
  deleteManifest(repository: string, digest: Digest): Promise<boolean>;
  deleteTag(repository: string, tag: string): Promise<boolean>;

  blob(repository: string, digest: Digest, options?: Claim): Promise<StoredBlob | undefined>;
  deleteBlob(repository: string, digest: Digest): Promise<boolean>;
  /** Whoever asks may read `from`. False when it does not have the blob. */
  mountBlob(repository: string, digest: Digest, from: string): Promise<boolean>;

  /** Undefined: no such repository. */
  tags(repository: string, page: Page): Promise<Listing<string> | undefined>;
  repositories(page: Page): Promise<Listing<string>>;
  referrers(repository: string, subject: Digest, page: Page): Promise<Listing<ManifestDescriptor>>;

  readonly uploads: Uploads;
};

export type Uploads = {
  /** `id`: unguessable, and says whose it is (`api/upload-id.ts`). */
  start(repository: string, id: string): Promise<void>;
  /** Bytes so far. Undefined: no such upload. */
  status(id: string): Promise<number | undefined>;
  /**
   * Appends. Returns the new length.
   * @throws not-found; invalid with facts.size when `start` is not the end of what is there
   */
  append(id: string, repository: string, source: AsyncIterable<Uint8Array>, options?: AppendOptions): Promise<number>;
  /** Appends the last bytes, if any; verifies; links. The upload is gone after it, unless bytes are still missing. */
  finish(id: string, repository: string, digest: Digest, source: AsyncIterable<Uint8Array>, options?: AppendOptions): Promise<{ readonly size: number }>;
  cancel(id: string): Promise<boolean>;
};

export type AppendOptions = {
  /** Where the client says that the bytes belong. */
  readonly start?: number | undefined;
  /** The source's chunks are nobody else's, and may be emptied. */
  readonly consume?: boolean;
};
