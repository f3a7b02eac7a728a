import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { openBroadcast } from "./broadcast.ts";

const MIB = 2 ** 20;
const bytes = randomBytes(20 * MIB);
const whole = { start: 0, end: bytes.length };
const never = async function* (): AsyncGenerator<Buffer> {
  throw new Error("nothing is read from the store");
};
const fromStore = async function* ({ start, end }: { start: number; end: number }): AsyncGenerator<Buffer> {
  yield bytes.subarray(start, end);
};
const all = async (stream: AsyncIterable<Buffer>) => Buffer.concat(await Array.fromAsync(stream));
const publishAll = async (broadcast: ReturnType<typeof openBroadcast>) => {
  for (let at = 0; at < bytes.length; at += MIB) await broadcast.publish(bytes.subarray(at, at + MIB));
  broadcast.end();
};

test("who reads along gets every byte from memory, and the source does not run ahead of them", async () => {
  const broadcast = openBroadcast();
  const readers = [broadcast.read(whole, never), broadcast.read({ start: 5, end: 12 * MIB + 7 }, never)];
  const [first, second] = await Promise.all([all(readers[0]!), all(readers[1]!), publishAll(broadcast)]);
  assert.equal(first.equals(bytes), true);
  assert.equal(second.equals(bytes.subarray(5, 12 * MIB + 7)), true);
});

test("who comes too late or stands still holds nobody up, and has the rest from the store", async () => {
  const broadcast = openBroadcast();
  const still = broadcast.read(whole, fromStore);
  const fast = all(broadcast.read(whole, never));
  const begun = still.next();
  const done = publishAll(broadcast);
  const start = (await begun).value as Buffer;
  assert.equal((await fast).equals(bytes), true);
  await done;
  const late = broadcast.read({ start: 100, end: 200 }, fromStore);
  assert.equal((await all(late)).equals(bytes.subarray(100, 200)), true);
  assert.equal(Buffer.concat([start, await all(still)]).equals(bytes), true);
});

test("the source waits for a reader who is ahead of all others, and not for one who left", async () => {
  const broadcast = openBroadcast();
  const reader = broadcast.read(whole, never);
  const first = reader.next();
  let published = 0;
  const publishing = (async () => {
    for (; published < 20; published++) await broadcast.publish(bytes.subarray(published * MIB, (published + 1) * MIB));
  })();
  await first;
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(published > 0 && published < 8, `${published} MiB ahead`);
  await reader.return(undefined);
  await publishing;
});

test("a failure is everybody's, also of who has come late", async () => {
  const broadcast = openBroadcast();
  const reader = broadcast.read(whole, never);
  const begun = reader.next();
  await broadcast.publish(bytes.subarray(0, MIB));
  await begun;
  broadcast.fail(new Error("it broke"));
  await assert.rejects(all(reader), /it broke/);
  await assert.rejects(all(broadcast.read({ start: 2 * MIB, end: 3 * MIB }, never)), /it broke/);
});
