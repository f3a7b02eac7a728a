/**
 * The database: one SQLite file in WAL mode, written by one engine.
 *
 *     const db = openDatabase(`${root}/gantry.db`, { migrations });
 *     const q = db.prepare({
 *       byName: "SELECT record FROM volumes WHERE name = ?",
 *       put: "INSERT INTO volumes (name, record) VALUES (?, ?)",
 *     });
 *     q.byName.get("data");                               // reads are direct
 *     await db.write(() => q.put.run("data", "{}"));      // resolves when it is durable
 *
 * Group commit: the functions handed to `write` within one turn of the event loop run in one transaction, each in a
 * savepoint of its own, in the order of the calls. One that throws takes back only what it did itself. So many callers
 * share one fsync, and none hears of success before it is on the disk. The fsync of the log, which SQLite would do
 * inside COMMIT (synchronous=FULL), is done by a thread instead: it may take long when the disk is busy, and the event
 * loop must not wait for it (docs/decisions/0007-fsync-off-the-loop.md).
 */
import { closeSync, fdatasync, fdatasyncSync, openSync } from "node:fs";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { fail, messageOf } from "./errors.ts";

export type Row = Record<string, string | number | bigint | Uint8Array | null>;

/** A prepared statement. Integers are numbers; a column of nanoseconds needs `get64`/`all64`, which give bigints. */
export type Statement = {
  get<T = Row>(...params: SQLInputValue[]): T | undefined;
  all<T = Row>(...params: SQLInputValue[]): T[];
  get64<T = Row>(...params: SQLInputValue[]): T | undefined;
  all64<T = Row>(...params: SQLInputValue[]): T[];
  /** Changes rows: only inside a function given to `write`. Returns how many. */
  run(...params: SQLInputValue[]): number;
};

export type Database = Disposable & {
  readonly path: string;
  /** Names statements; each is compiled at its first use. */
  prepare<const N extends string>(statements: Record<N, string>): Record<N, Statement>;
  /** Runs `change` in the next transaction; resolves to what it returned, once that is durable. It must be synchronous. */
  write<T>(change: () => T): Promise<T>;
  /** Resolves when all that can be read now is durable, and its writers know: at once, unless a write is under way. */
  settled(): Promise<void>;
  /** Commits what is queued, then closes. Later writes are refused as `unavailable`. */
  close(): void;
};

/** Each element is the SQL that leads from version n (its index) to n + 1. Never edit one that was released. */
export type Migrations = readonly string[];

export type DatabaseOptions = { readonly migrations: Migrations };

/**
 * Opens the database (its files are the owner's alone) and brings its schema up to date, in one transaction.
 * @throws conflict when another process holds it; invalid when a newer Gantry wrote it (nothing is written then);
 *   internal when it is damaged.
 */
export function openDatabase(path: string, options: DatabaseOptions): Database {
  for (const file of [path, `${path}.lock`]) closeSync(openSync(file, "a", 0o600));
  const lock = takeLock(path);
  try {
    return database(path, openMigrated(path, options.migrations), lock);
  } catch (error) {
    lock.close();
    throw error;
  }
}

/**
 * One engine a database: a second file is held with BEGIN EXCLUSIVE as long as the process lives. The kernel lets go of
 * it when the process dies, however it dies. Not the database itself, so that it can be read and backed up meanwhile.
 */
function takeLock(path: string): DatabaseSync {
  const lock = new DatabaseSync(`${path}.lock`, { timeout: 0 });
  try {
    lock.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
    return lock;
  } catch (error) {
    lock.close();
    throw fail("conflict", `open ${path}: another engine is running on it; stop it, or choose another data root`, {
      cause: error,
    });
  }
}

function openMigrated(path: string, migrations: Migrations): DatabaseSync {
  const db = new DatabaseSync(path, { timeout: 5000, enableForeignKeyConstraints: true });
  try {
    const version = Number((db.prepare("PRAGMA user_version").get() as { user_version: number }).user_version);
    if (version > migrations.length) {
      throw fail(
        "invalid",
        `open ${path}: it was written by a newer version of Gantry (schema ${version}, this one knows ${migrations.length}); nothing was changed`,
      );
    }
    db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY");
    migrate(db, version, migrations);
    // One write in FULL mode makes the log's place in its folder durable; from then on `flush` syncs the log itself.
    db.exec(`PRAGMA user_version = ${migrations.length}; PRAGMA synchronous = NORMAL`);
    return db;
  } catch (error) {
    db.close();
    if (error instanceof Error && "errcode" in error) {
      throw fail("internal", `open ${path}: ${messageOf(error)}`, { cause: error });
    }
    throw error;
  }
}

function migrate(db: DatabaseSync, version: number, migrations: Migrations): void {
  if (version === migrations.length) return;
  db.exec("BEGIN IMMEDIATE");
  try {
    for (const step of migrations.slice(version)) db.exec(step);
    db.exec(`PRAGMA user_version = ${migrations.length}; COMMIT`);
  } catch (error) {
    db.exec("ROLLBACK");
    throw error;
  }
}

type Pending = { change: () => unknown; resolve: (value: unknown) => void; reject: (error: unknown) => void };

function database(path: string, db: DatabaseSync, lock: DatabaseSync): Database {
  let queue: Pending[] = [];
  let writing = false;
  let closed = false;
  const log = openSync(`${path}-wal`, "r+");
  let syncs = 0;
  /** Of all that is committed so far, while `syncs` is not 0. Syncs may end in another order than they began. */
  let durable: Promise<unknown> = Promise.resolve();

  const flush = (sync: (done: (error: Error | null) => void) => void) => {
    const batch = queue;
    queue = [];
    if (batch.length === 0) return;
    writing = true;
    const settle = commit(db, batch);
    writing = false;
    sync((error) => settle(error === null ? undefined : writeFailure(error)));
  };
  const syncLater = (done: (error: Error | null) => void) => {
    syncs += 1;
    const synced = new Promise<void>((resolve, reject) => {
      fdatasync(log, (error) => {
        syncs -= 1;
        if (closed && syncs === 0) closeSync(log);
        done(error);
        if (error === null) resolve();
        else reject(writeFailure(error));
      });
    });
    durable = Promise.all(syncs === 1 ? [synced] : [durable, synced]);
    durable.catch(() => undefined);
  };

  return {
    path,
    prepare: (statements) => prepareAll(db, statements, () => writing),
    write<T>(change: () => T): Promise<T> {
      if (closed) return Promise.reject(fail("unavailable", `write to ${path}: the engine is stopping`));
      return new Promise<T>((resolve, reject) => {
        if (queue.length === 0) setImmediate(flush, syncLater);
        queue.push({ change, resolve: resolve as (value: unknown) => void, reject });
      });
    },
    async settled() {
      if (syncs > 0) await durable;
    },
    close() {
      if (closed) return;
      flush((done) => {
        fdatasyncSync(log);
        done(null);
      });
      closed = true;
      if (syncs === 0) closeSync(log);
      db.close();
      lock.close();
    },
    [Symbol.dispose]() {
      this.close();
    },
  };
}

/** Commits, in the log at least; what is returned tells the callers, once the log is durable or could not be made so. */
function commit(db: DatabaseSync, batch: readonly Pending[]): (failure?: Error) => void {
  const done: (() => void)[] = [];
  const refuse = (failure: Error) => batch.forEach(({ reject }) => reject(failure));
  try {
    db.exec("BEGIN IMMEDIATE");
    for (const pending of batch) done.push(runOne(db, pending));
    db.exec("COMMIT");
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK");
    return () => refuse(writeFailure(error));
  }
  return (failure) => (failure === undefined ? done.forEach((settle) => settle()) : refuse(failure));
}

/** Runs one change in its savepoint; the caller hears of it only after the commit. */
function runOne(db: DatabaseSync, { change, resolve, reject }: Pending): () => void {
  db.exec("SAVEPOINT one");
  try {
    const value = change();
    db.exec("RELEASE one");
    return () => resolve(value);
  } catch (error) {
    // A full disk ends the whole transaction; then there is no savepoint to go back to.
    if (!db.isTransaction) throw error;
    db.exec("ROLLBACK TO one; RELEASE one");
    return () => reject(error);
  }
}

const SQLITE_FULL = 13;

function writeFailure(error: unknown): Error {
  const code = (error as { errcode?: number }).errcode;
  if (code === SQLITE_FULL) return fail("exhausted", "write to the database: no space left on device", { cause: error });
  return fail("internal", `write to the database: ${messageOf(error)}`, { cause: error });
}

function prepareAll<const N extends string>(
  db: DatabaseSync,
  statements: Record<N, string>,
  writing: () => boolean,
): Record<N, Statement> {
  const entries = Object.entries(statements) as [N, string][];
  return Object.fromEntries(entries.map(([name, sql]) => [name, statement(db, sql, writing)])) as Record<N, Statement>;
}

function statement(db: DatabaseSync, sql: string, writing: () => boolean): Statement {
  let normal: StatementSync | undefined;
  let wide: StatementSync | undefined;
  const in53 = () => (normal ??= db.prepare(sql));
  const in64 = () => {
    if (wide === undefined) {
      wide = db.prepare(sql);
      wide.setReadBigInts(true);
    }
    return wide;
  };
  return {
    get: <T>(...params: SQLInputValue[]) => in53().get(...params) as T | undefined,
    all: <T>(...params: SQLInputValue[]) => in53().all(...params) as T[],
    get64: <T>(...params: SQLInputValue[]) => in64().get(...params) as T | undefined,
    all64: <T>(...params: SQLInputValue[]) => in64().all(...params) as T[],
    run: (...params: SQLInputValue[]) => {
      if (!writing()) throw new TypeError(`run "${sql}": only inside a function given to write`);
      return Number(in53().run(...params).changes);
    },
  };
}
