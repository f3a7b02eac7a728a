/** Where each thing is stored; the list stands in store.ts. */
import { digits, isDigest, type Digest } from "#spec/digest.ts";

export const blobsPrefix = "blobs/sha256/";
export const trashPrefix = "trash/";
export const uploadsPrefix = "uploads/";
export const catalogPrefix = "catalog/";

export const blobKey = (digest: Digest): string => blobsPrefix + digits(digest);
export const trashKey = (digest: Digest): string => trashPrefix + digits(digest);
export const uploadKey = (id: string): string => uploadsPrefix + id;

/** "!" is in no name, and before all that is: names that begin alike stay together. */
export const catalogKey = (repository: string): string => catalogPrefix + repository.replaceAll("/", "!");
export const repositoryOf = (key: string): string => key.slice(catalogPrefix.length).replaceAll("!", "/");

/** No component of a name begins with "_": what belongs to "a" and the repository "a/b" do not meet. */
export const linksPrefix = (repository: string): string => `repositories/${repository}/_blobs/sha256/`;
export const manifestsPrefix = (repository: string): string => `repositories/${repository}/_manifests/sha256/`;
export const tagsPrefix = (repository: string): string => `repositories/${repository}/_tags/`;
export const pulledPrefix = (repository: string): string => `repositories/${repository}/_pulled/`;
export const referrersPrefix = (repository: string, subject: Digest): string => `repositories/${repository}/_referrers/sha256/${digits(subject)}/`;

export const linkKey = (repository: string, digest: Digest): string => linksPrefix(repository) + digits(digest);
export const manifestKey = (repository: string, digest: Digest): string => manifestsPrefix(repository) + digits(digest);
export const tagKey = (repository: string, tag: string): string => tagsPrefix(repository) + tag;
export const pulledKey = (repository: string, tag: string): string => pulledPrefix(repository) + tag;
export const referrerKey = (repository: string, subject: Digest, digest: Digest): string => referrersPrefix(repository, subject) + digits(digest);

/** The last component. */
export const lastOf = (key: string): string => key.slice(key.lastIndexOf("/") + 1);

/** Undefined for what is not ours. */
export function digestOf(key: string): Digest | undefined {
  const digest = `sha256:${lastOf(key)}`;
  return isDigest(digest) ? digest : undefined;
}
