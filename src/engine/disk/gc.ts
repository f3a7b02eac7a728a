/** Image collection: plan, then remove one after another what is still unused then. */
import { statfs } from "node:fs/promises";
import { nowNanos, parseTime } from "#base/clock.ts";
import { messageOf } from "#base/errors.ts";
import { onlyCached, openRemovals, sizeOf } from "#core/gc/graph.ts";
import type { Node } from "#core/leases/leases.ts";
import type { ImageRecord } from "../api/api.ts";
import type { Collected, CollectedImage, DiskParts } from "./disk.ts";
import { type Candidate, type Doomed, planCollection, type Space } from "./gc-plan.ts";
import type { GcSettings } from "./settings.ts";

const node = (id: string) => `content/${id}` as Node;

export async function collectImages(parts: DiskParts, settings: GcSettings, dryRun: boolean): Promise<Collected> {
  const { core, images, log, publish } = parts;
  await images.flushUse();
  const doomed = await planNow(parts, settings);
  const removed: CollectedImage[] = [];
  for (const image of doomed) {
    try {
      const told = dryRun ? [] : await images.removeUnused(image.id);
      if (told !== undefined) removed.push({ ...image, told });
    } catch (error) {
      log.warn("image gc: an image was left", { image: image.id, error: messageOf(error) });
    }
  }
  const reclaimed = removed.reduce((sum, { bytes }) => sum + bytes, 0);
  if (!dryRun && removed.length > 0) {
    log.info("image gc", { removed: removed.length, bytes: reclaimed });
    publish({ Type: "image", Action: "prune", Actor: { ID: "", Attributes: { reclaimed: String(reclaimed) } } });
  }
  const { total, used } = await diskSpace(core.root);
  return { removed, reclaimed, disk: { total, used } };
}

async function planNow({ core, images }: DiskParts, settings: GcSettings): Promise<Doomed[]> {
  const records = await images.list({ all: true, filters: new Map(), sharedSize: false });
  const graph = core.graph();
  const space: Space = { ...(await diskSpace(core.root)), images: sizeOf(graph, graph.sizes.keys()) - sizeOf(graph, onlyCached(graph, records.map(({ id }) => node(id)))) };
  const removals = openRemovals(graph, records.map(({ id }) => node(id)));
  return planCollection(records.map(candidateOf), space, settings, nowNanos(), (id) => removals.remove(node(id)));
}

function candidateOf(record: ImageRecord): Candidate {
  const { id, repoTags, repoDigests, usedAt, taggedAt, containers, pinned } = record;
  return {
    id,
    names: repoTags.length > 0 ? repoTags : repoDigests,
    usedAt: parseTime(usedAt ?? taggedAt ?? "") ?? 0n,
    kept: containers > 0 || pinned,
  };
}

/** As df counts it: what only root may still use is neither used nor free. */
async function diskSpace(path: string): Promise<{ total: number; used: number }> {
  const { bsize, blocks, bfree, bavail } = await statfs(path);
  const used = (blocks - bfree) * bsize;
  return { total: used + bavail * bsize, used };
}
