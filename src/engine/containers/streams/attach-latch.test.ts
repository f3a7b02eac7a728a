import assert from "node:assert/strict";
import { once } from "node:events";
import { duplexPair } from "node:stream";
import { test } from "node:test";
import { openLatch } from "./attach-latch.ts";

async function readAll(stream: AsyncIterable<Buffer>): Promise<string> {
  let text = "";
  for await (const chunk of stream) text += chunk.toString();
  return text;
}

test("what is written before the other end is there arrives, and its end", async () => {
  const latch = openLatch();
  latch.stream.write("one ");
  latch.stream.end("two");
  const [inner, far] = duplexPair();
  latch.join(inner);
  far.end("back");
  assert.deepEqual(await Promise.all([readAll(far), readAll(latch.stream)]), ["one two", "back"]);
});

test("what is fed comes before what the other end says", async () => {
  const latch = openLatch();
  const [inner, far] = duplexPair();
  far.end(" live");
  const read = readAll(latch.stream);
  await latch.feed(Buffer.from("old"));
  latch.join(inner);
  assert.equal(await read, "old live");
});

test("an end that was told before the joining is passed on", async () => {
  const latch = openLatch();
  const [inner, far] = duplexPair();
  far.end();
  inner.resume();
  await once(inner, "end");
  latch.join(inner);
  assert.equal(await readAll(latch.stream), "");
});

test("an end that breaks breaks the stream; one that was broken before too", async () => {
  for (const when of ["before", "after"]) {
    const latch = openLatch();
    const [inner] = duplexPair();
    inner.on("error", () => {});
    if (when === "before") inner.destroy();
    latch.join(inner);
    if (when === "after") inner.destroy(new Error("broken"));
    await once(latch.stream, "close");
  }
});

test("the end waits for what it has to come after", async () => {
  const after = Promise.withResolvers<void>();
  const latch = openLatch({ endAfter: after.promise });
  const [inner, far] = duplexPair();
  latch.join(inner);
  far.end("x");
  let ended = false;
  const read = readAll(latch.stream).then((text) => ((ended = true), text));
  await once(inner, "end");
  await new Promise(setImmediate);
  assert.equal(ended, false);
  after.resolve();
  assert.equal(await read, "x");
});

test("a slow reader holds the other end back", async () => {
  const latch = openLatch();
  const [inner, far] = duplexPair();
  latch.join(inner);
  const chunk = Buffer.alloc(64 << 10);
  let sent = 0;
  while (far.write(chunk)) sent++;
  await new Promise(setImmediate);
  // Both ends, and the pair between them, hold a little; the rest waits with who writes.
  assert.ok(latch.stream.readableLength < 4 * chunk.length, `${latch.stream.readableLength} bytes are queued`);
  far.end();
  let received = 0;
  for await (const piece of latch.stream as AsyncIterable<Buffer>) received += piece.length;
  assert.equal(received, (sent + 1) * chunk.length);
});

test("a client that gave up takes its connection with it", async () => {
  const latch = openLatch();
  latch.stream.destroy();
  const [inner] = duplexPair();
  latch.join(inner);
  await once(inner, "close");
  const ended = openLatch();
  ended.end();
  await once(ended.stream, "close");
});
