import assert from "node:assert/strict";
import { test } from "node:test";
import { fail } from "#base/errors.ts";
import { messagesOf, openMessages } from "./messages.ts";
import type { Message } from "./registries.ts";

test("of one layer only the newest numbers wait for a slow reader; everything else is kept in order", async () => {
  const messages = openMessages();
  messages.send({ id: "a", status: "Pulling fs layer", progressDetail: {} });
  for (let current = 1; current <= 1000; current++) {
    messages.send({ id: "a", status: "Downloading", progressDetail: { current, total: 1000 } });
    messages.send({ id: "b", status: "Downloading", progressDetail: { current, total: 1000 } });
  }
  messages.send({ id: "a", status: "Download complete", progressDetail: {} });
  messages.send({ id: "a", status: "Extracting", progressDetail: { current: 5, total: 9 } });
  messages.end();
  const read = await Array.fromAsync(messages.read);
  assert.deepEqual(
    read.map(({ id, status, progressDetail }) => `${id} ${status} ${progressDetail?.current ?? ""}`.trim()),
    ["a Pulling fs layer", "a Downloading 1000", "b Downloading 1000", "a Download complete", "a Extracting 5"],
  );
});

test("a failure comes after what was sent before it", async () => {
  const read: Message[] = [];
  const failing = messagesOf(new AbortController().signal, async (send) => {
    send({ status: "one" });
    throw fail("unavailable", "two");
  });
  await assert.rejects(async () => {
    for await (const message of failing) read.push(message);
  }, { kind: "unavailable", message: "two" });
  assert.deepEqual(read, [{ status: "one" }]);
});

test("a reader that leaves stops the work, and waits until it has stopped", async () => {
  let ended = false;
  const source = messagesOf(new AbortController().signal, async (send, signal) => {
    send({ status: "one" });
    await new Promise((resolve) => signal.addEventListener("abort", () => setImmediate(resolve)));
    ended = true;
  });
  for await (const _ of source) break;
  assert.equal(ended, true);
});
