import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { test } from "node:test";
import { openDatabase, type Database } from "#base/sqlite.ts";
import { migrations } from "#core/schema.ts";
import type { EngineEvent } from "#spec/docker.ts";
import { openEvents } from "./events.ts";
import { matchesEvent } from "./match.ts";

async function withDatabase(run: (open: () => Database) => Promise<void>): Promise<void> {
  const folder = await mkdtemp("/tmp/gantry-events-");
  try {
    await run(() => openDatabase(`${folder}/db`, { migrations }));
  } finally {
    await rm(folder, { recursive: true });
  }
}

const event = (Action: string, ID = "a", Attributes: Record<string, string> = {}): Omit<EngineEvent, "timeNano" | "scope"> => ({ Type: "container", Action, Actor: { ID, Attributes } });
const none = new Map<string, string[]>();

async function collect(events: AsyncIterable<EngineEvent>): Promise<string[]> {
  const seen: string[] = [];
  for await (const { Action } of events) seen.push(Action);
  return seen;
}

test("stored events come first, then live ones, until the signal", () => withDatabase(async (open) => {
  using db = open();
  const events = openEvents(db);
  events.publish(event("one"));
  const abort = new AbortController();
  const seen = collect(events.subscribe({ since: 0n, filters: none, signal: abort.signal }));
  const live = collect(events.subscribe({ filters: none, signal: abort.signal }));
  events.publish(event("two"));
  abort.abort();
  events.publish(event("three"));
  assert.deepEqual([await seen, await live], [["one", "two"], ["two"]]);
  await events.close();
}));

test("no two have the same time; a span holds both its ends; an end in the past ends at once", () => withDatabase(async (open) => {
  using db = open();
  const events = openEvents(db);
  const times: bigint[] = [];
  const abort = new AbortController();
  const all = (async () => {
    for await (const { timeNano } of events.subscribe({ filters: none, signal: abort.signal })) times.push(timeNano);
  })();
  for (let i = 0; i < 100; i++) events.publish(event(`e${i}`));
  abort.abort();
  await all;
  assert.equal(new Set(times).size, 100);
  const span = await collect(events.subscribe({ since: times[10]!, until: times[12]!, filters: none, signal: AbortSignal.timeout(10_000) }));
  assert.deepEqual(span, ["e10", "e11", "e12"]);
  assert.throws(() => events.subscribe({ since: 2n, until: 1n, filters: none, signal: abort.signal }), { kind: "invalid" });
  await events.close();
}));

test("the last ones are there after a restart, in order, and no more than are kept", () => withDatabase(async (open) => {
  {
    using db = open();
    const events = openEvents(db);
    for (let i = 0; i < 1500; i++) events.publish(event(`e${i}`, "id", { name: "n" }));
    await events.close();
  }
  using db = open();
  const events = openEvents(db);
  events.publish(event("new"));
  const seen = await collect(events.subscribe({ since: 0n, until: BigInt(Date.now()) * 1_000_000n + 50_000_000n, filters: none, signal: AbortSignal.timeout(10_000) }));
  assert.deepEqual(seen, [...Array.from({ length: 1024 }, (_, i) => `e${i + 476}`), "new"]);
  await events.close();
}));

test("a listener that does not listen is cut off, the others go on", () => withDatabase(async (open) => {
  using db = open();
  const events = openEvents(db);
  const abort = new AbortController();
  const slow = events.subscribe({ filters: none, signal: abort.signal })[Symbol.asyncIterator]();
  for (let i = 0; i < 8193; i++) events.publish(event("x"));
  let count = 0;
  await assert.rejects(async () => {
    for (; !(await slow.next()).done; ) count++;
  }, { kind: "exhausted" });
  assert.equal(count, 8192);
  const other = collect(events.subscribe({ filters: none, signal: abort.signal }));
  events.publish(event("later"));
  abort.abort();
  assert.deepEqual(await other, ["later"]);
  await events.close();
}));

test("filters", () => {
  const container: EngineEvent = { ...event("exec_create: sh -c x", "abcdef", { name: "web", image: "nginx:1.25", role: "front" }), scope: "local", timeNano: 1n };
  const volume: EngineEvent = { Type: "volume", Action: "mount", Actor: { ID: "data", Attributes: { container: "abcdef", driver: "local" } }, scope: "local", timeNano: 2n };
  const cases: [Record<string, string[]>, boolean, boolean][] = [
    [{}, true, true],
    [{ event: ["exec_create"] }, true, false],
    [{ event: ["exec"] }, false, false],
    [{ event: ["mount", "exec_create: sh -c x"] }, true, true],
    [{ type: ["volume"] }, false, true],
    [{ container: ["abc"] }, true, false],
    [{ container: ["web"] }, true, false],
    [{ container: ["x"] }, false, false],
    [{ volume: ["data"] }, false, true],
    [{ image: ["nginx"] }, true, false],
    [{ image: ["nginx:1.25"] }, true, false],
    [{ image: ["redis"] }, false, false],
    [{ label: ["role"] }, true, false],
    [{ label: ["role=front"] }, true, false],
    [{ label: ["role=front", "nope"] }, false, false],
    [{ type: ["container"], event: ["mount"] }, false, false],
    [{ scope: ["local"] }, true, true],
    [{ daemon: ["x"] }, false, false],
  ];
  for (const [filter, one, two] of cases) {
    const filters = new Map(Object.entries(filter));
    assert.deepEqual([matchesEvent(container, filters), matchesEvent(volume, filters)], [one, two], JSON.stringify(filter));
  }
});
