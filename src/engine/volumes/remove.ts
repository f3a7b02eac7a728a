/** Volumes go: one, or all that nobody uses. */
import { fail, Failure, kindOf, messageOf } from "#base/errors.ts";
import { failpoint } from "#base/failpoint.ts";
import type { Filters, PruneOptions, VolumeRecord } from "../engine.ts";
import { booleanFilter, checkFilters, matchesLabels } from "../filters.ts";
import { isShown } from "./list.ts";
import { driverOf, publish, refuseUsed, type VolumeContext } from "./context.ts";
import { findForeign } from "./create.ts";
import { noSuchVolume } from "./records.ts";
import { usageOf } from "./usage.ts";

export function remove(ctx: VolumeContext, name: string, force: boolean): Promise<void> {
  return ctx.records.locked(name, async () => {
    const record = ctx.records.get(name) ?? (await findForeign(ctx, name));
    if (record === undefined && force) return;
    if (record === undefined) throw noSuchVolume(name);
    refuseUsed(ctx, name, "remove");
    await removeNow(ctx, record, force);
  });
}

async function removeNow(ctx: VolumeContext, record: VolumeRecord, force: boolean): Promise<void> {
  const { name } = record;
  try {
    const driver = await driverOf(ctx, record.driver, name, "remove");
    await driver.remove(name);
  } catch (error) {
    const failure = error instanceof Failure && !error.message.startsWith("remove ") ? fail(kindOf(error), `remove ${name}: ${messageOf(error)}`, { cause: error }) : error;
    // As Docker: what a plugin has against it is said with force, too.
    if (!force || record.driver === "local" || isRefusal(error)) throw failure;
    // With force the record of a volume goes whose plugin does not answer any more.
    ctx.log.warn("a volume's record is removed, its driver could not be told", { volume: name, driver: record.driver, error: failure });
  }
  await failpoint("volumes.removed");
  await ctx.records.delete(name);
  publish(ctx, "destroy", record);
}

const isRefusal = (error: unknown) => error instanceof Failure && error.facts["said"] === true;

/** Snapshots stay: they are kept to be gone back to. */
export async function prune(ctx: VolumeContext, filters: Filters, { dryRun = false, without = new Set() }: PruneOptions = {}): Promise<{ deleted: string[]; reclaimed: number }> {
  checkFilters(filters, ["all", "label", "label!"]);
  const all = booleanFilter(filters, "all") ?? false;
  const meant = ctx.records.all().filter((one) => (all || one.anonymous) && one.snapshotOf === undefined && one.driver === "local" && isShown(one, filters) && matchesLabels(filters, one.labels));
  const unused = meant.filter(({ name }) => ctx.usersOf(name).every((user) => without.has(user)));
  const deleted: string[] = [];
  let reclaimed = 0;
  for (const record of unused) {
    const { bytes } = await usageOf(ctx, record).catch(() => ({ bytes: 0 }));
    try {
      if (!dryRun) await remove(ctx, record.name, false);
    } catch (error) {
      ctx.log.warn("prune: a volume was left", { volume: record.name, error });
      continue;
    }
    deleted.push(record.name);
    reclaimed += bytes;
  }
  if (!dryRun) ctx.events.publish({ Type: "volume", Action: "prune", Actor: { ID: "", Attributes: { reclaimed: String(reclaimed) } } });
  return { deleted, reclaimed };
}
