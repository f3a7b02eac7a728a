/**
 * Who has a plugin's volume mounted. It is written down before a plugin is asked for it, and crossed out when the plugin has
 * it back: what an engine asked for that was killed is given back by the next one. Each user is asked for once, and given
 * back once, however often the engine says so.
 */
import { Failure, kindOf } from "#base/errors.ts";
import type { VolumeDriver } from "#volumes/volumes.ts";
import { driverOf, type VolumeContext } from "./context.ts";
import type { StoredVolume } from "./records.ts";

export async function mountOfPlugin(ctx: VolumeContext, driver: VolumeDriver, { name }: StoredVolume, user: string): Promise<string> {
  const users = usersOf(ctx, name);
  users.add(user);
  await note(ctx, name);
  try {
    return await driver.mount(name, user);
  } catch (error) {
    // One that does not answer may have done it: it is told in the background, and again when the engine starts.
    if (isUnanswered(error)) void giveBack(ctx, name, user);
    else await crossOut(ctx, name, user);
    throw error;
  }
}

export async function unmountOfPlugin(ctx: VolumeContext, name: string, user: string): Promise<void> {
  if (usersOf(ctx, name).has(user) && !ctx.mounts.leaving.has(`${user} ${name}`)) await giveBack(ctx, name, user);
}

/** It runs, and had it mounted before this engine was started. */
export function adoptOfPlugin(ctx: VolumeContext, name: string, user: string): void {
  usersOf(ctx, name).add(user);
}

/** When it is known who runs. Nobody waits for a plugin here. */
export function sweepPlugins(ctx: VolumeContext): void {
  for (const { name, driver, mountedBy = [] } of ctx.records.all()) {
    if (driver === "local") continue;
    const users = usersOf(ctx, name);
    for (const user of mountedBy.filter((one) => !users.has(one))) {
      users.add(user);
      ctx.log.info("unmount a volume that nobody uses any more", { volume: name, user });
      void giveBack(ctx, name, user);
    }
  }
}

const isUnanswered = (error: unknown) => error instanceof Failure && error.facts["unanswered"] === true;

async function giveBack(ctx: VolumeContext, name: string, user: string): Promise<void> {
  const key = `${user} ${name}`;
  ctx.mounts.leaving.add(key);
  try {
    const driver = await driverOf(ctx, ctx.records.find(name).driver, name, "unmount");
    await driver.unmount(name, user);
    await crossOut(ctx, name, user);
  } catch (error) {
    ctx.log.warn("a volume could not be unmounted", { volume: name, user, error });
    // What the plugin has refused is not asked for again; what it did not hear is.
    if (kindOf(error) === "internal" && !isUnanswered(error)) await crossOut(ctx, name, user).catch(() => {});
  } finally {
    ctx.mounts.leaving.delete(key);
  }
}

async function crossOut(ctx: VolumeContext, name: string, user: string): Promise<void> {
  usersOf(ctx, name).delete(user);
  await note(ctx, name);
}

async function note({ records, mounts }: VolumeContext, name: string): Promise<void> {
  const record = records.get(name);
  if (record === undefined) return;
  const { mountedBy: _, ...rest } = record;
  const users = [...(mounts.users.get(name) ?? [])];
  if (users.length === 0) mounts.users.delete(name);
  await records.put(users.length === 0 ? rest : { ...rest, mountedBy: users });
}

function usersOf({ mounts }: VolumeContext, name: string): Set<string> {
  const users = mounts.users.get(name) ?? new Set<string>();
  mounts.users.set(name, users);
  return users;
}
