/** Files on their way to a client, by what the client may say meanwhile. */
import assert from "node:assert/strict";
import { duplexPair } from "node:stream";
import { test } from "node:test";
import { fail } from "#base/errors.ts";
import { bidirectional, type BidirectionalCall, method, openGrpcClient, served, serveGrpc } from "#base/grpc/grpc.ts";
import type { In, Of } from "#base/protobuf.ts";
import { TAR_END, tarHeader, tarPadding } from "#base/tar-write.ts";
import { METHODS, PACKET, packet } from "#spec/buildkit/session.ts";
import { sendFiles } from "./send-files.ts";

type Call = BidirectionalCall<Of<typeof packet>, In<typeof packet>>;

/** Sends the archive to a client that does this. */
async function send(archive: AsyncIterable<Uint8Array>, client: (call: Call) => Promise<void>): Promise<void> {
  const [near, far] = duplexPair();
  const server = serveGrpc(near, { find: served([bidirectional(method(METHODS.fileSend, packet, packet), client)]) });
  const session = { id: "s", sharedKey: "", client: openGrpcClient(far), supports: () => true };
  try {
    await sendFiles(session, archive, { index: 0, attributes: {}, signal: new AbortController().signal });
  } finally {
    session.client.close();
    server.close();
  }
}

function* file(name: string, size: number): Generator<Buffer> {
  yield tarHeader({ name, type: "file", mode: 0o644, sec: 0, size });
  for (let left = size; left > 0; left -= 2 ** 18) yield Buffer.alloc(Math.min(left, 2 ** 18), name);
  yield tarPadding(size);
}

async function* files(...sizes: readonly number[]): AsyncGenerator<Buffer> {
  for (const [at, size] of sizes.entries()) yield* file(`f${at}`, size);
  yield TAR_END;
}

async function* endless(): AsyncGenerator<Buffer> {
  for (let at = 0; ; at++) yield* file(`f${at}`, 2 ** 20);
}

test("one file after another, in the order in which they are asked for, when all are asked for at once", async () => {
  const sizes = [0, 700_000, 1, 2_000_000, 300_000, 0];
  const came: number[] = [];
  const bytes = sizes.map(() => 0);
  await send(files(...sizes), async (call) => {
    let told = 0;
    let left = sizes.length;
    for await (const { type, stat, id, data } of call.messages) {
      if (type === PACKET.stat && stat !== undefined) told++;
      else if (type === PACKET.stat) for (let place = told - 1; place >= 0; place--) await call.send({ type: PACKET.request, id: place });
      if (type !== PACKET.data) continue;
      if (came.at(-1) !== id) came.push(id);
      bytes[id]! += data.length;
      if (data.length === 0 && --left === 0) await call.send({ type: PACKET.finish });
    }
  });
  assert.deepEqual(came, [5, 4, 3, 2, 1, 0]);
  assert.deepEqual(bytes, sizes);
});

const unwilling: readonly (readonly [name: string, client: (call: Call) => Promise<void>, error: object])[] = [
  ["ends the call as if all were well", async () => {}, { kind: "unavailable", message: /ended before it had everything/ }],
  ["refuses", async () => Promise.reject(fail("already-exists", "it is there already")), { kind: "already-exists" }],
  ["says what is wrong", async (call) => (await call.send({ type: PACKET.error, data: Buffer.from("no room") }), void (await call.messages[Symbol.asyncIterator]().next())), { message: "error from receiver: no room" }],
  ["says that it has everything before it was told everything", async (call) => (await call.send({ type: PACKET.finish }), void (await call.messages[Symbol.asyncIterator]().next())), { kind: "invalid" }],
  ["asks for what there is not", async (call) => (await call.send({ type: PACKET.request, id: 7_000_000 }), void (await call.messages[Symbol.asyncIterator]().next())), { kind: "invalid" }],
];
for (const [name, client, error] of unwilling) {
  test(`a client that ${name}: the archive is read no further`, { timeout: 20_000 }, async () => {
    await assert.rejects(send(endless(), client), error);
  });
}

test("a client that ends the call when it was told everything is not waited for", { timeout: 20_000 }, async () => {
  const end = send(files(10), async (call) => {
    for await (const { type, stat } of call.messages) if (type === PACKET.stat && stat === undefined) return;
  });
  await assert.rejects(end, { kind: "unavailable" });
});
