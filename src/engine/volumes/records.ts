/** The rows of volumes, in memory and in the database, and a lock for each name. */
import { formatTime, nowNanos } from "#base/clock.ts";
import { fail } from "#base/errors.ts";
import { localVolumePath } from "#volumes/volumes.ts";
import { openLock, type Lock } from "../containers/lock.ts";
import type { VolumeRecord } from "../engine.ts";
import type { VolumeParts } from "./volumes.ts";

/**
 * `movedFrom`: it was given this name, and its folder may still be under the former one. `mountedBy`: who a plugin was asked
 * to mount it for.
 */
export type StoredVolume = VolumeRecord & { readonly movedFrom?: string; readonly mountedBy?: readonly string[] };

export type VolumeRecords = {
  get(name: string): StoredVolume | undefined;
  /** @throws not-found */
  find(name: string): StoredVolume;
  all(): StoredVolume[];
  put(record: StoredVolume): Promise<void>;
  /** One row instead of another, in one transaction. */
  replace(name: string, record: StoredVolume): Promise<void>;
  delete(name: string): Promise<void>;
  locked<T>(name: string, work: () => Promise<T>): Promise<T>;
};

export function openRecords(db: VolumeParts["db"]): VolumeRecords {
  const q = db.prepare({
    all: "SELECT record FROM volumes",
    put: "INSERT INTO volumes (name, record) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET record = excluded.record",
    delete: "DELETE FROM volumes WHERE name = ?",
  });
  const records = new Map(q.all.all<{ record: string }>().map(({ record }) => JSON.parse(record) as StoredVolume).map((one) => [one.name, one]));
  const locks = new Map<string, Lock>();
  return {
    get: (name) => records.get(name),
    find(name) {
      const record = records.get(name);
      if (record === undefined) throw noSuchVolume(name);
      return record;
    },
    all: () => [...records.values()],
    async put(record) {
      await db.write(() => void q.put.run(record.name, JSON.stringify(record)));
      records.set(record.name, record);
    },
    async replace(name, record) {
      await db.write(() => {
        q.delete.run(name);
        q.put.run(record.name, JSON.stringify(record));
      });
      records.delete(name);
      records.set(record.name, record);
    },
    async delete(name) {
      await db.write(() => void q.delete.run(name));
      records.delete(name);
    },
    locked(name, work) {
      const lock = locks.get(name) ?? openLock();
      locks.set(name, lock);
      return lock.run(work).finally(() => void (lock.held || locks.delete(name)));
    },
  };
}

export const noSuchVolume = (name: string) => fail("not-found", `get ${name}: no such volume`);

export const ANONYMOUS = "com.docker.volume.anonymous";

export type RecordWish = {
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly options?: Readonly<Record<string, string>>;
  readonly anonymous?: boolean;
  readonly snapshotOf?: string;
};

/** A volume of the driver `local`. */
export function newRecord(root: string, { name, labels = {}, options = {}, anonymous = false, snapshotOf }: RecordWish): VolumeRecord {
  const marked = anonymous ? { ...labels, [ANONYMOUS]: "" } : { ...labels };
  return {
    name, driver: "local", mountpoint: localVolumePath(root, name), created: formatTime(nowNanos()), labels: marked, options: { ...options }, anonymous,
    ...(snapshotOf === undefined ? {} : { snapshotOf }),
  };
}
