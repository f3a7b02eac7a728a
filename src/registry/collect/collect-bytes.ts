/**
 * Bytes that no repository has. They are moved to the trash, all repositories are looked at once more, and only what still
 * has no link goes for good. Whoever links bytes looks for them after the link is written, also in the trash.
 */
import { digits, type Digest } from "../store/digest.ts";
import { blobKey, blobsPrefix, catalogPrefix, digestOf, lastOf, linksPrefix, manifestsPrefix, repositoryOf, trashKey, trashPrefix } from "../store/keys.ts";
import type { Collection } from "./collect.ts";

export async function collectBytes(collection: Collection): Promise<void> {
  const { storage, settings, now, dryRun, report, say, hold } = collection;
  const linked = await allLinked(collection);
  const sizes = new Map<Digest, number>();
  for await (const key of storage.list(blobsPrefix)) {
    const digest = digestOf(key);
    if (digest === undefined || key !== blobKey(digest) || linked.has(digits(digest))) continue;
    const found = await storage.stat(key);
    if (found === undefined || now() - found.modified.getTime() < settings.graceMs) continue;
    sizes.set(digest, found.size);
    if (!dryRun) await storage.move(key, trashKey(digest));
    await hold();
  }
  if (dryRun) for (const [digest, size] of sizes) count(digest, size);
  else await emptyTrash(collection, count);

  function count(digest: Digest, size: number): void {
    say(`blob ${digest}, ${size} bytes`);
    report.blobs++;
    report.bytes += size;
  }
}

/** Also of a collection that died. */
async function emptyTrash(collection: Collection, tell: (digest: Digest, size: number) => void): Promise<void> {
  const { storage, hold } = collection;
  const trashed = await Array.fromAsync(storage.list(trashPrefix));
  if (trashed.length === 0) return;
  const linked = await allLinked(collection);
  for (const key of trashed) {
    const digest = digestOf(key);
    if (digest === undefined) continue;
    if (linked.has(digits(digest))) {
      // Where it has been sent again meanwhile, one of the two is enough.
      if ((await storage.stat(blobKey(digest))) === undefined) await storage.move(key, blobKey(digest));
      else await storage.delete(key);
      continue;
    }
    const size = (await storage.stat(key))?.size;
    await storage.delete(key);
    if (size !== undefined) tell(digest, size);
    await hold();
  }
}

/** The digits of every digest that some repository has, as a blob or as a manifest. */
async function allLinked({ storage, left, hold }: Collection): Promise<Set<string>> {
  const linked = new Set<string>();
  for await (const key of storage.list(catalogPrefix)) {
    const repository = repositoryOf(key);
    await hold();
    for (const prefix of [linksPrefix(repository), manifestsPrefix(repository)]) {
      for await (const link of storage.list(prefix)) if (!left.has(link)) linked.add(lastOf(link));
    }
  }
  return linked;
}
