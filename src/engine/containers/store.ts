/**
 * The records of all containers: in memory, mirrored row by row in the database. A record is never changed, only
 * replaced; what `put` replaced is visible at once and durable when its promise resolves.
 */
import { fail } from "#base/errors.ts";
import type { Database } from "#base/sqlite.ts";
import { parseTime } from "#base/clock.ts";
import type { ContainerRecord } from "../engine.ts";

export type Store = {
  get(id: string): ContainerRecord | undefined;
  /** By full id, name with or without a slash, or unique prefix of an id. @throws not-found, invalid (ambiguous) */
  find(ref: string): ContainerRecord;
  /** In the order they were made. */
  all(): ContainerRecord[];
  /** Takes a name for an id that has no record yet. @throws conflict */
  reserve(name: string, id: string): void;
  /** Gives a reserved name back. */
  release(name: string, id: string): void;
  put(record: ContainerRecord): Promise<void>;
  /** Replaces what is seen; the row stays as it is. For what does not outlive the engine. */
  remember(record: ContainerRecord): void;
  delete(id: string): Promise<void>;
};

export function openStore(db: Database): Store {
  const q = db.prepare({
    all: "SELECT record FROM containers ORDER BY created, id",
    put: "INSERT INTO containers (id, name, record, created) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET name = excluded.name, record = excluded.record",
    delete: "DELETE FROM containers WHERE id = ?",
  });
  const rows = q.all.all<{ record: string }>();
  const records = new Map(rows.map(({ record }) => JSON.parse(record) as ContainerRecord).map((record) => [record.id, record]));
  const names = new Map([...records.values()].map(({ name, id }) => [name, id]));
  return {
    get: (id) => records.get(id),
    find(ref) {
      const name = ref.startsWith("/") ? ref.slice(1) : ref;
      const record = records.get(ref) ?? records.get(names.get(name) ?? "") ?? byPrefix(records, ref);
      if (record === undefined) throw fail("not-found", `No such container: ${ref}`);
      return record;
    },
    all: () => [...records.values()],
    reserve(name, id) {
      const holder = names.get(name);
      if (holder !== undefined && holder !== id) throw nameTaken(name, holder);
      names.set(name, id);
    },
    release(name, id) {
      if (names.get(name) === id) names.delete(name);
    },
    put(record) {
      const before = records.get(record.id);
      if (before !== undefined && before.name !== record.name && names.get(before.name) === record.id) names.delete(before.name);
      records.set(record.id, Object.freeze(record));
      names.set(record.name, record.id);
      const created = parseTime(record.created) ?? 0n;
      return db.write(() => void q.put.run(record.id, record.name, JSON.stringify(record), created));
    },
    remember(record) {
      if (records.has(record.id)) records.set(record.id, Object.freeze(record));
    },
    delete(id) {
      const record = records.get(id);
      records.delete(id);
      if (record !== undefined && names.get(record.name) === id) names.delete(record.name);
      return db.write(() => void q.delete.run(id));
    },
  };
}

function byPrefix(records: ReadonlyMap<string, ContainerRecord>, ref: string): ContainerRecord | undefined {
  if (!/^[0-9a-f]{1,63}$/.test(ref)) return undefined;
  let found: ContainerRecord | undefined;
  for (const [id, record] of records) {
    if (!id.startsWith(ref)) continue;
    if (found !== undefined) throw fail("invalid", `multiple IDs found with provided prefix: ${ref}`);
    found = record;
  }
  return found;
}

const nameTaken = (name: string, holder: string) =>
  fail("conflict", `Conflict. The container name "/${name}" is already in use by container "${holder}". You have to remove (or rename) that container to be able to reuse that name.`);
