/** Where each thing is stored; the list stands in store.ts. */
import { algorithmOf, digestOfDigits, digits, type Digest } from "./digest.ts";

/** Here and in repositories: of all algorithms, each in a folder of its own. */
export const blobsPrefix = "blobs/";
export const trashPrefix = "trash/";
export const uploadsPrefix = "uploads/";
export const catalogPrefix = "catalog/";

const algorithmAndDigits = (digest: Digest): string => `${algorithmOf(digest)}/${digits(digest)}`;

export const blobKey = (digest: Digest): string => blobsPrefix + algorithmAndDigits(digest);
export const trashKey = (digest: Digest): string => trashPrefix + digits(digest);
export const uploadKey = (id: string): string => uploadsPrefix + id;

/** "!" is in no name, and before all that is: names that begin alike stay together. */
export const catalogKey = (repository: string): string => catalogPrefix + repository.replaceAll("/", "!");
export const repositoryOf = (key: string): string => key.slice(catalogPrefix.length).replaceAll("!", "/");

/** No component of a name begins with "_": what belongs to "a" and the repository "a/b" do not meet. */
export const linksPrefix = (repository: string): string => `repositories/${repository}/_blobs/`;
export const manifestsPrefix = (repository: string): string => `repositories/${repository}/_manifests/`;
export const tagsPrefix = (repository: string): string => `repositories/${repository}/_tags/`;
export const pulledPrefix = (repository: string): string => `repositories/${repository}/_pulled/`;
export const referrersPrefix = (repository: string, subject: Digest): string => `repositories/${repository}/_referrers/${algorithmAndDigits(subject)}/`;

export const linkKey = (repository: string, digest: Digest): string => linksPrefix(repository) + algorithmAndDigits(digest);
export const manifestKey = (repository: string, digest: Digest): string => manifestsPrefix(repository) + algorithmAndDigits(digest);
export const tagKey = (repository: string, tag: string): string => tagsPrefix(repository) + tag;
export const pulledKey = (repository: string, tag: string): string => pulledPrefix(repository) + tag;
export const referrerKey = (repository: string, subject: Digest, digest: Digest): string => referrersPrefix(repository, subject) + digits(digest);

/** The last component. */
export const lastOf = (key: string): string => key.slice(key.lastIndexOf("/") + 1);

/** Undefined for what is not ours. */
export const digestOf = (key: string): Digest | undefined => digestOfDigits(lastOf(key));
