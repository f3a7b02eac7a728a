/** What an image's index lists, here or not: `docker images --tree`, and `Manifests` of inspect. */
import type { Core } from "#core/core.ts";
import type { Digest } from "#spec/digest.ts";
import { chainIds, type Descriptor, isIndex, isIndexType, isManifestType } from "#spec/image.ts";
import type { Platform } from "#spec/platform.ts";
import type { ManifestRecord } from "../api/api.ts";
import type { Documents } from "./documents.ts";

type Parts = { readonly core: Core; readonly documents: Documents };

const MAX_DEPTH = 4;
const REFERENCE_TYPE = "vnd.docker.reference.type";
const REFERENCE_DIGEST = "vnd.docker.reference.digest";

/** `users`: ids of containers by the digest of their platform's manifest. */
export async function manifestsOf(parts: Parts, target: Descriptor, users: ReadonlyMap<string, readonly string[]>): Promise<ManifestRecord[]> {
  const leaves = await leavesOf(parts, target, 0);
  return await Promise.all(leaves.map((leaf) => recordOf(parts, leaf, users)));
}

/** The manifests below a descriptor; an index that is not here counts as one. */
async function leavesOf(parts: Parts, descriptor: Descriptor, depth: number): Promise<Descriptor[]> {
  const here = parts.core.content.stat(descriptor.digest) !== undefined;
  if (!here || !isIndexType(descriptor.mediaType) || depth === MAX_DEPTH) return [descriptor];
  const index = await parts.documents.target(descriptor);
  if (!isIndex(index)) return [descriptor];
  return (await Promise.all(index.manifests.map((child) => leavesOf(parts, child, depth + 1)))).flat();
}

async function recordOf(parts: Parts, descriptor: Descriptor, users: ReadonlyMap<string, readonly string[]>): Promise<ManifestRecord> {
  const { blobs, all, layers, platform } = await partsOf(parts, descriptor);
  const size = (digests: readonly Digest[]) => digests.reduce((sum, digest) => sum + (parts.core.content.stat(digest)?.size ?? 0), 0);
  const facts = {
    descriptor: descriptor as ManifestRecord["descriptor"],
    available: all && blobs.every((digest) => parts.core.content.stat(digest) !== undefined),
    content: size([...new Set(blobs)]),
    unpacked: layers.reduce((sum, name) => sum + (parts.core.snapshots.stat(name)?.usage.bytes ?? 0), 0),
  };
  const { annotations = {} } = descriptor;
  if (annotations[REFERENCE_TYPE] !== undefined) return { ...facts, kind: "attestation", of: annotations[REFERENCE_DIGEST] ?? "" };
  const known = platform ?? descriptor.platform;
  if (known === undefined || known.os === "unknown") return { ...facts, kind: "unknown" };
  return { ...facts, kind: "image", platform: plain(known), containers: users.get(descriptor.digest) ?? [] };
}

type Pieces = { readonly blobs: readonly Digest[]; readonly layers: readonly Digest[]; readonly platform?: Platform; readonly all: boolean };

/** `all`: it is known which blobs it needs. */
async function partsOf({ core, documents }: Parts, descriptor: Descriptor): Promise<Pieces> {
  const alone = { blobs: [descriptor.digest], layers: [] };
  if (core.content.stat(descriptor.digest) === undefined || !isManifestType(descriptor.mediaType)) return { ...alone, all: false };
  const manifest = await documents.target(descriptor);
  if (isIndex(manifest)) return { ...alone, all: false };
  const blobs = [descriptor.digest, manifest.config.digest, ...manifest.layers.map(({ digest }) => digest)];
  if (core.content.stat(manifest.config.digest) === undefined || REFERENCE_TYPE in (descriptor.annotations ?? {})) return { blobs, layers: [], all: true };
  try {
    const { diffIds, platform } = await documents.config(manifest.config.digest);
    return { blobs, layers: chainIds(diffIds), platform, all: true };
  } catch {
    // An artifact: its configuration is none of an image.
    return { blobs, layers: [], all: true };
  }
}

function plain({ os, architecture, variant }: Platform): { os: string; architecture: string; variant?: string } {
  return { os, architecture, ...(variant !== undefined && variant !== "" && { variant }) };
}
