import assert from "node:assert/strict";
import { test } from "node:test";
import type { BuildEvent } from "#builder/events.ts";
import { openStatusFeed } from "./status-feed.ts";

const vertex = (id: string, more: object = {}): BuildEvent => ({ kind: "vertex", id, name: `step ${id}`, inputs: [], ...more });
const log = (text: string | Buffer): BuildEvent => ({ kind: "log", vertex: "a", stream: 1, data: Buffer.from(text), time: 1_500_000_001n });
const status = (current: number): BuildEvent => ({ kind: "status", vertex: "a", id: "bytes", name: "bytes", current, total: 100, started: 1n });
const never = new AbortController().signal;

test("what was told is read in its order, in few messages, to the end", async () => {
  const feed = openStatusFeed();
  feed.report({ kind: "plan", vertices: [{ id: "a", name: "A" }, { id: "b", name: "B" }] });
  feed.report(vertex("a", { started: 1_000_000_002n }));
  feed.report(log("x"));
  feed.report(vertex("a", { started: 1_000_000_002n, completed: 3n, error: "no" }));
  feed.end();
  const messages = await Array.fromAsync(feed.read(never));
  assert.equal(messages.length, 1);
  assert.deepEqual(messages[0]!.vertexes!.map(({ digest, started, error }) => [digest, started, error]), [["a", undefined, undefined], ["b", undefined, undefined], ["a", { seconds: 1, nanos: 2 }, ""], ["a", { seconds: 1, nanos: 2 }, "no"]]);
  assert.deepEqual(messages[0]!.logs!.map(({ msg, timestamp }) => [String(msg), timestamp]), [["x", { seconds: 1, nanos: 500_000_001 }]]);
});

test("who comes late, or twice, hears all of it", async () => {
  const feed = openStatusFeed();
  const first = Array.fromAsync(feed.read(never));
  feed.report(log("x"));
  await new Promise((resolve) => setImmediate(resolve));
  feed.report(log("y"));
  feed.end();
  const texts = (messages: Awaited<typeof first>) => messages.flatMap(({ logs = [] }) => logs.map(({ msg }) => String(msg))).join("");
  assert.equal(texts(await first), "xy");
  assert.equal(texts(await Array.fromAsync(feed.read(never))), "xy");
});

test("of a progress only the last state waits", async () => {
  const feed = openStatusFeed();
  for (let current = 0; current <= 100; current++) feed.report(status(current));
  feed.end();
  const [message] = await Array.fromAsync(feed.read(never));
  assert.deepEqual(message!.statuses!.map(({ current }) => current), [100]);
});

test("output that nobody reads does not fill the memory, and it is said that it is left out; the steps are all there", async () => {
  const feed = openStatusFeed();
  feed.report(vertex("a", { started: 1n }));
  for (let at = 0; at < 300; at++) feed.report(log(Buffer.alloc(100_000, 120)));
  feed.report(log("the last line"));
  feed.end();
  const messages = await Array.fromAsync(feed.read(never));
  const logs = messages.flatMap(({ logs: list = [] }) => list.map(({ msg }) => msg!));
  const bytes = logs.reduce((sum, msg) => sum + msg.length, 0);
  assert.ok(bytes < 5 * 2 ** 20, `${bytes}`);
  assert.match(String(logs[0]), /left out/);
  assert.equal(String(logs.at(-1)), "the last line");
  assert.equal(messages[0]!.vertexes![0]!.digest, "a");
  assert.ok(messages.every(({ logs: list = [] }) => list.reduce((sum, { msg }) => sum + msg!.length, 0) < 2 * 2 ** 20), "messages are small");
});

test("of a build that tells of its steps for hours the last states are kept, and nothing is said to be missing", async () => {
  const feed = openStatusFeed();
  for (let at = 0; at < 60_000; at++) feed.report(vertex(`${at % 10}`, { started: BigInt(at) }));
  feed.end();
  const vertexes = (await Array.fromAsync(feed.read(never))).flatMap((message) => (assert.deepEqual(message.logs, []), message.vertexes!));
  assert.ok(vertexes.length < 50_000, `${vertexes.length}`);
  assert.deepEqual(new Set(vertexes.slice(0, 10).map(({ digest }) => digest)).size, 10);
  assert.equal(vertexes.at(-1)!.digest, "9");
});

test("who goes away is not waited for", async () => {
  const feed = openStatusFeed();
  const abort = new AbortController();
  const reading = Array.fromAsync(feed.read(abort.signal));
  feed.report(log("x"));
  await new Promise((resolve) => setImmediate(resolve));
  abort.abort();
  assert.ok((await reading).length <= 1);
});

test("warnings have BuildKit's form", async () => {
  const feed = openStatusFeed();
  feed.report({ kind: "warning", vertex: "a", warning: { rule: "StageNameCasing", detail: "Stage name 'X' should be lowercase", description: "d", url: "u", file: "Dockerfile", ranges: [{ start: 1, end: 2 }] } });
  feed.end();
  const [message] = await Array.fromAsync(feed.read(never));
  const { short, level, info, ranges } = message!.warnings![0]!;
  assert.deepEqual([String(short), level, info?.filename, ranges], ["StageNameCasing: Stage name 'X' should be lowercase (line 1)", 1, "Dockerfile", [{ start: { line: 1 }, end: { line: 2 } }]]);
});
