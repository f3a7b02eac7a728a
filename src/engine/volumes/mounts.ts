/** Who has a volume mounted. */
import { fail, Failure, kindOf, messageOf } from "#base/errors.ts";
import { parseLocalOptions } from "#volumes/volumes.ts";
import { driverOf, type VolumeContext } from "./context.ts";
import { adoptOfPlugin, mountOfPlugin, unmountOfPlugin } from "./plugin-mounts.ts";

export function needsMount(ctx: VolumeContext, name: string): boolean {
  const record = ctx.records.get(name);
  return record !== undefined && (record.driver !== "local" || parseLocalOptions(record.options).mount !== undefined);
}

export async function mount(ctx: VolumeContext, name: string, user: string): Promise<string> {
  const record = ctx.records.find(name);
  if (!needsMount(ctx, name)) return record.mountpoint;
  const driver = await driverOf(ctx, record.driver, name, "get");
  try {
    return await (driver === ctx.local ? driver.mount(name, user) : mountOfPlugin(ctx, driver, record, user));
  } catch (error) {
    throw error instanceof Failure ? fail(kindOf(error), `error while mounting volume '${record.mountpoint}': ${messageOf(error)}`, { cause: error, facts: error.facts }) : error;
  }
}

export function adopt(ctx: VolumeContext, name: string, user: string): void {
  const record = ctx.records.get(name);
  if (record?.driver === "local") ctx.local.adopt(name, user);
  else if (record !== undefined) adoptOfPlugin(ctx, name, user);
}

export async function unmount(ctx: VolumeContext, name: string, user: string): Promise<void> {
  const record = ctx.records.get(name);
  if (record === undefined || !needsMount(ctx, name)) return;
  if (record.driver !== "local") return await unmountOfPlugin(ctx, name, user);
  try {
    const driver = await driverOf(ctx, record.driver, name, "get");
    await driver.unmount(name, user);
  } catch (error) {
    ctx.log.warn("a volume could not be unmounted", { volume: name, user, error });
  }
}
