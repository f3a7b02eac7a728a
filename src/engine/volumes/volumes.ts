/**
 * Volumes as Docker's users see them: records, the driver `local` behind them, and who uses them.
 *
 *     const volumes = openVolumes({ db, kernel, root, events, usersOf, log });
 *     const { name } = await volumes.create({ name: "data" });
 *
 * A row is written after the folder is there and goes after the folder went, so that a row always has its folder; a
 * folder without a row is garbage (`sweep`).
 */
import { randomBytes } from "node:crypto";
import { formatTime, nowNanos } from "#base/clock.ts";
import { fail } from "#base/errors.ts";
import type { Log } from "#base/log.ts";
import type { Database } from "#base/sqlite.ts";
import type { Kernel } from "#linux/linux.ts";
import { checkVolumeName, localVolumeMake, localVolumePath, localVolumeRemove, localVolumeUsage } from "#volumes/volumes.ts";
import type { Events, Filters, VolumeRecord, Volumes } from "../engine.ts";
import { booleanFilter, checkFilters, matchesLabels, matchesPattern } from "../filters.ts";
import { openLock, type Lock } from "../containers/lock.ts";

export type VolumeParts = {
  readonly db: Database;
  readonly kernel: Kernel;
  /** `<data root>/volumes`. */
  readonly root: string;
  readonly events: Pick<Events, "publish">;
  /** Ids of the containers that mount a volume. */
  readonly usersOf: (name: string) => readonly string[];
  readonly log: Log;
};

/** What containers need beyond what the API does. */
export type VolumeStore = Volumes & {
  /** Makes a volume if there is none of that name. `made`: it is new. */
  ensure(options: { name?: string; labels?: Record<string, string>; anonymous: boolean }): Promise<{ record: VolumeRecord; made: boolean }>;
  /** Work on a volume that nobody else may do meanwhile: filling it, removing it. */
  exclusively<T>(name: string, work: () => Promise<T>): Promise<T>;
  /** Removes folders that no record names. */
  sweep(): Promise<void>;
};

export const ANONYMOUS = "com.docker.volume.anonymous";
const FILTERS = ["dangling", "driver", "label", "label!", "name"];

export function openVolumes(parts: VolumeParts): VolumeStore {
  const q = parts.db.prepare({
    all: "SELECT record FROM volumes",
    put: "INSERT INTO volumes (name, record) VALUES (?, ?)",
    delete: "DELETE FROM volumes WHERE name = ?",
  });
  const records = new Map(q.all.all<{ record: string }>().map(({ record }) => JSON.parse(record) as VolumeRecord).map((one) => [one.name, one]));
  const locks = new Map<string, Lock>();
  const locked = <T>(name: string, work: () => Promise<T>): Promise<T> => {
    const lock = locks.get(name) ?? openLock();
    locks.set(name, lock);
    return lock.run(work).finally(() => void (lock.held || locks.delete(name)));
  };

  const make = async (record: VolumeRecord): Promise<VolumeRecord> => {
    await parts.kernel.perform(localVolumeMake(parts.root, record.name));
    await parts.db.write(() => void q.put.run(record.name, JSON.stringify(record)));
    records.set(record.name, record);
    publish("create", record);
    return record;
  };
  const publish = (action: string, { name, driver }: VolumeRecord) =>
    parts.events.publish({ Type: "volume", Action: action, Actor: { ID: name, Attributes: { driver } } });

  const get = (name: string): VolumeRecord => {
    const record = records.get(name);
    if (record === undefined) throw fail("not-found", `get ${name}: no such volume`);
    return record;
  };

  const ensure: VolumeStore["ensure"] = async ({ name = randomBytes(32).toString("hex"), labels = {}, anonymous }) => {
    const known = records.get(name);
    if (known !== undefined) return { record: known, made: false };
    checkVolumeName(name);
    return await locked(name, async () => {
      const found = records.get(name);
      return found === undefined ? { record: await make(newRecord(parts.root, { name, labels, anonymous })), made: true } : { record: found, made: false };
    });
  };

  const removeNow = async (record: VolumeRecord): Promise<void> => {
    await parts.kernel.perform(localVolumeRemove(parts.root, record.name));
    await parts.db.write(() => void q.delete.run(record.name));
    records.delete(record.name);
    publish("destroy", record);
  };

  const remove = (name: string, force: boolean): Promise<void> =>
    locked(name, async () => {
      const record = records.get(name);
      if (record === undefined && force) return;
      if (record === undefined) throw fail("not-found", `get ${name}: no such volume`);
      const users = parts.usersOf(name);
      if (users.length > 0) throw fail("conflict", `remove ${name}: volume is in use - [${users.join(", ")}]`, { facts: { users } });
      await removeNow(record);
    });

  return {
    ensure,
    exclusively: locked,
    get,
    async create({ name, driver = "local", labels = {}, options = {} }) {
      if (driver !== "" && driver !== "local") throw fail("not-found", `create ${name ?? ""}: error looking up volume plugin ${driver}: plugin "${driver}" not found`);
      if (Object.keys(options).length > 0) throw fail("not-implemented", `create ${name ?? ""}: options of the driver "local" are not supported yet: ${Object.keys(options).join(", ")}`);
      const anonymous = name === undefined || name === "";
      const wish = anonymous ? { labels: { ...labels, [ANONYMOUS]: "" }, anonymous } : { name, labels, anonymous };
      return (await ensure(wish)).record;
    },
    list(filters) {
      checkFilters(filters, FILTERS);
      return [...records.values()].filter((record) => matches(record, filters, parts.usersOf));
    },
    remove: (name, { force }) => remove(name, force),
    async usage(name) {
      get(name);
      return { bytes: await usage(parts, name), users: parts.usersOf(name).length };
    },
    async prune(filters, { dryRun = false } = {}) {
      checkFilters(filters, ["all", "label", "label!"]);
      const all = booleanFilter(filters, "all") ?? false;
      const unused = [...records.values()].filter((one) => (all || one.anonymous) && matchesLabels(filters, one.labels) && parts.usersOf(one.name).length === 0);
      const deleted: string[] = [];
      let reclaimed = 0;
      for (const { name } of unused) {
        const bytes = await usage(parts, name).catch(() => 0);
        try {
          if (!dryRun) await remove(name, false);
        } catch (error) {
          parts.log.warn("prune: a volume was left", { volume: name, error });
          continue;
        }
        deleted.push(name);
        reclaimed += bytes;
      }
      if (!dryRun) parts.events.publish({ Type: "volume", Action: "prune", Actor: { ID: "", Attributes: { reclaimed: String(reclaimed) } } });
      return { deleted, reclaimed };
    },
    async sweep() {
      const outputs = await parts.kernel.perform([{ op: "list", path: parts.root, tolerate: 2 }]);
      for (const name of namesOf(outputs.get(0))) {
        if (records.has(name)) continue;
        parts.log.info("remove a volume's folder that has no record", { volume: name });
        await parts.kernel.perform(localVolumeRemove(parts.root, name));
      }
    },
  };
}

function newRecord(root: string, { name, labels, anonymous }: { name: string; labels: Record<string, string>; anonymous: boolean }): VolumeRecord {
  const marked = anonymous ? { ...labels, [ANONYMOUS]: "" } : labels;
  return { name, driver: "local", mountpoint: localVolumePath(root, name), created: formatTime(nowNanos()), labels: marked, options: {}, anonymous };
}

function matches(record: VolumeRecord, filters: Filters, usersOf: VolumeParts["usersOf"]): boolean {
  const dangling = booleanFilter(filters, "dangling");
  if (dangling !== undefined && dangling !== (usersOf(record.name).length === 0)) return false;
  const drivers = filters.get("driver") ?? [];
  const names = filters.get("name") ?? [];
  return (
    (drivers.length === 0 || drivers.includes(record.driver)) &&
    (names.length === 0 || names.some((name) => matchesPattern(name, [record.name]))) &&
    matchesLabels(filters, record.labels)
  );
}

async function usage({ kernel, root }: VolumeParts, name: string): Promise<number> {
  const output = (await kernel.perform(localVolumeUsage(root, name))).get(0);
  return output === undefined ? 0 : Number(output.readBigUInt64LE(0));
}

/** Names in the output of the op `list`: for each a type byte, the name, a NUL. */
function namesOf(output: Buffer | undefined): string[] {
  return output === undefined ? [] : output.toString().split("\0").filter((item) => item !== "").map((item) => item.slice(1));
}

