import assert from "node:assert/strict";
import { test } from "node:test";
import { fail } from "#base/errors.ts";
import type { Message } from "./registries.ts";
import { openShared, type Work } from "./shared.ts";

const never = new AbortController().signal;

/** Work that tests let go on when they want; what became of it. */
function work() {
  const done = Promise.withResolvers<void>();
  const seen = { begun: 0, ended: 0, aborted: false, send: (_: Message) => {} };
  const begin = async (send: (message: Message) => void, signal: AbortSignal): Promise<Work<string>> => {
    seen.begun++;
    seen.send = send;
    signal.addEventListener("abort", () => {
      seen.aborted = true;
      done.reject(signal.reason);
    });
    await done.promise;
    return { value: "image", [Symbol.asyncDispose]: async () => void seen.ended++ };
  };
  return { begin, seen, finish: done.resolve, fail: done.reject };
}

test("work is done once for all who want it, and what it holds is held until the last has used it", async () => {
  const shared = openShared<string>();
  const { begin, seen, finish } = work();
  const using = Promise.withResolvers<void>();
  const first = shared.join("k", { begin, send: () => {}, signal: never, use: async (value) => (await using.promise, value) });
  const second = shared.join("k", { begin, send: () => {}, signal: never, use: async (value) => value });
  finish();
  assert.equal(await second, "image");
  assert.deepEqual([seen.begun, seen.ended], [1, 0]);
  using.resolve();
  assert.equal(await first, "image");
  assert.deepEqual([seen.begun, seen.ended], [1, 1]);
});

test("who comes later hears how things stand, and what follows", async () => {
  const shared = openShared<string>();
  const { begin, seen, finish } = work();
  const first: Message[] = [];
  const second: Message[] = [];
  const one = shared.join("k", { begin, send: (message) => void first.push(message), signal: never, use: async () => {} });
  await Promise.resolve();
  seen.send({ id: "a", status: "Pulling fs layer" });
  seen.send({ id: "a", status: "Downloading", progressDetail: { current: 1, total: 2 } });
  seen.send({ id: "b", status: "Waiting" });
  const two = shared.join("k", { begin, send: (message) => void second.push(message), signal: never, use: async () => {} });
  seen.send({ id: "a", status: "Download complete" });
  finish();
  await Promise.all([one, two]);
  assert.equal(first.length, 4);
  assert.deepEqual(second.map(({ id, status }) => `${id} ${status}`), ["a Downloading", "b Waiting", "a Download complete"]);
});

test("work ends when nobody waits for it any more, and not before", async () => {
  const shared = openShared<string>();
  const { begin, seen } = work();
  const [one, two] = [new AbortController(), new AbortController()];
  const first = shared.join("k", { begin, send: () => {}, signal: one.signal, use: async () => {} });
  const second = shared.join("k", { begin, send: () => {}, signal: two.signal, use: async () => {} });
  one.abort();
  await assert.rejects(first, { name: "AbortError" });
  assert.equal(seen.aborted, false);
  two.abort();
  await assert.rejects(second, { name: "AbortError" });
  assert.deepEqual([seen.begun, seen.aborted, seen.ended], [1, true, 0]);
});

test("a failure is everybody's, and the next one begins anew", async () => {
  const shared = openShared<string>();
  const broken = work();
  const both = ["x", "y"].map(() => shared.join("k", { begin: broken.begin, send: () => {}, signal: never, use: async () => {} }));
  broken.fail(fail("unavailable", "GET …: no answer"));
  for (const one of both) await assert.rejects(one, { kind: "unavailable" });
  const good = work();
  good.finish();
  assert.equal(await shared.join("k", { begin: good.begin, send: () => {}, signal: never, use: async (value) => value }), "image");
});
