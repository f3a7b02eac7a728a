/** What has to be sent for an image: documents in the order in which they may be put, and the blobs they need. */
import { fail } from "#base/errors.ts";
import { type Descriptor, isIndex, isIndexType, isManifestType, parseTarget } from "#spec/image.ts";

export type Tree = {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
  /** Of an index: those that are there. */
  readonly children: readonly Tree[];
  /** Of a manifest: configuration and layers. */
  readonly blobs: readonly Descriptor[];
  /** Of an index, directly or below: what is not there. */
  readonly missing: readonly Descriptor[];
};

export type Source = {
  /** A document; undefined if it is not there. */
  read(descriptor: Descriptor): Promise<Buffer | undefined>;
  has(descriptor: Descriptor): boolean;
};

const MOST_DEPTH = 4;

export async function readTree(source: Source, descriptor: Descriptor, depth = 0): Promise<Tree | undefined> {
  if (depth > MOST_DEPTH) throw fail("invalid", `read ${descriptor.digest}: its indexes are nested too deep`);
  const bytes = await source.read(descriptor);
  if (bytes === undefined) return undefined;
  const document = parseTarget(bytes, descriptor.mediaType);
  if (!isIndex(document)) {
    const blobs = [document.config, ...document.layers];
    return { descriptor, bytes, children: [], blobs, missing: blobs.filter((blob) => !source.has(blob)) };
  }
  const children: Tree[] = [];
  const missing: Descriptor[] = [];
  for (const item of document.manifests) {
    const isDocument = isManifestType(item.mediaType) || isIndexType(item.mediaType);
    const child = isDocument ? await readTree(source, item, depth + 1) : undefined;
    if (child === undefined || child.missing.length > 0) missing.push(item);
    if (child !== undefined) children.push(child);
  }
  return { descriptor, bytes, children, blobs: [], missing };
}

/** Depth first: a manifest before the index that names it. */
export function documentsOf(tree: Tree): Tree[] {
  return [...tree.children.flatMap(documentsOf), tree];
}

export function blobsOf(tree: Tree): Descriptor[] {
  const all = documentsOf(tree).flatMap(({ blobs }) => blobs);
  return [...new Map(all.map((blob) => [blob.digest, blob])).values()];
}
