import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { test } from "node:test";
import { openDatabase } from "#base/sqlite.ts";
import { migrations } from "#core/schema.ts";
import type { ContainerRecord, Filters, ListOptions } from "../engine.ts";
import type { Context } from "./context.ts";
import { list } from "./list.ts";
import { openStore, type Store } from "./store.ts";

async function withStore(run: (store: Store, again: () => Store) => Promise<void>): Promise<void> {
  const folder = await mkdtemp("/tmp/gantry-store-");
  const db = openDatabase(`${folder}/db`, { migrations });
  try {
    await run(openStore(db), () => openStore(db));
  } finally {
    db.close();
    await rm(folder, { recursive: true });
  }
}

let count = 0;
function record(id: string, name: string, more: { status?: string; exitCode?: number; labels?: Record<string, string>; image?: string; ports?: string[]; exposed?: string[]; network?: string; volume?: string } = {}): ContainerRecord {
  const { status = "exited", exitCode = 0, labels = {}, image = "busybox", ports = [], exposed = [], network = "bridge", volume } = more;
  return {
    id: id.padEnd(64, "0"), name, created: `2026-01-01T00:00:${String(count++).padStart(2, "0")}Z`, image, imageId: `sha256:${image}`,
    config: { Labels: labels, ExposedPorts: Object.fromEntries(exposed.map((port) => [port, {}])) },
    hostConfig: { PortBindings: {} }, endpoints: { [network]: { networkId: `id-of-${network}` } }, ports: Object.fromEntries(ports.map((port) => [port, []])),
    mounts: volume === undefined ? [] : [{ Type: "volume", Name: volume, Source: `/v/${volume}`, Destination: "/data" }],
    state: { status, exitCode },
  } as unknown as ContainerRecord;
}

test("lookup: full id, name, prefix, in this order", () => withStore(async (store) => {
  const a = record("aa11", "web");
  const b = record("aa22", "aa1");
  await Promise.all([store.put(a), store.put(b)]);
  assert.equal(store.find(a.id), a);
  assert.equal(store.find("web"), a);
  assert.equal(store.find("/web"), a);
  assert.equal(store.find("aa1"), b, "a name comes before a prefix");
  assert.equal(store.find("aa11"), a);
  assert.throws(() => store.find("aa"), { kind: "invalid", message: "multiple IDs found with provided prefix: aa" });
  for (const ref of ["", "nope", "ff", "/aa11"]) assert.throws(() => store.find(ref), { kind: "not-found", message: `No such container: ${ref}` });
}));

test("a name is held by one, from its reservation to its end", () => withStore(async (store) => {
  const a = record("aa11", "web");
  store.reserve("web", a.id);
  assert.throws(() => store.reserve("web", "other"), { kind: "conflict", message: /^Conflict\. The container name "\/web" is already in use by container "aa110+"\. You have to remove \(or rename\) that container to be able to reuse that name\.$/ });
  store.release("web", "other");
  assert.throws(() => store.reserve("web", "other"), { kind: "conflict" });
  await store.put(a);
  await store.put({ ...a, name: "new" });
  store.reserve("web", "other");
  assert.equal(store.find("new").id, a.id);
  await store.delete(a.id);
  store.reserve("new", "other");
  assert.throws(() => store.find("new"), { kind: "not-found" });
}));

test("what was put is there when the store is opened again, in the order it was made", () => withStore(async (store, again) => {
  const all = ["c1", "b2", "a3"].map((id) => record(id, `n${id}`));
  await Promise.all(all.map((one) => store.put(one)));
  await store.put({ ...all[0]!, restartCount: 3 });
  store.remember({ ...all[1]!, execIds: ["x"] });
  await store.delete(all[2]!.id);
  assert.deepEqual(again().all().map(({ id, restartCount, execIds }) => [id.slice(0, 2), restartCount, execIds]), [["c1", 3, undefined], ["b2", undefined, undefined]]);
  assert.deepEqual(store.get(all[1]!.id)?.execIds, ["x"]);
}));

test("listing: Docker's filters", () => withStore(async (store) => {
  const all = [
    record("a1", "one", { status: "running", labels: { a: "1" }, ports: ["80/tcp"], exposed: ["81/udp"] }),
    record("b2", "two", { status: "paused", labels: { a: "2", b: "" }, image: "redis", volume: "vol" }),
    record("c3", "three", { status: "exited", exitCode: 3, network: "none" }),
    record("d4", "four", { status: "created" }),
  ];
  await Promise.all(all.map((one) => store.put(one)));
  const ctx = { store, images: { find: (ref: string) => (ref === "busybox" || ref === "redis" ? `sha256:${ref}` : undefined) } } as unknown as Context;
  const names = (options: Partial<ListOptions> & { filter?: Record<string, string[]> }) => {
    const filters: Filters = new Map(Object.entries(options.filter ?? {}));
    return list(ctx, { all: false, ...options, filters }).map(({ name }) => name).join(" ");
  };
  assert.equal(names({}), "two one");
  assert.equal(names({ all: true }), "four three two one");
  assert.equal(names({ limit: 3 }), "four three two");
  const cases: [Record<string, string[]>, string][] = [
    [{ status: ["exited", "created"] }, "four three"],
    [{ exited: ["3"] }, "three"],
    [{ exited: ["0"] }, ""],
    [{ name: ["o"] }, "four two one"],
    [{ name: ["^/t"] }, "three two"],
    [{ name: ["^one$"] }, "one"],
    [{ id: ["b2"] }, "two"],
    [{ label: ["a"] }, "two one"],
    [{ label: ["a=2"] }, "two"],
    [{ label: ["a=2", "c"] }, ""],
    [{ ancestor: ["redis"] }, "two"],
    [{ ancestor: ["nosuch"] }, ""],
    [{ before: ["three"] }, "two one"],
    [{ since: ["two"] }, "four three"],
    [{ since: ["one"], before: ["four"] }, "three two"],
    [{ network: ["none"] }, "three"],
    [{ network: ["id-of-none"] }, "three"],
    [{ volume: ["vol"] }, "two"],
    [{ volume: ["/data"] }, "two"],
    [{ publish: ["80"] }, "one"],
    [{ publish: ["79-81/tcp"] }, "one"],
    [{ publish: ["80/udp"] }, ""],
    [{ expose: ["81/udp"] }, "one"],
    [{ "is-task": ["true"] }, ""],
    [{ health: ["none"] }, "four three two one"],
    [{ health: ["healthy"] }, ""],
  ];
  for (const [filter, expected] of cases) assert.equal(names({ all: true, filter }), expected, JSON.stringify(filter));
  for (const bad of [{ status: ["x"] }, { exited: ["x"] }, { publish: ["x"] }, { health: ["x"] }, { "is-task": ["x"] }] as Record<string, string[]>[]) {
    assert.throws(() => names({ filter: bad }), { kind: "invalid" }, JSON.stringify(bad));
  }
  assert.throws(() => names({ filter: { before: ["nosuch"] } }), { kind: "not-found" });
}));
