/** Which volumes there are. */
import { messageOf } from "#base/errors.ts";
import type { Filters, VolumeRecord } from "../engine.ts";
import { booleanFilter, checkFilters, matchesLabels, matchesPattern } from "../filters.ts";
import type { VolumeContext } from "./context.ts";
import { recordOf } from "./create.ts";

/** `snapshot`: ours; the name of the volume that it was made of. */
const FILTERS = ["dangling", "driver", "label", "label!", "name", "snapshot"];

/** Volumes that steps of builds keep. The build cache lists and prunes them: as volumes they are there for who asks by label or name. */
export const CACHE_LABEL = "com.gantry.build.cache";

export const isShown = ({ labels }: VolumeRecord, filters: Filters): boolean => !Object.hasOwn(labels, CACHE_LABEL) || filters.has("label") || filters.has("name");

export function list(ctx: VolumeContext, filters: Filters): VolumeRecord[] {
  checkFilters(filters, FILTERS);
  return ctx.records.all().filter((record) => matches(ctx, record, filters));
}

export async function listAll(ctx: VolumeContext, filters: Filters): Promise<{ volumes: VolumeRecord[]; warnings: string[] }> {
  const own = list(ctx, filters).filter((record) => isShown(record, filters));
  const names = (await ctx.drivers?.names()) ?? [];
  const warnings: string[] = [];
  const found = await Promise.all(
    names.map(async (name) => {
      try {
        const driver = await ctx.drivers!.find(name);
        const [volumes, { scope }] = await Promise.all([driver.list(), driver.capabilities()]);
        return volumes.map((volume) => recordOf(name, volume, scope));
      } catch (error) {
        warnings.push(`list volumes of ${name}: ${messageOf(error)}`);
        return [];
      }
    }),
  );
  const others = found.flat().filter((record) => ctx.records.get(record.name) === undefined && matches(ctx, record, filters));
  return { volumes: [...own, ...others], warnings };
}

function matches(ctx: VolumeContext, record: VolumeRecord, filters: Filters): boolean {
  const dangling = booleanFilter(filters, "dangling");
  if (dangling !== undefined && dangling !== (ctx.usersOf(record.name).length === 0)) return false;
  const any = (key: string, test: (value: string) => boolean) => {
    const values = filters.get(key) ?? [];
    return values.length === 0 || values.some(test);
  };
  return (
    any("driver", (driver) => driver === record.driver) &&
    any("name", (name) => matchesPattern(name, [record.name])) &&
    any("snapshot", (of) => record.snapshotOf !== undefined && (of === record.snapshotOf || of === "true")) &&
    matchesLabels(filters, record.labels)
  );
}
