/** The store around the store: each question first says whether the repository is a copy. Upstreams are asked by SHA-256 only. */
import type { Log } from "#base/log.ts";
import { isSha256 } from "../store/digest.ts";
import type { Store } from "../store/store.ts";
import { openBlobs } from "./blobs.ts";
import { listCopiedReferrers, openTagLists } from "./listings.ts";
import { openManifests } from "./manifests.ts";
import type { Copy } from "./upstreams.ts";

export type CopiesParts = {
  readonly copyOf: (repository: string) => Copy | undefined;
  /** The server ends: nothing more is fetched. */
  readonly ended: AbortSignal;
  readonly log: Log;
};

export function openCopies(inner: Store, { copyOf, ended, log }: CopiesParts): Store {
  const manifests = openManifests(inner, { ended, log });
  const blobs = openBlobs(inner, { ended, log });
  const tagLists = openTagLists(ended);
  return {
    manifest(repository, ref) {
      const copy = copyOf(repository);
      return copy === undefined || (ref.digest !== undefined && !isSha256(ref.digest)) ? inner.manifest(repository, ref) : manifests.get(copy, repository, ref);
    },
    blob(repository, digest) {
      const copy = copyOf(repository);
      return copy === undefined || !isSha256(digest) ? inner.blob(repository, digest) : blobs.get(copy, repository, digest);
    },
    async tags(repository, page) {
      const copy = copyOf(repository);
      const upstream = copy === undefined ? undefined : await tagLists.page(copy, repository, page, log);
      return upstream ?? (await inner.tags(repository, page));
    },
    async referrers(repository, subject, page) {
      const copy = copyOf(repository);
      const upstream = copy === undefined || !isSha256(subject) ? undefined : await listCopiedReferrers(copy, subject, page, ended);
      return upstream ?? (await inner.referrers(repository, subject, page));
    },
    putManifest: (repository, manifest) => inner.putManifest(repository, manifest),
    deleteManifest: (repository, digest) => inner.deleteManifest(repository, digest),
    deleteTag: (repository, tag) => inner.deleteTag(repository, tag),
    deleteBlob: (repository, digest) => inner.deleteBlob(repository, digest),
    mountBlob: (repository, digest, from) => inner.mountBlob(repository, digest, from),
    repositories: (page) => inner.repositories(page),
    uploads: inner.uploads,
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  };
}
