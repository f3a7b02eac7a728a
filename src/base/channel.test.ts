import assert from "node:assert/strict";
import { test } from "node:test";
import { openChannel } from "./channel.ts";
import { collect } from "./streams.ts";

const turn = () => new Promise((resolve) => setImmediate(resolve));
const state = async (promise: Promise<unknown>) => {
  let done = false;
  void promise.then(() => (done = true), () => (done = true));
  await turn();
  return done;
};

test("what is pushed is read, in order, to the end", async () => {
  const channel = openChannel(10);
  const read = collect(channel.chunks, 1000, "it");
  for (const text of ["a", "bc", "", "defghijklmnop", "q"]) await channel.push(Buffer.from(text));
  channel.end();
  assert.equal((await read).toString(), "abcdefghijklmnopq");
});

test("the writer waits while too much waits to be read", async () => {
  const channel = openChannel(3);
  assert.ok(await state(channel.push(Buffer.from("ab"))));
  const second = channel.push(Buffer.from("cd"));
  assert.ok(!(await state(second)));
  const reader = channel.chunks[Symbol.asyncIterator]();
  assert.equal(String((await reader.next()).value), "ab");
  await second;
});

test("the reader waits for more", async () => {
  const channel = openChannel(3);
  const reader = channel.chunks[Symbol.asyncIterator]();
  const next = reader.next();
  assert.ok(!(await state(next)));
  await channel.push(Buffer.from("x"));
  assert.equal(String((await next).value), "x");
  const last = reader.next();
  channel.end();
  assert.ok((await last).done);
});

test("an error comes after what was pushed before it", async () => {
  const channel = openChannel(100);
  await channel.push(Buffer.from("x"));
  channel.end(new RangeError("given up"));
  channel.end();
  const reader = channel.chunks[Symbol.asyncIterator]();
  assert.equal(String((await reader.next()).value), "x");
  await assert.rejects(reader.next(), RangeError);
});

for (const [how, leave] of [["closes", async (channel: ReturnType<typeof openChannel>) => channel.close()], ["stops reading", async (channel: ReturnType<typeof openChannel>) => {
  for await (const _ of channel.chunks) break;
}]] as const) {
  test(`a reader that ${how} sets the writer free`, async () => {
    const channel = openChannel(1);
    const waiting = channel.push(Buffer.from("many"));
    assert.ok(!(await state(waiting)));
    await leave(channel);
    await waiting;
    await channel.push(Buffer.from("dropped"));
  });
}
