import assert from "node:assert/strict";
import { test } from "node:test";
import { openLock } from "./lock.ts";

test("work is done one after the other, in the order it came", async () => {
  const lock = openLock();
  const seen: string[] = [];
  const gate = Promise.withResolvers<void>();
  const first = lock.run(async () => (seen.push("a in"), await gate.promise, seen.push("a out")));
  const rest = ["b", "c"].map((name) => lock.run(async () => seen.push(name)));
  assert.equal(lock.held, true);
  gate.resolve();
  await Promise.all([first, ...rest]);
  assert.deepEqual(seen, ["a in", "a out", "b", "c"]);
  assert.equal(lock.held, false);
});

test("work that fails lets the next one in", async () => {
  const lock = openLock();
  const failed = lock.run(async () => Promise.reject(new Error("no")));
  assert.equal(await lock.run(async () => 7), 7);
  await assert.rejects(failed, /no/);
});

test("an abort gives up waiting, not what is under way", async () => {
  const lock = openLock();
  const gate = Promise.withResolvers<void>();
  const abort = new AbortController();
  const running = lock.run(() => gate.promise);
  let ran = false;
  const waiting = lock.run(async () => void (ran = true), { signal: abort.signal });
  abort.abort();
  await assert.rejects(waiting, { name: "AbortError" });
  gate.resolve();
  await running;
  await lock.run(async () => {});
  assert.equal(ran, false);
});
