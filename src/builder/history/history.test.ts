import assert from "node:assert/strict";
import { readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fail, Failure } from "#base/errors.ts";
import { openDatabase } from "#base/sqlite.ts";
import { cleanup, testFolder } from "#core/core-fixture.ts";
import { migrations } from "#core/schema.ts";
import type { BuildRequest } from "../builder.ts";
import type { BuildEvent } from "../events.ts";
import { decodeEvent, encodeEvent } from "./event-lines.ts";
import { type History, openHistory } from "./history.ts";

const request = (ref: string) => ({ ref, dockerfile: { path: "Dockerfile", separate: false }, context: "https://ann:secret@git.example/x.git", target: "", platforms: [], exports: [{ type: "image", attributes: { name: "a:1,b:2" } }] }) as unknown as BuildRequest;
const log = (text: string | Buffer): BuildEvent => ({ kind: "log", vertex: "v1", stream: 1, data: Buffer.from(text), time: 2n ** 60n });
const vertex = (id: string, more: object = {}): BuildEvent => ({ kind: "vertex", id, name: id, inputs: [], started: 1n, ...more });

async function open(t: TestContext, limits?: () => { maxEntries?: number }): Promise<{ history: History; folder: string; again(): Promise<History> }> {
  const root = await testFolder(t);
  const db = cleanup(t).use(openDatabase(join(root, "db"), { migrations }));
  const folder = join(root, "history");
  const again = () => openHistory({ db, folder, ...(limits && { limits }) });
  return { history: await again(), folder, again };
}

const texts = async (events: AsyncIterable<BuildEvent>): Promise<string> => {
  let all = "";
  for await (const event of events) if (event.kind === "log") all += Buffer.from(event.data).toString("latin1");
  return all;
};

test("events are the same after a round trip", () => {
  const events: BuildEvent[] = [log("text\n"), log(Buffer.from([0, 255, 10, 128])), vertex("v", { completed: 2n ** 61n, cached: true, why: ["a"] }), { kind: "plan", vertices: [{ id: "x", name: "y" }] }];
  for (const event of events) assert.deepEqual(decodeEvent(encodeEvent(event).trimEnd()), event);
});

test("a build is remembered: what it was, what it told, whole", async (t) => {
  const { history, again } = await open(t);
  const changes = new AbortController();
  const seen: string[] = [];
  const watching = (async () => {
    for await (const { kind, build } of history.watch(changes.signal)) seen.push(`${kind} ${build.ref}`);
  })();
  const build = history.begin(request("abc1"));
  build.report({ kind: "plan", vertices: [{ id: "v1", name: "one" }, { id: "v2", name: "two" }] });
  build.report(vertex("v1", { completed: 2n, cached: true, why: [] }));
  for (let line = 0; line < 3_000; line++) build.report(log(`${"x".repeat(1000)} ${line}\n`));
  assert.equal(history.get("abc").status, "running");
  build.report(vertex("v2", { completed: 2n, why: ["files of src: changed"] }));
  await build.end({ result: { metadata: { m: "1" }, image: `sha256:${"a".repeat(64)}` } });
  const record = history.get("abc1");
  assert.ok(!record.context.includes("secret"));
  assert.deepEqual([record.status, record.names, record.steps], ["completed", ["a:1", "b:2"], { total: 2, completed: 2, cached: 1 }]);
  assert.deepEqual(record.explained.map(({ cached, why }) => [cached, why]), [[true, []], [false, ["files of src: changed"]]]);
  const whole = await texts(history.events("abc1"));
  assert.equal(whole.split("\n").length, 3_001);
  assert.ok(whole.endsWith("x 2999\n"));
  await history.flush();
  const next = await again();
  assert.deepEqual(next.get("abc1"), record);
  assert.equal(await texts(next.events("abc1")), whole);
  await history.remove(["abc1"]);
  assert.throws(() => history.get("abc1"), (error) => error instanceof Failure && error.kind === "not-found");
  changes.abort();
  await watching;
  assert.deepEqual(seen, ["started abc1", "completed abc1", "deleted abc1"]);
});

test("who follows a build under way hears all of it, once", async (t) => {
  const { history } = await open(t);
  const build = history.begin(request("live"));
  build.report(log("before "));
  const heard = texts(history.events("live", { follow: true }));
  const until = texts(history.events("live"));
  build.report(log("during "));
  await new Promise((resolve) => setImmediate(resolve));
  build.report(log("after"));
  await build.end({});
  assert.equal(await heard, "before during after");
  assert.match(await until, /^before /);
});

test("who asks in the turn in which a build ends hears its end", { timeout: 10_000 }, async (t) => {
  const { history } = await open(t);
  const build = history.begin(request("quick"));
  build.report(log("all"));
  const heard = texts(history.events("quick", { follow: true }));
  await build.end({});
  assert.equal(await heard, "all");
  // Its file is being written; the next of the same name begins and ends meanwhile.
  const next = history.begin(request("quick"));
  next.report(log("new"));
  await next.end({});
  const again = texts(history.events("quick", { follow: true }));
  assert.equal(await again, "new");
});

test("of two builds with one ref the record is the later one's, whichever ends first", async (t) => {
  const { history } = await open(t);
  const [first, second] = [history.begin(request("twin")), history.begin(request("twin"))];
  second.report(log("second"));
  first.report(log("first"));
  await first.end({ error: fail("invalid", "no") });
  assert.equal(history.get("twin").status, "running");
  await second.end({});
  assert.equal(history.get("twin").status, "completed");
  assert.equal(await texts(history.events("twin")), "second");
});

test("who tells more than the disk takes waits for it", async (t) => {
  const { history } = await open(t);
  const build = history.begin(request("loud"));
  const waits: (void | Promise<void>)[] = [];
  while (waits.length === 0) waits.push(...[build.report(log(Buffer.alloc(2 ** 20, 0xff)))].filter(Boolean));
  await Promise.all(waits);
  assert.equal(build.report(log("more")), undefined);
  await build.end({});
});

test("an engine that died: its builds ended in error, their log is what was written; other files go", async (t) => {
  const { history, folder, again } = await open(t);
  const build = history.begin(request("died"));
  build.report(log("kept\n"));
  await texts(history.events("died"));
  writeFileSync(join(folder, "stray.zst"), "");
  await history.flush();
  utimesSync(join(folder, "died.zst"), 2e9, 2e9);
  const next = await again();
  assert.deepEqual([next.get("died").status, next.get("died").error], ["error", "the engine ended while it was built"]);
  assert.equal(next.get("died").completed, 2_000_000_000n * 1_000_000_000n, "when it was last heard of");
  assert.equal(await texts(next.events("died")), "kept\n");
  assert.deepEqual(readdirSync(folder), ["died.zst"]);
});

test("only so many are kept; failures and cancellations say so; a ref is no path", async (t) => {
  const { history, folder } = await open(t, () => ({ maxEntries: 3 }));
  for (const ref of ["one", "two", "../../three", "four", "five"]) {
    const build = history.begin(request(ref));
    build.report(log(ref));
    await build.end({ error: ref === "four" ? fail("cancelled", "stopped") : fail("invalid", "no") });
    assert.equal(await texts(history.events(ref)), ref);
  }
  while (history.list().length > 3) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(history.list().map(({ ref, status }) => [ref, status]), [["five", "error"], ["four", "canceled"], ["../../three", "error"]]);
  while (readdirSync(folder).length > 3) await new Promise((resolve) => setImmediate(resolve));
  assert.ok(readdirSync(folder).every((name) => /^[a-z0-9]+\.zst$/.test(name)));
});

test("how it was made is worked out once, after its end, and kept", async (t) => {
  const { history, again } = await open(t);
  let made = 0;
  const provenance = () => [{ type: "https://slsa.dev/provenance/v0.2", text: `{"made":${++made}}` }];
  await history.begin(request("one")).end({ result: { metadata: {}, provenance } });
  assert.equal(made, 0, "nobody waits for it");
  assert.deepEqual(history.list()[0]!.provenance, [{ type: "https://slsa.dev/provenance/v0.2", text: '{"made":1}' }]);
  await history.begin(request("three")).end({ result: { metadata: {}, provenance: () => { throw new Error("it cannot be described"); } } });
  await history.flush();
  const next = await again();
  assert.deepEqual([next.get("one").provenance, next.get("three").provenance, made], [history.get("one").provenance, [], 1]);
});

test("of a failure is kept what it is about: the vertex, and the lines around it, without who asks", async (t) => {
  const { history, again } = await open(t);
  const text = Array.from({ length: 100 }, (_, at) => `ADD https://ann:pw@x.example/${at + 1} /`).join("\n");
  const build = history.begin(request("wrong"));
  build.report(vertex("v1", { completed: 2n, error: "no" }));
  await build.end({ error: fail("internal", "no", { facts: { vertex: "v1", lines: [50, 50], source: { name: "Dockerfile", text } } }) });
  await history.flush();
  const { failed, steps } = (await again()).get("wrong");
  assert.deepEqual([failed?.vertex, failed?.lines, failed?.source?.name, steps], ["v1", [50, 50], "Dockerfile", { total: 1, completed: 1, cached: 0 }]);
  const lines = failed!.source!.text.split("\n");
  assert.deepEqual([lines.length, lines[38], lines[49]], [60, "", "ADD https://xxxxx:xxxxx@x.example/50 /"]);
});
