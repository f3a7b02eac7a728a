/**
 * Manifests and tags. The order of writing is what a collection that runs meanwhile is safe by (docs/design/registry.md):
 * what the manifest needs is claimed; the manifest is written; what it needs is looked at again; then the tag; then the
 * manifest's own link is looked at again.
 */
import { fail } from "#base/errors.ts";
import { algorithmOf, digestOfBytes, type Digest } from "./digest.ts";
import { claimLink, hasBytes, linkBlob } from "./blobs.ts";
import { blobKey, manifestKey, referrerKey, tagKey, tagsPrefix, lastOf, linkKey, digestOf, manifestsPrefix } from "./keys.ts";
import { parseManifest, type ParsedManifest } from "./manifest-rules.ts";
import type { Parts } from "./open-store.ts";
import { readDescriptor } from "./records.ts";
import type { ManifestDescriptor, ManifestRef, NewManifest, StoredManifest } from "./store.ts";

export async function getManifest(parts: Parts, repository: string, ref: ManifestRef): Promise<StoredManifest | undefined> {
  const key = ref.tag === undefined ? manifestKey(repository, ref.digest) : tagKey(repository, ref.tag);
  const found = await parts.records.get(key);
  if (found === undefined) return undefined;
  const bytes = parts.small.get(found.digest) ?? (await readBytes(parts, found.digest));
  return bytes === undefined ? undefined : { mediaType: found.mediaType, digest: found.digest, bytes };
}

async function readBytes(parts: Parts, digest: Digest): Promise<Buffer | undefined> {
  const bytes = (await parts.storage.read(blobKey(digest))) ?? ((await hasBytes(parts, digest)) ? await parts.storage.read(blobKey(digest)) : undefined);
  if (bytes !== undefined) parts.small.add(digest, bytes);
  return bytes;
}

export async function putManifest(parts: Parts, repository: string, given: NewManifest): Promise<{ digest: Digest; subject: Digest | undefined }> {
  const { bytes, tag, partial = false } = given;
  const digest = digestOfBytes(bytes, given.digest === undefined ? "sha256" : algorithmOf(given.digest));
  if (given.digest !== undefined && given.digest !== digest) {
    throw fail("invalid", `take a manifest: its digest is ${digest}, not ${given.digest}`, { facts: { code: "DIGEST_INVALID" } });
  }
  const parsed = parseManifest(bytes, given.mediaType);
  if (tag !== undefined) await refuseOverwrite(parts, repository, tag, digest);
  const { mediaType, annotations, artifactType } = parsed;
  if (!partial) await claimAll(parts, repository, parsed);
  await parts.quota.admit(repository, bytes.length);
  const descriptor: ManifestDescriptor = { mediaType, digest, size: bytes.length };
  await parts.announce(repository);
  if (!(await parts.storage.put(blobKey(digest), bytes, { ifAbsent: true }))) await parts.storage.renew(blobKey(digest));
  await putLink(parts, repository, descriptor);
  if (parsed.subject !== undefined) {
    const referrer = { ...descriptor, ...(artifactType !== undefined && { artifactType }), ...(annotations && { annotations }) };
    await parts.storage.put(referrerKey(repository, parsed.subject, digest), encode(referrer));
  }
  if (!partial) await checkAll(parts, repository, parsed, digest);
  if (!(await hasBytes(parts, digest))) await parts.storage.put(blobKey(digest), bytes);
  if (tag !== undefined) await putTag(parts, repository, tag, descriptor);
  // After it, a collection that took the manifest's link before it could see the tag is made good.
  if ((await parts.storage.stat(manifestKey(repository, digest))) === undefined) await putLink(parts, repository, descriptor);
  parts.small.add(digest, bytes);
  return { digest, subject: parsed.subject };
}

const encode = (descriptor: ManifestDescriptor): Buffer => Buffer.from(JSON.stringify(descriptor));

async function putLink({ storage, records }: Parts, repository: string, descriptor: ManifestDescriptor): Promise<void> {
  const key = manifestKey(repository, descriptor.digest);
  await storage.put(key, encode(descriptor));
  records.forget(key);
}

async function putTag(parts: Parts, repository: string, tag: string, descriptor: ManifestDescriptor): Promise<void> {
  const { storage, records, settings } = parts;
  const key = tagKey(repository, tag);
  if (settings.createOnly(repository)) {
    if (!(await storage.put(key, encode(descriptor), { ifAbsent: true }))) await refuseOverwrite(parts, repository, tag, descriptor.digest);
  } else {
    await storage.put(key, encode(descriptor));
  }
  records.forget(key);
  parts.changed();
}

async function refuseOverwrite({ storage, settings }: Parts, repository: string, tag: string, digest: Digest): Promise<void> {
  if (!settings.createOnly(repository)) return;
  const there = await storage.read(tagKey(repository, tag));
  if (there === undefined || readDescriptor(there, tag).digest === digest) return;
  throw fail("conflict", `tag ${repository}:${tag}: it exists, and tags of this repository are never overwritten`, { facts: { code: "DENIED" } });
}

/** Everything it refers to is in the repository, and young from now on (RS-05). */
async function claimAll(parts: Parts, repository: string, { blobs, manifests }: ParsedManifest): Promise<void> {
  await Promise.all([...new Set(blobs)].map(async (digest) => {
    if (!(await claimLink(parts, repository, digest))) throw missing(digest, "blob");
  }));
  if (parts.settings.sparseIndexes) return;
  await Promise.all([...new Set(manifests)].map(async (digest) => {
    if (!(await parts.storage.renew(manifestKey(repository, digest)))) throw missing(digest, "manifest");
  }));
}

/** What was claimed and is gone was taken by a collection a moment ago: it is linked again, or the manifest is taken back. */
async function checkAll(parts: Parts, repository: string, { blobs, manifests }: ParsedManifest, digest: Digest): Promise<void> {
  try {
    await Promise.all([...new Set(blobs)].map(async (blob) => {
      if ((await parts.storage.stat(linkKey(repository, blob))) !== undefined) return;
      if (!(await linkBlob(parts, repository, blob))) throw missing(blob, "blob");
    }));
    if (parts.settings.sparseIndexes) return;
    await Promise.all([...new Set(manifests)].map(async (manifest) => {
      if ((await parts.storage.stat(manifestKey(repository, manifest))) === undefined) throw missing(manifest, "manifest");
    }));
  } catch (error) {
    await deleteManifest(parts, repository, digest);
    throw error;
  }
}

const missing = (digest: Digest, what: "blob" | "manifest") =>
  fail("invalid", `take a manifest: the ${what} ${digest} that it refers to is not in the repository`, { facts: { code: "MANIFEST_BLOB_UNKNOWN", digest } });

export async function deleteManifest(parts: Parts, repository: string, digest: Digest): Promise<boolean> {
  const { storage, records } = parts;
  const key = manifestKey(repository, digest);
  if ((await storage.stat(key)) === undefined) return false;
  for await (const tag of storage.list(tagsPrefix(repository))) {
    const found = await records.get(tag);
    if (found?.digest === digest) await deleteTag(parts, repository, lastOf(tag));
  }
  const bytes = await readBytes(parts, digest);
  const subject = bytes === undefined ? undefined : subjectOf(bytes);
  if (subject !== undefined) await storage.delete(referrerKey(repository, subject, digest));
  await storage.delete(key);
  records.forget(key);
  return true;
}

function subjectOf(bytes: Buffer): Digest | undefined {
  try {
    return parseManifest(bytes, undefined).subject;
  } catch {
    return undefined;
  }
}

export async function deleteTag({ storage, records, changed }: Parts, repository: string, tag: string): Promise<boolean> {
  const key = tagKey(repository, tag);
  if ((await storage.stat(key)) === undefined) return false;
  await storage.delete(key);
  records.forget(key);
  changed();
  return true;
}

/** Whether there is any. */
export async function hasManifests({ storage }: Parts, repository: string): Promise<boolean> {
  for await (const key of storage.list(manifestsPrefix(repository))) if (digestOf(key) !== undefined) return true;
  return false;
}
