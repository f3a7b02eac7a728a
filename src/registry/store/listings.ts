/** Pages of tags, of repositories, of referrers. */
import type { Digest } from "./digest.ts";
import { MAX_DOCUMENT } from "#spec/image.ts";
import { catalogKey, catalogPrefix, lastOf, referrersPrefix, repositoryOf, tagKey, tagsPrefix } from "./keys.ts";
import { hasManifests } from "./manifests.ts";
import type { Parts } from "./open-store.ts";
import { readDescriptor } from "./records.ts";
import type { Listing, ManifestDescriptor, Page } from "./store.ts";

export async function listTags(parts: Parts, repository: string, { limit, after }: Page): Promise<Listing<string> | undefined> {
  const prefix = tagsPrefix(repository);
  const keys = parts.storage.list(prefix, after === undefined ? {} : { after: tagKey(repository, after) });
  const { items, more } = await take(keys, limit, async (key) => lastOf(key));
  if (items.length === 0 && !(await isRepository(parts, repository))) return undefined;
  return { items, more };
}

/** That something was pushed there, even if only a blob so far. */
async function isRepository({ storage }: Parts, repository: string): Promise<boolean> {
  return (await storage.stat(catalogKey(repository))) !== undefined;
}

/** Of those that have a manifest; in the order of their keys. */
export async function listRepositories(parts: Parts, { limit, after }: Page): Promise<Listing<string>> {
  const keys = parts.storage.list(catalogPrefix, after === undefined ? {} : { after: catalogKey(after) });
  return await take(keys, limit, async (key) => ((await hasManifests(parts, repositoryOf(key))) ? repositoryOf(key) : undefined));
}

/** `after`: the digits of a digest. */
export async function listReferrers({ storage }: Parts, repository: string, subject: Digest, { limit, after }: Page): Promise<Listing<ManifestDescriptor>> {
  const prefix = referrersPrefix(repository, subject);
  const keys = storage.list(prefix, after === undefined ? {} : { after: prefix + after });
  let length = 0;
  return await take(keys, limit, async (key) => {
    // Annotations may be long: a page is bounded in bytes, too.
    if (length > MAX_DOCUMENT) return END;
    const bytes = await storage.read(key);
    length += bytes?.length ?? 0;
    return bytes === undefined ? undefined : readDescriptor(bytes, key);
  });
}

/** Instead of an item: there are more, and the page is full. */
const END = Symbol("end");

/** Undefined ones are passed over. */
async function take<T>(keys: AsyncIterable<string>, limit: number, of: (key: string) => Promise<T | undefined | typeof END>): Promise<Listing<T>> {
  const items: T[] = [];
  if (limit === 0) return { items, more: false };
  for await (const key of keys) {
    const item = await of(key);
    if (item === undefined) continue;
    if (item === END || items.length === limit) return { items, more: true };
    items.push(item);
  }
  return { items, more: false };
}
