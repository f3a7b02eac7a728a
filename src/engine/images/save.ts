/** `docker save`: an OCI layout with Docker's manifest.json, so that every engine of the last ten years reads it. */
import { hasher } from "#base/digest.ts";
import { fail } from "#base/errors.ts";
import { tap } from "#base/streams.ts";
import { TAR_END, tarHeader, tarPadding } from "#base/tar-write.ts";
import type { Blob } from "#core/content/content.ts";
import type { Core } from "#core/core.ts";
import type { Lease } from "#core/leases/leases.ts";
import { type Digest, digits } from "#spec/digest.ts";
import { type Descriptor, isIndex, isIndexType, isManifestType, MEDIA } from "#spec/image.ts";
import { formatPlatform, type Platform } from "#spec/platform.ts";
import { canonical, parseReference, repository, tryReference } from "#spec/reference.ts";
import type { Images } from "../api/api.ts";
import { chooseVariant, type Documents, type Variant } from "./documents.ts";
import { findImage, noSuchImage, tryFindImage } from "./find.ts";
import { familiarName } from "./names.ts";

/** One image of the archive, with the name it is saved under, if it was meant by a name. */
type Saved = { readonly target: Descriptor; readonly name: string | undefined };

const IMAGE_NAME = "io.containerd.image.name";
const REF_NAME = "org.opencontainers.image.ref.name";

type SaveOptions = Parameters<Images["save"]>[1];

export async function saveImages(
  core: Core,
  documents: Documents,
  refs: readonly string[],
  { platforms, without = new Set(), signal }: SaveOptions,
): Promise<AsyncIterable<Uint8Array>> {
  const lease = core.leases.open();
  try {
    const files = await planFiles(core, documents, lease, await savedImages(core, documents, lease, refs, platforms));
    return writeFiles(core, files.filter(({ digest }) => digest === undefined || !without.has(digest)), lease, signal);
  } catch (error) {
    lease[Symbol.dispose]();
    throw error;
  }
}

/** The blobs that an archive of these images would hold. */
export async function savedBlobs(core: Core, documents: Documents, refs: readonly string[], platforms: readonly Platform[]): Promise<Blob[]> {
  using lease = core.leases.open();
  const files = await planFiles(core, documents, lease, await savedImages(core, documents, lease, refs, platforms));
  return files.flatMap(({ digest, size }) => (digest === undefined ? [] : [{ digest, size }]));
}

/** Held from the moment they are found: whoever removes a name now takes nothing away. */
async function savedImages(core: Core, documents: Documents, lease: Lease, refs: readonly string[], platforms: readonly Platform[]): Promise<Saved[]> {
  const images = refs.flatMap((ref) => meant(core, ref));
  for (const { target } of images) lease.hold(`content/${target.digest}`);
  const saved: Saved[] = [];
  for (const image of images) saved.push(...(await narrow(documents, image, platforms)));
  return saved;
}

/** A repository without a tag means all its tags, as Docker has it. */
function meant(core: Core, ref: string): Saved[] {
  const found = tryFindImage(core.images, ref);
  if (found !== undefined && (found.named === undefined || found.named.digest !== undefined)) {
    return [{ target: found.all[0]!.target, name: undefined }];
  }
  const named = parseReference(ref);
  if (named.tag === undefined) {
    const all = core.images.list().filter(({ name }) => {
      const reference = tryReference(name);
      return reference !== undefined && repository(reference) === repository(named);
    });
    if (all.length === 0) throw noSuchImage(ref);
    return all.map(({ target, name }) => ({ target, name }));
  }
  return [{ target: findImage(core.images, ref).all[0]!.target, name: canonical(named) }];
}

/** With platforms asked for: their manifests alone. */
async function narrow(documents: Documents, { target, name }: Saved, platforms: readonly Platform[]): Promise<Saved[]> {
  if (platforms.length === 0) return [{ target, name }];
  const variants = await documents.variants(target);
  return platforms.map((platform) => {
    const variant = chooseVariant(variants, platform);
    if (variant !== undefined) return { target: variant.descriptor, name };
    const image = name === undefined ? target.digest : familiarName(name);
    throw fail("not-found", `no suitable export target found: image ${image} does not provide the platform ${formatPlatform(platform)}`);
  });
}

type File = { readonly name: string; readonly size: number; readonly bytes?: Buffer; readonly digest?: Digest };

async function planFiles(core: Core, documents: Documents, lease: Lease, saved: readonly Saved[]): Promise<File[]> {
  const blobs = new Map<Digest, File>();
  const addBlob = (digest: Digest) => {
    const blob = core.content.find(lease, digest);
    if (blob !== undefined) blobs.set(digest, { name: `blobs/sha256/${digits(digest)}`, size: blob.size, digest });
    return blob !== undefined;
  };
  const docker = new Map<Digest, { variant: Variant; tags: string[] }>();
  for (const { target, name } of saved) {
    await addTree(documents, target, addBlob);
    const variant = chooseVariant(await documents.variants(target), undefined);
    if (variant === undefined) continue;
    const entry = docker.get(variant.descriptor.digest) ?? { variant, tags: [] };
    if (name !== undefined) entry.tags.push(familiarName(name));
    docker.set(variant.descriptor.digest, entry);
  }
  const documentsOf: File[] = [
    json("index.json", { schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests: saved.map(indexEntry) }),
    json("manifest.json", [...docker.values()].map(dockerEntry)),
    json("oci-layout", { imageLayoutVersion: "1.0.0" }),
  ];
  return [...[...blobs.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1)), ...documentsOf];
}

/** Adds a manifest whose parts are not all here without them, and leaves out a manifest that is not here. */
async function addTree(documents: Documents, descriptor: Descriptor, add: (digest: Digest) => boolean): Promise<void> {
  if (!add(descriptor.digest) || !(isIndexType(descriptor.mediaType) || isManifestType(descriptor.mediaType))) return;
  const target = await documents.target(descriptor);
  if (isIndex(target)) for (const child of target.manifests) await addTree(documents, child, add);
  else for (const { digest } of [target.config, ...target.layers]) add(digest);
}

function indexEntry({ target, name }: Saved): Descriptor {
  if (name === undefined) return target;
  const tag = tryReference(name)?.tag;
  return { ...target, annotations: { ...target.annotations, [IMAGE_NAME]: name, ...(tag !== undefined && { [REF_NAME]: tag }) } };
}

function dockerEntry({ variant: { manifest }, tags }: { variant: Variant; tags: string[] }) {
  const path = ({ digest }: Descriptor) => `blobs/sha256/${digits(digest)}`;
  return { Config: path(manifest.config), RepoTags: tags.length === 0 ? null : tags, Layers: manifest.layers.map(path) };
}

function json(name: string, value: unknown): File {
  const bytes = Buffer.from(JSON.stringify(value));
  return { name, size: bytes.length, bytes };
}

async function* writeFiles(core: Core, files: readonly File[], lease: Lease, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  using _ = lease;
  yield Buffer.concat(["blobs/", "blobs/sha256/"].map((name) => tarHeader({ name, type: "directory", mode: 0o755 })));
  for (const file of files) {
    signal.throwIfAborted();
    const mode = file.bytes === undefined || file.name === "oci-layout" ? 0o444 : 0o644;
    yield tarHeader({ name: file.name, type: "file", mode, size: file.size });
    if (file.bytes !== undefined) yield file.bytes;
    else yield* verified(core, file.digest!);
    yield tarPadding(file.size);
  }
  yield TAR_END;
}

/** A damaged blob ends the archive early rather than leave the store looking whole. */
async function* verified(core: Core, digest: Digest): AsyncGenerator<Uint8Array> {
  const hash = hasher();
  yield* tap(core.content.stream(digest), hash.update);
  if (hash.digest() !== digest) throw fail("internal", `save ${digest}: the stored blob is damaged`);
}
