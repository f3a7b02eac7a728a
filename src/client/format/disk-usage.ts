/** What `system df` shows: a line a kind, or with -v the objects of each. */
import { fail } from "#base/errors.ts";
import { tryReference, familiarRepository } from "#spec/reference.ts";
import type { Output } from "../client.ts";
import { buildCacheView, byLastUse, type CacheRecord } from "./build-cache.ts";
import { type ContainerRow, containersView } from "./containers.ts";
import { type ImageRow, type ImageSummary, imagesView } from "./images.ts";
import { printRows, shapeOf, templateError, unescapeFormat, type View } from "./rows.ts";
import { humanSize } from "./units.ts";
import { type Volume, volumesView } from "./volumes.ts";

/** GET /system/df, of any version. */
export type DiskUsage = {
  readonly LayersSize?: number;
  readonly Images?: readonly ImageSummary[] | null;
  readonly Containers?: readonly ContainerRow[] | null;
  readonly Volumes?: readonly Volume[] | null;
  readonly BuildCache?: readonly CacheRecord[] | null;
  readonly ImageUsage?: Sums<ImageSummary>;
  readonly ContainerUsage?: Sums<ContainerRow>;
  readonly VolumeUsage?: Sums<Volume>;
  readonly BuildCacheUsage?: Sums<CacheRecord>;
};

type Sums<T> = { readonly ActiveCount?: number; readonly TotalCount?: number; readonly Reclaimable?: number; readonly TotalSize?: number; readonly Items?: readonly T[] | null };

type Line = { readonly type: string; readonly total: number; readonly active: number; readonly bytes: number; readonly reclaimable: number; readonly share: boolean };

export async function printSums(out: Output, usage: DiskUsage, format: string): Promise<void> {
  await printRows(out, sumsView, linesOf(usage), { format });
}

const sumsView: View<Line> = {
  type: "*formatter.diskUsageImagesContext",
  table: ["Type", "TotalCount", "Active", "Size", "Reclaimable"],
  raw: [["type", "Type"], ["total", "TotalCount"], ["active", "Active"], ["size", "Size"], ["reclaimable", "Reclaimable"]],
  quiet: "Type",
  fields: {
    Active: ["ACTIVE", ({ active }) => String(active)],
    Reclaimable: ["RECLAIMABLE", ({ reclaimable, bytes, share }) => `${humanSize(reclaimable, 4)}${share && bytes > 0 ? ` (${Math.floor((reclaimable * 100) / bytes)}%)` : ""}`],
    Size: ["SIZE", ({ bytes }) => humanSize(bytes, 4)],
    TotalCount: ["TOTAL", ({ total }) => String(total)],
    Type: ["TYPE", ({ type }) => type],
  },
};

/** The engine's sums where it gives them, else of its lists. */
function linesOf(usage: DiskUsage): Line[] {
  const images = usage.Images ?? [];
  const used = images.filter(({ Containers = 0 }) => Containers > 0);
  const own = used.reduce((sum, { Size, SharedSize = 0 }) => (Size === -1 || SharedSize === -1 ? sum : sum + Size - SharedSize), 0);
  const containers = usage.Containers ?? [];
  const isActive = ({ State }: ContainerRow) => /running|paused|restarting/.test(State.toLowerCase());
  const volumes = usage.Volumes ?? [];
  const cache = usage.BuildCache ?? [];
  const line = (type: string, sums: Sums<unknown> | undefined, legacy: () => Omit<Line, "type" | "share">, share = true): Line => ({
    type,
    share,
    ...(sums === undefined ? legacy() : { total: sums.TotalCount ?? 0, active: sums.ActiveCount ?? 0, bytes: sums.TotalSize ?? 0, reclaimable: sums.Reclaimable ?? 0 }),
  });
  return [
    line("Images", usage.ImageUsage, () => ({ total: images.length, active: used.length, bytes: usage.LayersSize ?? 0, reclaimable: (usage.LayersSize ?? 0) - own })),
    line("Containers", usage.ContainerUsage, () => summed(containers, isActive, ({ SizeRw = 0 }) => SizeRw)),
    line("Local Volumes", usage.VolumeUsage, () => summed(volumes, ({ UsageData }) => (UsageData?.RefCount ?? 0) > 0, ({ UsageData }) => Math.max(0, UsageData?.Size ?? 0))),
    line("Build Cache", usage.BuildCacheUsage, () => summed(cache, ({ InUse }) => InUse, ({ Size, Shared }) => (Shared ? 0 : Size)), false),
  ];
}

function summed<T>(items: readonly T[], isActive: (item: T) => boolean, bytesOf: (item: T) => number): Omit<Line, "type" | "share"> {
  const bytes = (some: readonly T[]) => some.reduce((sum, item) => sum + bytesOf(item), 0);
  const active = items.filter(isActive);
  return { total: items.length, active: active.length, bytes: bytes(items), reclaimable: bytes(items) - bytes(active) };
}

export async function printObjects(out: Output, usage: DiskUsage, format: string): Promise<void> {
  const images = (usage.ImageUsage?.Items ?? usage.Images ?? []).map(firstName);
  const containers = (usage.ContainerUsage?.Items ?? usage.Containers ?? []).map(({ SizeRootFs: _, ...row }): ContainerRow => row);
  const volumes = usage.VolumeUsage?.Items ?? usage.Volumes ?? [];
  const cache = byLastUse(usage.BuildCacheUsage?.Items ?? usage.BuildCache ?? []);
  const isTable = format === "" || format === "table";
  const cacheView = buildCacheView({ full: !isTable });
  const views = {
    images: { ...imagesView({ full: !isTable, digests: true }), table: ["Repository", "Tag", "ID", "CreatedSince", "Size", "SharedSize", "UniqueSize", "Containers"] },
    containers: { ...containersView({ full: !isTable, size: true }), table: ["ID", "Image", "Command", "LocalVolumes", "Size", "RunningFor", "Status", "Names"] },
    volumes: { ...volumesView, table: ["Name", "Links", "Size"] },
  };
  if (isTable) {
    out.write("Images space usage:\n\n");
    await printRows(out, views.images, images);
    out.write("\nContainers space usage:\n\n");
    await printRows(out, views.containers, containers);
    out.write("\nLocal Volumes space usage:\n\n");
    await printRows(out, views.volumes, volumes);
    const bytes = usage.BuildCacheUsage?.TotalSize ?? cache.reduce((sum, { Size, Shared }) => sum + (Shared ? 0 : Size), 0);
    out.write(`\nBuild cache usage: ${humanSize(bytes, 4)}\n\n`);
    return await printRows(out, cacheView, cache);
  }
  if (format === "raw") {
    await printRaw(out, "Image", views.images, images);
    await printRaw(out, "Container", views.containers, containers);
    await printRaw(out, "Volume", views.volumes, volumes);
    return await printRaw(out, "Build Cache", cacheView, cache);
  }
  const shapes = {
    Images: images.map(shapeOf(views.images, out)),
    Containers: containers.map(shapeOf(views.containers, out)),
    Volumes: volumes.map(shapeOf(views.volumes, out)),
    BuildCache: cache.map(shapeOf(cacheView, out)),
  };
  if (format !== "json") return await printTemplate(out, shapes, format);
  const { encodeJson } = await import("./functions.ts");
  out.write(`{${Object.entries(shapes).map(([name, rows]) => `${JSON.stringify(name)}:${encodeJson(rows)}`).join(",")}}`);
}

async function printTemplate(out: Output, shapes: object, format: string): Promise<void> {
  const [{ parseTemplate, executeTemplate }, { functions }] = await Promise.all([import("#spec/go-template.ts"), import("./functions.ts")]);
  if (format.startsWith("table")) throw fail("invalid", `template parsing error: template: :1: a table of all kinds at once`);
  try {
    // Without a line's end, as docker has it: whoever needs one writes it into the template.
    out.write(executeTemplate(parseTemplate(unescapeFormat(format), functions), shapes));
  } catch (error) {
    throw templateError(error);
  }
}

async function printRaw<Row>(out: Output, type: string, view: View<Row>, rows: readonly Row[]): Promise<void> {
  for (const row of rows) {
    out.write(`type: ${type}\n`);
    await printRows(out, view, [row], { format: "raw" });
  }
}

/** One row an image: its first name. */
function firstName(image: ImageSummary): ImageRow {
  const reference = tryReference(image.RepoTags?.[0] ?? "");
  if (reference?.tag === undefined) return { image, repository: "<none>", tag: "<none>", digest: "" };
  return { image, repository: familiarRepository(reference), tag: reference.tag, digest: "" };
}
