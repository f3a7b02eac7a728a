/**
 * Pull-through: repositories that are copies of an upstream's. A cache is a store around a store: what is asked of it and
 * not here (or, for a tag, not fresh) is brought from the upstream first, and kept.
 *
 *     const upstreams = openUpstreams([{ prefix: "docker.io", registry: "docker.io", ttlMs: 60_000 }], { open, log });
 *     const store = upstreams.around(openStore({ … }));       // docker.io/library/busybox is Docker Hub's busybox
 *
 * What it holds to (security RS-10):
 * - Who asks has been authorized for the repository before the store is asked: what is here is shown to those only whom the
 *   policy lets read it. Nobody's credentials go to the upstream but those of its settings, and those go nowhere else.
 * - Every repository asks its own upstream repository: that another one has the blob's bytes opens nothing.
 * - Bytes are kept only when size and digest hold; of a blob that is passed on while it comes, the last bytes are held back
 *   until they do.
 * - An upstream that says "not found" or "no access" is believed; one that says nothing is stood in for with what is here.
 */
import type { Digest } from "#spec/digest.ts";
import type { Store } from "../store/store.ts";

// openUpstreams is imported from upstreams.ts by whoever has any.
export type { UpstreamParts } from "./upstreams.ts";

export type Upstreams = AsyncDisposable & {
  /** The store as the API sees it. Repositories without an upstream are passed on unchanged. */
  around(store: Store): Store;
  /** Whether the repository is a copy: nobody pushes to it. */
  isCopy(repository: string): boolean;
};

/** No repository has an upstream. */
export const noUpstreams: Upstreams = { around: (store) => store, isCopy: () => false, [Symbol.asyncDispose]: async () => {} };

export type UpstreamSettings = {
  /** Of our repositories' names; "": all that no other upstream has. */
  readonly prefix: string;
  /** As in a reference: "docker.io", "HOST:PORT". */
  readonly registry: string;
  /** Of the upstream's repositories, which are copied: patterns. All, if undefined. */
  readonly only?: readonly string[] | undefined;
  readonly credentials?: { readonly username: string; readonly password: string } | undefined;
  /** For how long what a tag led to is taken as still so. */
  readonly ttlMs?: number | undefined;
};

/** One of the upstream's repositories: a part of the registry client's (`transfer.Remote`), handed in by bin. */
export type UpstreamRepository = {
  resolve(tagOrDigest: string, signal: AbortSignal): Promise<{ descriptor: UpstreamDescriptor }>;
  manifest(tagOrDigest: string, signal: AbortSignal): Promise<{ descriptor: UpstreamDescriptor; bytes: Buffer }>;
  /** Undefined when it has none of that digest. */
  blobSize(digest: Digest, signal: AbortSignal): Promise<number | undefined>;
  /** Ends happily only when size and digest hold. */
  blob(descriptor: UpstreamDescriptor, signal: AbortSignal): AsyncIterable<Buffer>;
  tags(signal: AbortSignal): AsyncIterable<string>;
  referrers(digest: Digest, signal: AbortSignal): Promise<readonly UpstreamDescriptor[]>;
};

export type UpstreamDescriptor = { readonly mediaType: string; readonly digest: Digest; readonly size: number; readonly annotations?: Readonly<Record<string, string>>; readonly artifactType?: string };
