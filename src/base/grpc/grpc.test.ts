import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectSocket, createServer, type Socket } from "node:net";
import { duplexPair, PassThrough } from "node:stream";
import { after, test } from "node:test";
import { fail, kindOf } from "../errors.ts";
import { bytes, int64, message, text } from "../protobuf.ts";
import { writeFrame } from "./frames.ts";
import { bidirectional, type GrpcClient, type GrpcConnection, method, openGrpcClient, served, serverStream, serveGrpc, statusOf, unary } from "./grpc.ts";

const word = message("Word", { text: text(1), count: int64(2), data: bytes(3) });
const echo = method("/test.Service/Echo", word, word);
const count = method("/test.Service/Count", word, word);
const talk = method("/test.Service/Talk", word, word);
const wait = method("/test.Service/Wait", word, word);

type Pair = { client: GrpcClient; server: GrpcConnection; raw: Socket; sent: () => number };
const aborted: string[] = [];
let waiting = Promise.withResolvers<void>();
let sent = 0;

const find = served([
  unary(echo, (request, { metadata }) => {
    if (request.text === "fail") throw fail("not-found", "no such wörd: 100%\n", { facts: { grpcDetails: [{ typeUrl: "test/x", value: Buffer.from("detail") }] } });
    return metadata["repeat"] === undefined ? request : { text: metadata["repeat"].join("|") };
  }),
  serverStream(count, async function* (request) {
    for (let at = 0; at < request.count; at++) {
      yield { count: at, data: Buffer.alloc(100_000) };
      sent++;
    }
  }),
  bidirectional(talk, async ({ messages, send, head }) => {
    head({ greeting: ["hello"] });
    for await (const { text: said } of messages) {
      if (said === "enough") throw fail("exhausted", "enough");
      await send({ text: said.toUpperCase() });
    }
    await send({ text: "end" });
  }),
  [
    wait.path,
    async ({ signal }) => {
      waiting.resolve();
      await once(signal, "abort");
      aborted.push(statusOf(signal.reason).message);
      throw signal.reason;
    },
  ],
]);

const open: (() => void)[] = [];
after(() => open.forEach((close) => close()));

async function pair(): Promise<Pair> {
  // As connections of an HTTP server are.
  const listener = createServer({ allowHalfOpen: true }).listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address() as { port: number };
  const raw = connectSocket(port, "127.0.0.1");
  const [[socket]] = (await Promise.all([once(listener, "connection"), once(raw, "connect")])) as [[Socket], unknown];
  const server = serveGrpc(socket, { find, maxMessage: 300_000 });
  const client = openGrpcClient(raw);
  open.push(() => (client.close(), server.close(), listener.close()));
  return { client, server, raw, sent: () => sent };
}

test("one request, one answer; an empty message; a long one", async () => {
  const { client } = await pair();
  assert.equal((await client.unary(echo, { text: "hi" })).text, "hi");
  assert.equal((await client.unary(echo, {})).text, "");
  assert.equal((await client.unary(echo, { data: Buffer.alloc(299_000, 7) })).data.length, 299_000);
});

test("metadata comes as often as it was sent", async () => {
  const { client } = await pair();
  assert.equal((await client.unary(echo, {}, { metadata: { repeat: ["a", "b, c"] } })).text, "a|b, c");
});

test("a failure is a status, with its text and its details", async () => {
  const { client } = await pair();
  await assert.rejects(client.unary(echo, { text: "fail" }), (error: Error) => {
    assert.equal(kindOf(error), "not-found");
    assert.equal(error.message, "no such wörd: 100%\n");
    assert.equal(String(statusOf(error).details[0]?.value), "detail");
    return true;
  });
});

test("what is not served is unimplemented", async () => {
  const { client } = await pair();
  await assert.rejects(client.unary(method("/test.Service/Nope", word, word), {}), { message: "unknown method Nope for service test.Service" });
});

test("both sides talk, and what the server says last comes after the client's end", async () => {
  const { client } = await pair();
  const call = client.stream(talk);
  const heard: string[] = [];
  await call.send({ text: "a" });
  await call.send({ text: "b" });
  for await (const { text: said } of call.messages) if (heard.push(said) === 2) call.end();
  assert.deepEqual(heard, ["A", "B", "end"]);
});

test("a server that ends a call early says why, whatever the client goes on to send", async () => {
  const { client } = await pair();
  const call = client.stream(talk);
  for (let at = 0; at < 50; at++) await call.send({ text: "enough" });
  await assert.rejects(Array.fromAsync(call.messages), { message: "enough" });
  assert.equal((await client.unary(echo, { text: "still" })).text, "still");
});

test("a stream that nobody reads is not sent: the windows are its bound", async () => {
  const { client } = await pair();
  sent = 0;
  const call = client.stream(count);
  await call.send({ count: 200 });
  call.end();
  const messages = call.messages[Symbol.asyncIterator]();
  await messages.next();
  for (let quiet = 0, last = -1; quiet < 20; quiet++, await new Promise((resolve) => setImmediate(resolve))) if (last !== (last = sent)) quiet = 0;
  assert.ok(sent < 100, `${sent} of 200 messages of 100 kB were sent`);
  let heard = 1;
  for (let next = await messages.next(); next.done !== true; next = await messages.next()) heard++;
  assert.equal(heard, 200);
});

test("cancelling aborts the handler's signal; so does the end of the connection", async () => {
  const { client } = await pair();
  for (const end of ["cancel", "close"] as const) {
    waiting = Promise.withResolvers();
    aborted.length = 0;
    const abort = new AbortController();
    const answer = client.unary(wait, {}, { signal: abort.signal });
    await waiting.promise;
    if (end === "cancel") abort.abort();
    else client.close();
    await assert.rejects(answer, (error) => kindOf(error) === (end === "cancel" ? "cancelled" : "unavailable"));
    while (aborted.length === 0) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(aborted, ["context canceled"]);
  }
  await assert.rejects(client.unary(echo, {}), (error) => kindOf(error) === "unavailable");
});

test("a deadline ends a call on the server", async () => {
  const { client } = await pair();
  waiting = Promise.withResolvers();
  aborted.length = 0;
  await assert.rejects(client.unary(wait, {}, { metadata: { "grpc-timeout": ["20m"] } }), { message: "context deadline exceeded" });
  assert.deepEqual(aborted, ["context deadline exceeded"]);
});

test("a message longer than the limit is refused by its length", async () => {
  const { client } = await pair();
  await assert.rejects(client.unary(echo, { data: Buffer.alloc(400_000) }), (error) => kindOf(error) === "exhausted");
  assert.equal((await client.unary(echo, { text: "still" })).text, "still");
});

test("ping answers, and does not when the other side is gone", async () => {
  const { client, server } = await pair();
  await client.ping(5000);
  server.close();
  await client.closed;
  await assert.rejects(client.ping(1000));
});

test("a connection that speaks no HTTP/2 is closed, and nothing else happens", async () => {
  for (const garbage of ["GET / HTTP/1.1\r\n\r\n", "\0".repeat(64), "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + "\xff".repeat(200)]) {
    const listener = createServer().listen(0, "127.0.0.1");
    await once(listener, "listening");
    const raw = connectSocket((listener.address() as { port: number }).port, "127.0.0.1");
    const [socket] = (await once(listener, "connection")) as [Socket];
    const { closed } = serveGrpc(socket, { find });
    raw.on("error", () => {});
    raw.resume();
    raw.write(garbage, "latin1");
    await closed;
    raw.destroy();
    listener.close();
  }
});

/** A message and the beginning of another one on stream 1; then RST_STREAM with NO_ERROR, which leaves what came to be read. */
const HALF_READ = Buffer.concat([
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  Buffer.from("000000040000000000" + "00001e010400000001" + "8386" + "010178" + "04042f612f620f10106170706c69636174696f6e2f67727063", "hex"),
  Buffer.from("000005000000000001" + "0000000000" + "000003000000000001" + "000000", "hex"),
]);
const RESET = Buffer.from("000004030000000001" + "00000000", "hex");

for (const answered of [false, true]) {
  test(`a call that is reset without an error, ${answered ? "after" : "before"} its head, while there is more to read: nothing is answered`, async () => {
    const [near, far] = duplexPair();
    far.resume();
    const [begun, over] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const server = serveGrpc(near, {
      find: () => async ({ messages, signal, head }) => {
        if (answered) head({});
        for await (const _ of messages) break;
        begun.resolve();
        await once(signal, "abort");
        setImmediate(over.resolve);
      },
    });
    far.write(HALF_READ);
    await begun.promise;
    far.write(RESET);
    await over.promise;
    far.destroy();
    await server.closed;
  });
}

test("however many wait for room in a stream, it has one listener of theirs; they go on when there is room, or end with it", async () => {
  for (const [end, went] of [["drain", true], ["close", false]] as const) {
    const stream = new PassThrough({ highWaterMark: 10 });
    const waiting = Array.from({ length: 1000 }, () => writeFrame(stream, Buffer.alloc(20)));
    assert.equal(stream.listenerCount("drain") + stream.listenerCount("close"), 2);
    if (end === "drain") stream.resume();
    else stream.destroy();
    assert.deepEqual(new Set(await Promise.all(waiting)), new Set([went]));
    assert.equal(stream.listenerCount("drain") + stream.listenerCount("close"), 0);
  }
});
