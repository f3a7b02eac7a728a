/** Our HTTP/2 against Node's, either side of it; and what hostile bytes may do. */
import assert from "node:assert/strict";
import http2 from "node:http2";
import { duplexPair } from "node:stream";
import { test } from "node:test";
import { openConnection, type Stream } from "./connection.ts";
import { decodeHuffman } from "./huffman.ts";
import { createHeaderDecoder, encodeHeaders } from "./hpack.ts";

/** One side is Node's server; the other one is ours. */
function nodeServer(onStream: (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => void) {
  const [near, far] = duplexPair();
  const session = http2.performServerHandshake(far as never, {});
  session.on("stream", onStream);
  session.on("error", () => {});
  return { connection: openConnection(near, { role: "client" }), session };
}

const POST = [[":method", "POST"], [":scheme", "http"], [":path", "/a/b"], [":authority", "localhost"]] as const;

test("a call to Node's server: headers both ways, bytes, trailers", async () => {
  const { connection, session } = nodeServer((stream, headers) => {
    stream.respond({ ":status": 200, "x-many": ["1", "2"], "x-told": String(headers["x-key"]) }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0", "grpc-message": "fine" }));
    stream.pipe(stream);
  });
  const seen: unknown[] = [];
  const ended = Promise.withResolvers<void>();
  const bytes = Buffer.alloc(300_000, "abcdefg");
  const got: Buffer[] = [];
  const stream = connection.request([...POST, ["x-key", "value"], ["x-key", "another"]], {
    headers: (list) => void seen.push(Object.fromEntries(list.filter(([name]) => name !== "date"))),
    data: (chunk) => (got.push(Buffer.from(chunk)), stream.took(chunk.length)),
    end: () => ended.resolve(),
    failed: (error) => ended.reject(error),
  });
  stream.write(bytes);
  await stream.room();
  stream.end();
  await ended.promise;
  assert.deepEqual(seen, [{ ":status": "200", "x-many": "2", "x-told": "value, another" }, { "grpc-status": "0", "grpc-message": "fine" }]);
  assert.ok(Buffer.concat(got).equals(bytes));
  connection.close();
  session.destroy();
});

test("calls of Node's client to us: many at once, each with its bytes, none before it is read", async () => {
  const [near, far] = duplexPair();
  const held = Promise.withResolvers<void>();
  openConnection(near, {
    role: "server",
    accept(stream: Stream, headers) {
      const path = headers.find(([name]) => name === ":path")![1];
      stream.headers([[":status", "200"], ["x-path", path]]);
      return {
        headers: () => {},
        data: (chunk) => void held.promise.then(() => (stream.write(Buffer.from(chunk)), stream.took(chunk.length))),
        end: () => void held.promise.then(() => stream.end([["grpc-status", "0"]])),
        failed: () => {},
      };
    },
  });
  const session = http2.connect("http://localhost", { createConnection: () => far as never });
  const ask = async (path: string, size: number) => {
    const request = session.request({ ":method": "POST", ":path": path, "x-long": "v".repeat(20_000) });
    request.end(Buffer.alloc(size, path));
    const got: Buffer[] = [];
    request.on("data", (chunk: Buffer) => got.push(chunk));
    await new Promise((resolve, reject) => request.once("end", resolve).once("error", reject));
    assert.ok(Buffer.concat(got).equals(Buffer.alloc(size, path)), path);
  };
  const all = Promise.all([1, 1000, 100_000, 500_000].map((size, index) => ask(`/${index}`, size)));
  held.resolve();
  await all;
  session.close();
});

test("a connection that breaks ends what was under way, and what is asked afterwards", async () => {
  const [near, far] = duplexPair();
  const connection = openConnection(near, { role: "client" });
  const failures: string[] = [];
  const events = { headers: () => {}, data: () => {}, end: () => void failures.push("end"), failed: (error: Error) => void failures.push(error.message) };
  const stream = connection.request(POST, events);
  while (stream.write(Buffer.alloc(65_536)));
  const room = stream.room();
  far.destroy();
  await connection.closed;
  await room;
  connection.request(POST, events);
  await Promise.resolve();
  assert.equal(failures.length, 2);
  assert.ok(!failures.includes("end"));
});

for (const [name, bytes] of [
  ["a frame too large", Buffer.from("ffffff0000000000010000", "hex")],
  ["headers that go on without beginning", Buffer.from("000001090400000001ff", "hex")],
  ["headers that point at nothing", Buffer.from("000001010500000001ff", "hex")],
  ["frames of no size, which no header would ever fit into", Buffer.from("000006040000000000" + "000500000000", "hex")],
  ["headers that go on for ever with nothing", Buffer.concat([Buffer.from("000000010000000001", "hex"), Buffer.alloc(9 * 150_000, Buffer.from("000000090000000001", "hex"))])],
  ["a frame that is all padding", Buffer.from("00000100080000000105", "hex")],
] as const) {
  test(`hostile bytes: ${name}`, async () => {
    const [near, far] = duplexPair();
    const connection = openConnection(near, { role: "client" });
    connection.request(POST, { headers: () => {}, data: () => {}, end: () => {}, failed: () => {} });
    far.resume();
    far.write(bytes);
    await connection.closed;
  });
}

test("headers: RFC 7541's examples, with and without Huffman, and its table that moves", () => {
  const decoder = createHeaderDecoder();
  assert.deepEqual(decoder.decode(Buffer.from("828684418cf1e3c2e5f23a6ba0ab90f4ff", "hex")), [[":method", "GET"], [":scheme", "http"], [":path", "/"], [":authority", "www.example.com"]]);
  assert.deepEqual(decoder.decode(Buffer.from("828684be5886a8eb10649cbf", "hex")), [
    [":method", "GET"], [":scheme", "http"], [":path", "/"], [":authority", "www.example.com"], ["cache-control", "no-cache"],
  ]);
  assert.deepEqual(decoder.decode(Buffer.from("828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf", "hex")), [
    [":method", "GET"], [":scheme", "https"], [":path", "/index.html"], [":authority", "www.example.com"], ["custom-key", "custom-value"],
  ]);
  const headers = [[":method", "POST"], ["te", "trailers"], ["x", "v".repeat(300)], ["cookie", ""]] as const;
  assert.deepEqual(createHeaderDecoder().decode(encodeHeaders(headers)), headers);
  for (const wrong of ["ff", "00", "7f8080808080", "40858a"]) assert.throws(() => createHeaderDecoder().decode(Buffer.from(wrong, "hex")), /http2/);
  assert.throws(() => decodeHuffman(Buffer.from("ffffffff", "hex")), /Huffman/);
});
