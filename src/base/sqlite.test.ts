import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { Failure } from "./errors.ts";
import { type Database, openDatabase } from "./sqlite.ts";

const migrations = ["CREATE TABLE t (k TEXT PRIMARY KEY, v INTEGER NOT NULL CHECK (v < 100)) STRICT"];

function fresh(t: TestContext): string {
  const folder = mkdtempSync("/tmp/gantry-db-");
  t.after(() => rmSync(folder, { recursive: true }));
  return join(folder, "a.db");
}

function statements(db: Database) {
  return db.prepare({
    get: "SELECT v FROM t WHERE k = ?",
    all: "SELECT k FROM t ORDER BY k",
    put: "INSERT INTO t (k, v) VALUES (?, ?)",
  });
}

const keys = (db: Database) => statements(db).all.all<{ k: string }>().map((row) => row.k);

test("writes are there when they resolve, and after opening again", async (t) => {
  const path = fresh(t);
  const db = openDatabase(path, { migrations });
  const q = statements(db);
  assert.equal(await db.write(() => q.put.run("a", 1)), 1);
  assert.equal(q.get.get<{ v: number }>("a")?.v, 1);
  assert.equal(q.get.get("b"), undefined);
  assert.equal(q.get.get64<{ v: bigint }>("a")?.v, 1n);
  db.close();
  using again = openDatabase(path, { migrations });
  assert.deepEqual(keys(again), ["a"]);
});

test("writes of one turn are one transaction, in the order of the calls", async (t) => {
  using db = openDatabase(fresh(t), { migrations });
  const q = statements(db);
  const order: string[] = [];
  const before = statSync(`${db.path}-wal`).size;
  const all = ["x", "y", "z"].map((key) => db.write(() => (order.push(key), q.put.run(key, 1))));
  assert.deepEqual(order, [], "nothing is written in the turn of the call");
  await Promise.all(all);
  assert.deepEqual(order, ["x", "y", "z"]);
  const together = statSync(`${db.path}-wal`).size - before;
  const start = statSync(`${db.path}-wal`).size;
  for (const key of ["1", "2", "3"]) await db.write(() => q.put.run(key, 1));
  assert.ok(statSync(`${db.path}-wal`).size - start > 2 * together, "three transactions write about three times as many pages");
});

test("what can be read is durable once it is settled, and its writers know: however syncs overtake one another", async (t) => {
  using db = openDatabase(fresh(t), { migrations });
  const q = statements(db);
  await db.settled();
  for (let round = 0; round < 50; round++) {
    const written = new Set<string>();
    const writes = ["a", "b"].map(async (name) => {
      if (name === "b") while (q.get.get(`a${round}`) === undefined) await new Promise(setImmediate);
      await db.write(() => q.put.run(`${name}${round}`, 1));
      written.add(name);
    });
    while (q.get.get(`b${round}`) === undefined) await new Promise(setImmediate);
    await db.settled();
    // Whoever waits for a write is told in the same turn.
    await new Promise(setImmediate);
    assert.deepEqual([...written].sort(), ["a", "b"]);
    await Promise.all(writes);
  }
});

test("one that throws takes back what it did, and hurts no other", async (t) => {
  using db = openDatabase(fresh(t), { migrations });
  const q = statements(db);
  const ends = await Promise.allSettled([
    db.write(() => q.put.run("before", 1)),
    db.write(() => {
      q.put.run("half", 1);
      throw new RangeError("changed my mind");
    }),
    db.write(() => q.put.run("before", 2)),
    db.write(() => q.put.run("too large", 100)),
    db.write(() => q.put.run("after", 1)),
  ]);
  assert.deepEqual(ends.map((end) => end.status), ["fulfilled", "rejected", "rejected", "rejected", "fulfilled"]);
  assert.ok((ends[1] as PromiseRejectedResult).reason instanceof RangeError);
  assert.deepEqual(keys(db), ["after", "before"]);
});

test("a change outside of write is refused", (t) => {
  using db = openDatabase(fresh(t), { migrations });
  assert.throws(() => statements(db).put.run("a", 1), /only inside a function given to write/);
});

test("closing commits what is queued, and refuses what comes later", async (t) => {
  const path = fresh(t);
  const db = openDatabase(path, { migrations });
  const q = statements(db);
  const queued = db.write(() => q.put.run("queued", 1));
  db.close();
  await queued;
  await assert.rejects(db.write(() => 1), (error) => error instanceof Failure && error.kind === "unavailable");
  using again = openDatabase(path, { migrations });
  assert.deepEqual(keys(again), ["queued"]);
});

test("an older database is brought up to date, a newer one refused unchanged (F-15)", async (t) => {
  const path = fresh(t);
  const old = openDatabase(path, { migrations });
  const q = statements(old);
  await old.write(() => q.put.run("kept", 1));
  old.close();
  const newer = [...migrations, "ALTER TABLE t ADD COLUMN w TEXT", "CREATE TABLE u (k TEXT) STRICT"];
  openDatabase(path, { migrations: newer }).close();
  const raw = new DatabaseSync(path, { readOnly: true });
  assert.deepEqual({ ...raw.prepare("PRAGMA user_version").get() }, { user_version: 3 });
  raw.close();
  const bytes = readFileSync(path);
  assert.throws(() => openDatabase(path, { migrations }), (error) => error instanceof Failure && error.kind === "invalid" && /newer version/.test(error.message));
  assert.ok(readFileSync(path).equals(bytes));
  using up = openDatabase(path, { migrations: newer });
  assert.deepEqual(keys(up), ["kept"]);
});

test("a migration that fails changes nothing", (t) => {
  const path = fresh(t);
  openDatabase(path, { migrations }).close();
  assert.throws(() => openDatabase(path, { migrations: [...migrations, "CREATE TABLE u (k TEXT) STRICT; CREATE TABLE t (k TEXT)"] }), Failure);
  const raw = new DatabaseSync(path, { readOnly: true });
  assert.deepEqual(raw.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all().map((row) => row["name"]), ["t"]);
  raw.close();
});

test("what is no database is refused", (t) => {
  const path = fresh(t);
  spawnSync("sh", ["-c", `head -c 9000 /dev/urandom > ${path}`]);
  assert.throws(() => openDatabase(path, { migrations }), (error) => error instanceof Failure && error.kind === "internal");
});

const module = fileURLToPath(new URL("sqlite.ts", import.meta.url));
const program = (path: string) => `
  import { openDatabase } from ${JSON.stringify(module)};
  try { globalThis.db = openDatabase(${JSON.stringify(path)}, { migrations: ${JSON.stringify(migrations)} }); }
  catch (error) { console.log(error.kind, error.message); process.exit(3); }
  console.log("open"); setInterval(() => {}, 1000);`;

test("a second engine is refused at once, and not after the first was killed (F-42)", async (t) => {
  const path = fresh(t);
  const first = spawn(process.execPath, ["--input-type=module", "-e", program(path)], { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => first.kill("SIGKILL"));
  await new Promise((resolve) => first.stdout.once("data", resolve));
  assert.throws(() => openDatabase(path, { migrations }), (error) => error instanceof Failure && error.kind === "conflict");
  const second = spawnSync(process.execPath, ["--input-type=module", "-e", program(path)], { encoding: "utf8" });
  assert.deepEqual([second.status, second.stdout.split(" ")[0]], [3, "conflict"]);
  first.kill("SIGKILL");
  await new Promise((resolve) => first.once("exit", resolve));
  openDatabase(path, { migrations }).close();
});

test("two in one process: the second is refused", (t) => {
  const path = fresh(t);
  using first = openDatabase(path, { migrations });
  assert.throws(() => openDatabase(path, { migrations }), (error) => error instanceof Failure && error.kind === "conflict");
  assert.deepEqual(keys(first), []);
});

test("others may read the file meanwhile, but not change its mode: it is for root alone", (t) => {
  using db = openDatabase(fresh(t), { migrations });
  const reader = new DatabaseSync(db.path, { readOnly: true });
  assert.deepEqual(reader.prepare("SELECT * FROM t").all(), []);
  reader.close();
  for (const suffix of ["", "-wal"]) assert.equal(statSync(db.path + suffix).mode & 0o777, 0o600, suffix);
});
