/** A volume is made, or found: one that a plugin has is taken into the records when it is first asked for. */
import { randomBytes } from "node:crypto";
import { formatTime, nowNanos } from "#base/clock.ts";
import { fail, Failure, kindOf, messageOf } from "#base/errors.ts";
import { checkVolumeName, parseLocalOptions, type VolumeDriver } from "#volumes/volumes.ts";
import type { VolumeRecord } from "../engine.ts";
import { driverOf, publish, type VolumeContext } from "./context.ts";
import { newRecord } from "./records.ts";
import type { WantedVolume } from "./volumes.ts";

export async function ensure(ctx: VolumeContext, wish: WantedVolume): Promise<{ record: VolumeRecord; made: boolean }> {
  const name = wish.name ?? randomBytes(32).toString("hex");
  const known = ctx.records.get(name);
  if (known !== undefined) return { record: await sameDriver(ctx, known, wish), made: false };
  checkVolumeName(name);
  return await ctx.records.locked(name, async () => {
    const found = ctx.records.get(name);
    if (found !== undefined) return { record: await sameDriver(ctx, found, wish), made: false };
    const foreign = wish.driver === undefined || wish.driver === "" ? await findForeign(ctx, name) : undefined;
    if (foreign !== undefined) return { record: await keep(ctx, foreign), made: false };
    return { record: await make(ctx, { ...wish, name }), made: true };
  });
}

/** Without a driver any will do: it is found by its name. */
async function sameDriver(ctx: VolumeContext, record: VolumeRecord, { driver = "" }: WantedVolume): Promise<VolumeRecord> {
  if (driver === "" || driver === record.driver) return record;
  await driverOf(ctx, driver, record.name, "create");
  throw fail("conflict", `create ${record.name}: conflict: volume name must be unique`);
}

async function make(ctx: VolumeContext, { name, driver: named = "", labels = {}, options = {}, anonymous }: WantedVolume & { name: string }): Promise<VolumeRecord> {
  const driver = await driverOf(ctx, named, name, "create");
  const { scope } = await driver.capabilities();
  const local = newRecord(ctx.root, { name, labels, options, anonymous });
  try {
    if (driver === ctx.local) parseLocalOptions(options);
    await driver.create(name, options);
  } catch (error) {
    throw error instanceof Failure ? fail(kindOf(error), `create ${name}: ${messageOf(error)}`, { cause: error, facts: error.facts }) : error;
  }
  const record = driver === ctx.local ? local : { ...local, driver: driver.name, mountpoint: await driver.path(name).catch(() => ""), ...(scope === "global" ? { scope } : {}) };
  await ctx.records.put(record);
  publish(ctx, "create", record);
  return record;
}

async function keep(ctx: VolumeContext, record: VolumeRecord): Promise<VolumeRecord> {
  await ctx.records.put(record);
  return record;
}

/** A volume that some plugin has, and of which we have no record. One that does not answer has none. */
export async function findForeign(ctx: Pick<VolumeContext, "drivers">, name: string): Promise<VolumeRecord | undefined> {
  for (const other of (await ctx.drivers?.names()) ?? []) {
    const record = await ctx.drivers!.find(other).then((driver) => foreignRecord(driver, name)).catch(() => undefined);
    if (record !== undefined) return record;
  }
  return undefined;
}

async function foreignRecord(driver: VolumeDriver, name: string): Promise<VolumeRecord | undefined> {
  const found = await driver.get(name);
  if (found === undefined) return undefined;
  const { scope } = await driver.capabilities();
  return recordOf(driver.name, found, scope);
}

export function recordOf(driver: string, { name, mountpoint, createdAt }: { name: string; mountpoint: string; createdAt: string }, scope: "local" | "global"): VolumeRecord {
  return { name, driver, mountpoint, created: createdAt || formatTime(nowNanos()), labels: {}, options: {}, anonymous: false, ...(scope === "global" ? { scope } : {}) };
}
