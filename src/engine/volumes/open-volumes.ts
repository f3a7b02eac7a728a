import { localDriver } from "#volumes/volumes.ts";
import type { VolumeContext } from "./context.ts";
import { clone, exportVolume, importArchive, snapshot } from "./copies.ts";
import { driverOf } from "./context.ts";
import { ensure, findForeign } from "./create.ts";
import { fill } from "./fill.ts";
import { list, listAll } from "./list.ts";
import { adopt, mount, needsMount, unmount } from "./mounts.ts";
import { noSuchVolume, openRecords } from "./records.ts";
import { recover, sweep } from "./recover.ts";
import { prune, remove } from "./remove.ts";
import { rename } from "./rename.ts";
import { usageOf } from "./usage.ts";
import type { VolumeParts, VolumeStore } from "./volumes.ts";

export function openVolumes(parts: VolumeParts): VolumeStore {
  const { kernel, root } = parts;
  const records = openRecords(parts.db);
  const local = localDriver({
    kernel,
    root,
    names: () => records.all().filter(({ driver }) => driver === "local").map(({ name }) => name),
    optionsOf: (name) => records.get(name)?.options ?? {},
  });
  const ctx: VolumeContext = { ...parts, records, local, making: new Set(), held: new Map(), mounts: { users: new Map(), leaving: new Set() } };
  return {
    ensure: (wish) => ensure(ctx, wish),
    has: (name) => records.get(name) !== undefined,
    async removeEmpty(name) {
      const record = records.get(name);
      if (record?.driver !== "local" || needsMount(ctx, name) || parts.usersOf(name).length > 0) return;
      if ((await usageOf(ctx, record)).inodes === 0) await remove(ctx, name, true);
    },
    exclusively: records.locked,
    get: records.find,
    async inspect(name) {
      const record = records.get(name) ?? (await findForeign(ctx, name));
      if (record === undefined) throw noSuchVolume(name);
      if (record.driver === "local") return { record };
      const driver = await driverOf(ctx, record.driver, name, "get");
      const found = await driver.get(name);
      if (found === undefined) throw noSuchVolume(name);
      return { record: { ...record, mountpoint: found.mountpoint }, ...(found.status === undefined ? {} : { status: found.status }) };
    },
    async create({ name = "", ...wish }) {
      return (await ensure(ctx, { ...wish, ...(name === "" ? {} : { name }), anonymous: name === "" })).record;
    },
    list: (filters) => list(ctx, filters),
    listAll: (filters) => listAll(ctx, filters),
    remove: (name, { force }) => remove(ctx, name, force),
    prune: (filters, options) => prune(ctx, filters, options),
    async usage(name) {
      const record = records.find(name);
      return { ...(await usageOf(ctx, record)), users: parts.usersOf(name).length };
    },
    rename: async (name, to) => await rename(ctx, name, to),
    clone: async (name, wish) => await clone(ctx, name, wish),
    snapshot: async (name, wish) => await snapshot(ctx, name, wish),
    export: (name, options) => exportVolume(ctx, name, options),
    import: async (archive, wish) => await importArchive(ctx, archive, wish),
    mount: (name, user) => mount(ctx, name, user),
    unmount: (name, user) => unmount(ctx, name, user),
    adopt: (name, user) => adopt(ctx, name, user),
    needsMount: (name) => needsMount(ctx, name),
    fill: (name, content) => fill(ctx, name, content),
    recover: () => recover(ctx),
    sweep: () => sweep(ctx),
  };
}
