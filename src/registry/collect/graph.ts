/** What a repository has, and what leads to what in it. Pure but for the reading. */
import type { Digest } from "../store/digest.ts";
import type { Storage } from "../storage/storage.ts";
import { blobKey, digestOf, lastOf, manifestsPrefix, pulledKey, tagsPrefix, trashKey } from "../store/keys.ts";
import { parseManifest } from "../store/manifest-rules.ts";
import { readDescriptor } from "../store/records.ts";
import type { TagTimes } from "./retention.ts";

export type Node = { readonly blobs: readonly Digest[]; readonly manifests: readonly Digest[]; readonly subject: Digest | undefined };
export type Tag = TagTimes & { readonly key: string; readonly version: string; readonly digest: Digest };
export type Graph = { readonly tags: readonly Tag[]; readonly manifests: ReadonlyMap<Digest, Node> };

/** `known`: what was read a moment ago; manifests do not change. */
export async function readGraph(storage: Storage, repository: string, known?: Graph): Promise<Graph> {
  // Manifests after tags: a tag is written after its manifest.
  const tags = await readTags(storage, repository);
  const manifests = new Map<Digest, Node>();
  for await (const key of storage.list(manifestsPrefix(repository))) {
    const digest = digestOf(key);
    if (digest !== undefined) manifests.set(digest, known?.manifests.get(digest) ?? (await readNode(storage, digest)));
  }
  return { tags, manifests };
}

async function readTags(storage: Storage, repository: string): Promise<Tag[]> {
  const tags: Tag[] = [];
  for await (const key of storage.list(tagsPrefix(repository))) {
    const [found, bytes] = [await storage.stat(key), await storage.read(key)];
    if (found === undefined || bytes === undefined) continue;
    const tag = lastOf(key);
    const pulled = (await storage.stat(pulledKey(repository, tag)))?.modified.getTime();
    tags.push({ key, tag, digest: readDescriptor(bytes, key).digest, version: found.version, pushed: found.modified.getTime(), pulled });
  }
  return tags;
}

/** @throws when a manifest cannot be read: what it needs is unknown, so nothing may be taken. */
export async function readNode(storage: Storage, digest: Digest): Promise<Node> {
  const bytes = (await storage.read(blobKey(digest))) ?? (await storage.read(trashKey(digest)));
  // Linked and not there: it was deleted between the two looks, or the store is damaged; it leads nowhere.
  if (bytes === undefined) return { blobs: [], manifests: [], subject: undefined };
  const { blobs, manifests, subject } = parseManifest(bytes, undefined);
  return { blobs, manifests, subject };
}

/** Manifests that the roots lead to, down indexes, and up from subjects to their referrers. */
export function reachable({ manifests }: Graph, roots: Iterable<Digest>): Set<Digest> {
  const referrers = new Map<Digest, Digest[]>();
  for (const [digest, { subject }] of manifests) if (subject !== undefined) referrers.set(subject, [...(referrers.get(subject) ?? []), digest]);
  const reached = new Set<Digest>();
  const waiting = [...roots];
  for (let digest = waiting.pop(); digest !== undefined; digest = waiting.pop()) {
    if (reached.has(digest)) continue;
    reached.add(digest);
    waiting.push(...(manifests.get(digest)?.manifests ?? []), ...(referrers.get(digest) ?? []));
  }
  return reached;
}

export function blobsOf({ manifests }: Graph, of: Iterable<Digest>): Set<Digest> {
  const blobs = new Set<Digest>();
  for (const digest of of) for (const blob of manifests.get(digest)?.blobs ?? []) blobs.add(blob);
  return blobs;
}
