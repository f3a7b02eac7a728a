/** An image as the API shows it. */
import { formatTime } from "#base/clock.ts";
import { type Image, isDangling } from "#core/images/images.ts";
import type { Content } from "#core/content/content.ts";
import { type Graph, reach, sizeOf } from "#core/gc/graph.ts";
import type { Node } from "#core/leases/leases.ts";
import type { Snapshots } from "#core/snapshots/snapshots.ts";
import type { Digest } from "#spec/digest.ts";
import { chainIds, type Descriptor } from "#spec/image.ts";
import { familiar, familiarRepository, tryReference } from "#spec/reference.ts";
import type { ImageRecord } from "../api/api.ts";
import type { Variant } from "./documents.ts";
import type { LastUse } from "./last-use.ts";
import { isPinned } from "./pins.ts";

export type RecordParts = { readonly content: Content; readonly snapshots: Snapshots; readonly lastUse: LastUse };

/** `names`: all names of the image, which is never empty. */
export function imageRecord(parts: RecordParts, names: readonly Image[], variant: Variant, variants: readonly Variant[], containers: number): ImageRecord {
  const { target } = names[0]!;
  const { config } = variant;
  const version = config.platform["os.version"];
  const tags = namesOf(names, target.digest);
  const comment = config.history.at(-1)?.comment ?? "";
  const usedAt = parts.lastUse.of(names);
  const updated = names.reduce((latest, image) => (image.updated > latest ? image.updated : latest), 0n);
  return {
    id: target.digest,
    descriptor: target as ImageRecord["descriptor"],
    ...tags,
    ...(config.created !== undefined && { created: config.created }),
    author: config.author,
    comment,
    platform: platformOf(variant),
    ...(version && { osVersion: version }),
    size: contentSize(parts.content, target, variants) + unpackedSize(parts.snapshots, variants),
    diffIds: config.diffIds,
    config: config.config,
    taggedAt: formatTime(updated),
    containers,
    pinned: isPinned(names),
    ...(usedAt !== undefined && { usedAt }),
  };
}

function platformOf({ config }: Variant): ImageRecord["platform"] {
  const { os, architecture, variant } = config.platform;
  return { os, architecture, ...(variant && { variant }) };
}

function namesOf(names: readonly Image[], digest: Digest): { repoTags: string[]; repoDigests: string[] } {
  const references = names.filter(({ name }) => !isDangling(name)).map(({ name }) => tryReference(name)).filter((reference) => reference !== undefined);
  return {
    repoTags: references.filter((reference) => reference.tag !== undefined).map(familiar).toSorted(),
    repoDigests: [...new Set(references.map((reference) => `${familiarRepository(reference)}@${digest}`))].toSorted(),
  };
}

/** Bytes of the blobs that are here, each once. */
function contentSize(content: Content, target: Descriptor, variants: readonly Variant[]): number {
  const digests = new Set<Digest>([target.digest]);
  for (const { descriptor, manifest } of variants) {
    for (const { digest } of [descriptor, manifest.config, ...manifest.layers]) digests.add(digest);
  }
  return [...digests].reduce((sum, digest) => sum + (content.stat(digest)?.size ?? 0), 0);
}

function unpackedSize(snapshots: Snapshots, variants: readonly Variant[]): number {
  const names = new Set(variants.flatMap(({ config }) => chainIds(config.diffIds)));
  return [...names].reduce((sum, name) => sum + (snapshots.stat(name)?.usage.bytes ?? 0), 0);
}

/** What each image shares with others of the list: bytes of blobs and layers that more than one has. */
export function sharedSizes(graph: Graph, records: readonly ImageRecord[]): number[] {
  const held = records.map(({ id }) => reach(graph, [`content/${id}` as Node]));
  const users = new Map<Node, number>();
  for (const nodes of held) for (const node of nodes) users.set(node, (users.get(node) ?? 0) + 1);
  return held.map((nodes) => sizeOf(graph, [...nodes].filter((node) => users.get(node)! > 1)));
}
