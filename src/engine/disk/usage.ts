/** `system df`: what images, containers and volumes take, and what of it could be freed. */
import { onlyCached, reach, sizeOf } from "#core/gc/graph.ts";
import type { Node } from "#core/leases/leases.ts";
import type { ImageRecord } from "../api/api.ts";
import type { ContainerUsage, DiskParts, KindUsage, Usage, UsageKinds, VolumeUsage } from "./disk.ts";
import { isShown } from "../volumes/list.ts";

const ALL = { all: true, filters: new Map<string, readonly string[]>() };

export async function diskUsage(parts: DiskParts, wanted: UsageKinds): Promise<Usage> {
  const [images, containers, volumes] = await Promise.all([
    wanted.images ? imagesUsage(parts) : undefined,
    wanted.containers ? containersUsage(parts) : undefined,
    wanted.volumes ? volumesUsage(parts) : undefined,
  ]);
  return { ...(images && { images }), ...(containers && { containers }), ...(volumes && { volumes }) };
}

/** All blobs and layers but those that only builds have cached, each once; what no image in use and no container stands on could go. */
async function imagesUsage({ core, images }: DiskParts): Promise<KindUsage<ImageRecord>> {
  const items = await images.list({ ...ALL, sharedSize: true });
  const graph = core.graph();
  const layers = core.snapshots.list();
  const cached = onlyCached(graph, items.map(({ id }) => `content/${id}` as Node));
  const bytes = sizeOf(graph, graph.sizes.keys()) - sizeOf(graph, cached);
  const roots: Node[] = [
    ...items.filter(({ containers }) => containers > 0).map(({ id }) => `content/${id}` as Node),
    ...layers.filter(({ kind }) => kind !== "committed").map(({ name }): Node => `snapshot/${name}`),
  ];
  const inUse = sizeOf(graph, reach(graph, roots));
  return { items, active: items.filter(({ containers }) => containers > 0).length, bytes, reclaimable: bytes - inUse };
}

async function containersUsage({ containers }: DiskParts): Promise<KindUsage<ContainerUsage>> {
  const records = await containers.list(ALL);
  const items = await Promise.all(records.map(async (record) => ({ record, size: await containers.size(record.id).catch(() => ({ rw: 0, root: 0 })) })));
  const active = items.filter(({ record }) => ["running", "paused", "restarting"].includes(record.state.status));
  return kindUsage(items, active, ({ size }) => size.rw);
}

async function volumesUsage({ volumes }: DiskParts): Promise<KindUsage<VolumeUsage>> {
  const records = volumes.list(new Map()).filter((record) => isShown(record, new Map()));
  const items = await Promise.all(records.map(async (record) => ({ record, ...(await volumes.usage(record.name)) })));
  return kindUsage(items, items.filter(({ users }) => users > 0), ({ bytes }) => bytes);
}

function kindUsage<T>(items: readonly T[], active: readonly T[], bytesOf: (item: T) => number): KindUsage<T> {
  const sum = (some: readonly T[]) => some.reduce((total, item) => total + bytesOf(item), 0);
  return { items, active: active.length, bytes: sum(items), reclaimable: sum(items) - sum(active) };
}
