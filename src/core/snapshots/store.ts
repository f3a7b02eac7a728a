/** Snapshots as rows and folders. See snapshots.ts. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { nowNanos } from "#base/clock.ts";
import { fail } from "#base/errors.ts";
import { failpoint } from "#base/failpoint.ts";
import type { Database } from "#base/sqlite.ts";
import type { Kernel } from "#linux/linux.ts";
import { diskFailure } from "../disk.ts";
import { enterFolder } from "../inside.ts";
import { drivers, type Driver, removeFolder } from "./driver.ts";
import { applyInitLayer, makeInitLayer } from "./init-layer.ts";
import type { Commit, Draft, Kind, Mounts, Snapshot, Snapshots, Usage } from "./snapshots.ts";

const COLUMNS = "name, id, kind, parent, init, bytes, inodes, created";
const statements = {
  get: `SELECT ${COLUMNS} FROM snapshots WHERE name = ?`,
  list: `SELECT ${COLUMNS} FROM snapshots ORDER BY id`,
  lastId: "SELECT max(id) AS id FROM snapshots",
  children: "SELECT name FROM snapshots WHERE parent = ? LIMIT 1",
  put: "INSERT INTO snapshots (name, id, kind, parent, init, bytes, inodes, created) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
  remove: "DELETE FROM snapshots WHERE name = ?",
} as const;

type Row = { name: string; id: number; kind: Kind; parent: string | null; init: number; bytes: number; inodes: number; created: bigint };

export type SnapshotStore = Snapshots & {
  /** Forgets committed snapshots: inside a write. Returns their folders' ids. Names must come with all their children. */
  forget(names: readonly string[]): number[];
  removeFolders(ids: readonly number[]): Promise<void>;
  /** Forgets one snapshot that is damaged, whatever it is: inside a write. */
  drop(name: string): void;
  /** Ids of the folders that are there, and of those that are being made or removed now. */
  folders(): Promise<{ readonly all: readonly number[]; readonly underWay: ReadonlySet<number> }>;
  /** Whether the snapshot's tree is there, and how many files are in it. Undefined: no tree. */
  measure(name: string): Promise<Usage | undefined>;
};

export type SnapshotOptions = { db: Database; kernel: Kernel; folder: string; driver: "overlay" | "vfs" };

/** The init layer's folder; all others are called by a number. */
const INIT = "init";
const ENOENT = 2;

export async function openSnapshots({ db, kernel, folder, driver: driverName }: SnapshotOptions): Promise<SnapshotStore> {
  const q = db.prepare(statements);
  const driver: Driver = drivers[driverName]!;
  const folderOf = (id: number | string) => join(folder, String(id));
  await prepareRoot(kernel, folder, driver);
  /** Folders that are being filled, or removed by name: they have no row, and are no garbage. */
  const underWay = new Set<number>();
  let lastId = Math.max(q.lastId.get<{ id: number | null }>()?.id ?? 0, ...(await folderIds(folder)));

  const store: SnapshotStore = {
    driver: driver.name,
    whiteouts: driver.whiteouts,
    stat,
    list: () => q.list.all64<Row>().map(fromRow),
    tree: (name) => driver.tree(folderOf(need(name).id)),
    mounts: (name) => mountsOf(need(name)),
    draft: (parent, { init = false } = {}) => makeFolder(parent, init),
    discard: (draft) => remove(draft.id),

    async prepare(name, parent, { init = false } = {}) {
      refuseTaken(name);
      const draft = await makeFolder(parent, init);
      try {
        await failpoint("snapshots.row");
        await insert({ name, id: draft.id, kind: "active", parent, init });
        underWay.delete(draft.id);
      } catch (error) {
        await remove(draft.id);
        throw error;
      }
      return store.mounts(name);
    },

    async view(name, parent) {
      refuseTaken(name);
      needCommitted(parent);
      await insert({ name, id: ++lastId, kind: "view", parent, init: false });
      return store.mounts(name);
    },

    async commit(commits) {
      const spare = await db.write(() => commits.filter((commit) => !insertCommitted(commit)));
      for (const commit of commits) if (!spare.includes(commit)) underWay.delete(commit.draft.id);
      // They are committed: a spare folder that will not go is swept at the next start.
      await Promise.allSettled(spare.map(({ draft }) => remove(draft.id)));
    },

    async remove(name) {
      const snapshot = stat(name);
      if (snapshot === undefined) return;
      await db.write(() => {
        const child = q.children.get<{ name: string }>(name);
        if (child !== undefined) throw fail("conflict", `remove snapshot ${name}: snapshot ${child.name} is made on it`);
        q.remove.run(name);
        underWay.add(snapshot.id);
      });
      await failpoint("snapshots.folder");
      await remove(snapshot.id);
    },

    async usage(name) {
      const snapshot = need(name);
      if (snapshot.kind === "committed") return snapshot.usage;
      if (snapshot.kind === "view") return { bytes: 0, inodes: 0 };
      return readUsage((await kernel.perform([{ op: "usage", path: driver.tree(folderOf(snapshot.id)) }])).get(0)!);
    },

    async sweep() {
      const known = new Set(store.list().map((snapshot) => snapshot.id));
      await store.removeFolders((await folderIds(folder)).filter((id) => !known.has(id)));
    },

    forget(names) {
      const ids = names.map((name) => need(name).id);
      names.forEach((name) => q.remove.run(name));
      return ids;
    },
    removeFolders: async (ids) => void (await Promise.all(ids.map(remove))),
    drop: (name) => void q.remove.run(name),
    folders: async () => ({ all: await folderIds(folder), underWay }),
    async measure(name) {
      const path = driver.tree(folderOf(need(name).id));
      const output = (await kernel.perform([{ op: "usage", path, tolerate: ENOENT }])).get(0);
      return output === undefined || output.length === 0 ? undefined : readUsage(output);
    },
  };
  return store;

  function stat(name: string): Snapshot | undefined {
    const row = q.get.get64<Row>(name);
    return row === undefined ? undefined : fromRow(row);
  }

  function need(name: string): Snapshot {
    const snapshot = stat(name);
    if (snapshot === undefined) throw fail("not-found", `snapshot ${name}: not found`);
    return snapshot;
  }

  function needCommitted(name: string): Snapshot {
    const snapshot = need(name);
    if (snapshot.kind !== "committed") throw fail("invalid", `snapshot ${name}: it is not committed, so nothing can be made on it`);
    return snapshot;
  }

  function refuseTaken(name: string): void {
    if (stat(name) !== undefined) throw fail("already-exists", `snapshot ${name}: already exists`);
  }

  /** Folders of a committed snapshot and all below it, topmost first. */
  function foldersFrom(name: string | undefined): string[] {
    const folders: string[] = [];
    for (let at = name; at !== undefined; ) {
      const snapshot = needCommitted(at);
      folders.push(folderOf(snapshot.id));
      at = snapshot.parent;
    }
    return folders;
  }

  function mountsOf(snapshot: Snapshot): Mounts {
    const parents = foldersFrom(snapshot.parent);
    if (snapshot.kind === "view") return driver.view(parents);
    if (snapshot.kind === "committed") return driver.view([folderOf(snapshot.id), ...parents]);
    return driver.mounts(folderOf(snapshot.id), parents, snapshot.init ? folderOf(INIT) : undefined);
  }

  async function makeFolder(parent: string | undefined, init: boolean): Promise<Draft> {
    const id = ++lastId;
    const made = folderOf(id);
    const parents = foldersFrom(parent);
    const initFolder = init ? folderOf(INIT) : undefined;
    const program = driver.create(made, parents, initFolder);
    underWay.add(id);
    try {
      await diskFailure("make a snapshot", kernel.perform(program));
      const tree = driver.tree(made);
      if (init && driver.whiteouts === "removal") {
        await diskFailure("make a snapshot", kernel.perform([...enterFolder(tree), ...applyInitLayer()], { forked: true }));
      }
      return { id, tree, mounts: driver.mounts(made, parents, initFolder) };
    } catch (error) {
      underWay.delete(id);
      throw error;
    }
  }

  function insert(row: { name: string; id: number; kind: Kind; parent: string | undefined; init: boolean }): Promise<void> {
    const { name, id, kind, parent = null, init } = row;
    return db.write(() => {
      refuseTaken(name);
      // Collected meanwhile, when nobody held it: then this one is not made either.
      if (parent !== null) needCommitted(parent);
      q.put.run(name, id, kind, parent, Number(init), 0, 0, nowNanos());
    });
  }

  /** False when the name is there already: somebody else made the same layer meanwhile. */
  function insertCommitted({ draft, name, parent, usage }: Commit): boolean {
    if (stat(name) !== undefined) return false;
    if (parent !== undefined) needCommitted(parent);
    q.put.run(name, draft.id, "committed", parent ?? null, 0, usage.bytes, usage.inodes, nowNanos());
    return true;
  }

  async function remove(id: number): Promise<void> {
    await kernel.perform(removeFolder(folderOf(id))).finally(() => underWay.delete(id));
  }
}

/** Bytes and inodes as the op `usage` puts them out. */
export function readUsage(output: Buffer): Usage {
  return { bytes: Number(output.readBigUInt64LE(0)), inodes: Number(output.readBigUInt64LE(8)) };
}

async function prepareRoot(kernel: Kernel, folder: string, driver: Driver): Promise<void> {
  const tree = driver.tree(join(folder, INIT));
  await kernel.perform([
    { op: "mkdirAll", slot: 1, path: folder, mode: 0o710 },
    // ext4 looks for free inodes near the parent's, and without a journal past each that was freed in the last minutes: an image
    // pulled after another was removed took three times as long. Layers and containers have nothing to do with each other.
    { op: "spread", path: folder },
    { op: "mkdirAll", slot: 1, path: join(folder, INIT), mode: 0o710 },
    { op: "mkdirAll", slot: 1, path: tree, mode: 0o755 },
    ...makeInitLayer(tree),
  ]);
}

async function folderIds(folder: string): Promise<number[]> {
  return (await readdir(folder)).filter((name) => /^\d+$/.test(name)).map(Number);
}

function fromRow(row: Row): Snapshot {
  return {
    name: row.name,
    id: Number(row.id),
    kind: row.kind,
    parent: row.parent ?? undefined,
    init: Number(row.init) === 1,
    usage: { bytes: Number(row.bytes), inodes: Number(row.inodes) },
    created: row.created,
  };
}
