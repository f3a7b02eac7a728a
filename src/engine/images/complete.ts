/**
 * A target made ready to be named: everything it leads to is here and held together, and the image for this machine is
 * unpacked.
 */
import { fail } from "#base/errors.ts";
import type { Blob } from "#core/content/content.ts";
import type { Core } from "#core/core.ts";
import type { UnpackOptions } from "#core/layers/layers.ts";
import type { Lease, Node } from "#core/leases/leases.ts";
import type { Digest } from "#spec/digest.ts";
import { type Descriptor, isIndex, isIndexType, isLayerType, isManifestType, type Manifest } from "#spec/image.ts";
import { type Platform, platformEquals } from "#spec/platform.ts";
import type { Documents, Variant } from "./documents.ts";

export type Complete = {
  readonly core: Core;
  readonly documents: Documents;
  readonly lease: Lease;
  /** Where a blob is found: in the store, or in the archive first. It is held from then on. */
  readonly find: (digest: Digest) => Promise<Blob | undefined> | Blob | undefined;
  /** Of an index, only manifests for these, as far as it says whom they are for. None: all that are here. */
  readonly platforms?: readonly Platform[];
};

const MAX_DEPTH = 4;
const node = (digest: Digest): Node => `content/${digest}`;

/**
 * Finds what the target leads to and records the edges. Of an index, manifests may be missing; one must be whole.
 * @throws invalid when something is missing or is not what a descriptor says.
 */
export async function completeTarget(parts: Complete, target: Descriptor): Promise<void> {
  if (!(await tryComplete(parts, target))) {
    throw fail("invalid", `read image ${target.digest}: it is incomplete: none of its manifests is here with all it needs`);
  }
}

/** The same; false when nothing of it is whole. */
export function tryComplete(parts: Complete, target: Descriptor): Promise<boolean> {
  return complete(parts, target, 0);
}

async function complete(parts: Complete, descriptor: Descriptor, depth: number): Promise<boolean> {
  if ((await findSame(parts, descriptor)) === undefined) return false;
  if (!isIndexType(descriptor.mediaType) && !isManifestType(descriptor.mediaType)) return true;
  const target = await parts.documents.target(descriptor);
  if (!isIndex(target)) return completeManifest(parts, descriptor, target);
  if (depth === MAX_DEPTH) throw fail("invalid", `read image ${descriptor.digest}: indexes are nested more than ${MAX_DEPTH} deep`);
  const wanted = target.manifests.filter((child) => isWanted(parts, child));
  let whole = false;
  for (const child of wanted) whole = (await complete(parts, child, depth + 1)) || whole;
  await parts.core.link(node(descriptor.digest), wanted.map((child) => node(child.digest)));
  return whole;
}

function isWanted({ platforms = [] }: Complete, { platform }: Descriptor): boolean {
  return platforms.length === 0 || platform === undefined || platforms.some((wanted) => platformEquals(wanted, platform));
}

async function completeManifest(parts: Complete, descriptor: Descriptor, manifest: Manifest): Promise<boolean> {
  const children = [manifest.config, ...manifest.layers];
  let whole = true;
  for (const child of children) whole = (await findSame(parts, child)) !== undefined && whole;
  await parts.core.link(node(descriptor.digest), children.map((child) => node(child.digest)));
  return whole;
}

async function findSame({ find }: Complete, descriptor: Descriptor): Promise<Blob | undefined> {
  const blob = await find(descriptor.digest);
  if (blob !== undefined && blob.size !== descriptor.size) {
    throw fail("invalid", `read ${descriptor.digest}: it has ${blob.size} bytes, its descriptor says ${descriptor.size}`);
  }
  return blob;
}

/** Unpacks an image; resolves to its topmost snapshot, "" if it has no layers. */
export async function unpackVariant(core: Core, lease: Lease, { manifest, config }: Variant, options: UnpackOptions = {}): Promise<string> {
  const { layers } = manifest;
  if (layers.length !== config.diffIds.length) {
    throw fail("invalid", `read image ${manifest.config.digest}: ${layers.length} layers and ${config.diffIds.length} diff IDs`);
  }
  const odd = layers.find((layer) => !isLayerType(layer.mediaType));
  if (odd !== undefined) throw fail("invalid", `read image ${manifest.config.digest}: ${odd.mediaType} is no layer that Gantry unpacks`);
  const top = await core.layers.unpack(lease, layers.map((descriptor, index) => ({ descriptor, diffId: config.diffIds[index]! })), options);
  if (top !== "") await core.link(node(manifest.config.digest), [`snapshot/${top}`]);
  return top;
}
