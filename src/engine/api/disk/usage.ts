/** GET /system/df in its two shapes: lists (below 1.52), and sums with lists when asked for. */
import type { Disk, KindUsage, Usage } from "../../disk/disk.ts";
import { summarizeContainer } from "../containers/summary.ts";
import { translate } from "../compat.ts";
import { summarizeImage } from "../images/inspect.ts";
import { inspectVolume } from "../volumes/routes.ts";
import { fail } from "#base/errors.ts";
import type { CacheUsage } from "#builder/cache/cache.ts";
import { buildCacheJson } from "../build/cache.ts";

const TYPES = ["container", "image", "volume", "build-cache"] as const;

type Parts = { readonly disk: Disk; readonly buildCache: () => Promise<readonly CacheUsage[]> };

export async function usageJson({ disk, buildCache }: Parts, types: readonly string[], { version, verbose }: { version: number; verbose: boolean }): Promise<object> {
  const odd = types.find((type) => !(TYPES as readonly string[]).includes(type));
  if (odd !== undefined) throw fail("invalid", `unknown object type: ${odd}`);
  const wants = (type: (typeof TYPES)[number]) => types.length === 0 || types.includes(type);
  const usage = await disk.usage({ images: wants("image"), containers: wants("container"), volumes: wants("volume") });
  const lists = listsOf(usage, version);
  const cache = wants("build-cache") ? await buildCache() : undefined;
  const records = cache && buildCacheJson(cache, version);
  const legacy = {
    ...(usage.images && { LayersSize: usage.images.bytes }),
    ...lists,
    ...(records && { BuildCache: records }),
    ...(version < 42 && { BuilderSize: cache === undefined ? 0 : cacheUsage(cache).bytes }),
  };
  if (version < 52) return { LayersSize: 0, ...nulls(), ...legacy };
  const sums = {
    ...(usage.images && { ImageUsage: sumOf(usage.images, verbose ? lists.Images : undefined) }),
    ...(usage.containers && { ContainerUsage: sumOf(usage.containers, verbose ? lists.Containers : undefined) }),
    ...(usage.volumes && { VolumeUsage: sumOf(usage.volumes, verbose ? lists.Volumes : undefined) }),
    ...(cache && { BuildCacheUsage: sumOf(cacheUsage(cache), verbose ? records : undefined) }),
  };
  return verbose ? sums : { ...legacy, ...sums };
}

/** What was not asked for is null, as it always was. */
const nulls = () => ({ Images: null, Containers: null, Volumes: null, BuildCache: null });

function listsOf({ images, containers, volumes }: Usage, version: number) {
  const now = Date.now();
  return {
    ...(images && { Images: images.items.map((image) => translate("image-summary", { ...summarizeImage(image), Containers: image.containers }, Math.max(version, 51))) }),
    ...(containers && { Containers: containers.items.map(({ record, size }) => translate("container-summary", summarizeContainer(record, now, size), version)) }),
    ...(volumes && { Volumes: volumes.items.map(({ record, bytes, users }) => ({ ...inspectVolume(record), UsageData: { RefCount: users, Size: bytes } })) }),
  };
}

function sumOf({ items, active, bytes, reclaimable }: KindUsage<unknown>, shown: readonly unknown[] | undefined): object {
  return { ActiveCount: active, TotalCount: items.length, Reclaimable: reclaimable, TotalSize: bytes, ...(shown && { Items: shown }) };
}

/** What an image has, too, is the image's. */
function cacheUsage(items: readonly CacheUsage[]): KindUsage<CacheUsage> {
  const own = items.filter(({ shared }) => !shared);
  const bytes = (usages: readonly CacheUsage[]): number => usages.reduce((sum, { size }) => sum + size, 0);
  return { items, active: items.filter(({ inUse }) => inUse).length, bytes: bytes(own), reclaimable: bytes(own.filter(({ inUse }) => !inUse)) };
}
