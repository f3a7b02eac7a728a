/** Archives that `cell` reads from a client's connection, however the client cuts what it sends. CELL=build/cell-asan runs them under the sanitizers. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { type Call, openHttpServer } from "#base/http.ts";
import { lendBody } from "#base/http-lend-body.ts";
import { messageOf } from "#base/errors.ts";
import { openKernel } from "#linux/host.ts";
import { fillLent } from "./fill-lent.ts";

const O_PATH_DIRECTORY = 0o200000 | 0o10000000;
const CONNECTION = 40;
const kernel = await openKernel({ cell: fileURLToPath(new URL(`../../../${process.env["CELL"] ?? "build/cell"}`, import.meta.url)) });
const root = mkdtempSync("/tmp/gantry-lent-");
const source = join(root, "source");
const to = join(root, "to");
for (const folder of [join(source, "a/b"), to]) mkdirSync(folder, { recursive: true });
for (let at = 0; at < 40; at++) writeFileSync(join(source, "a/b", `small${at}`), `${at}`.repeat(at * 17));
writeFileSync(join(source, "a/large"), Buffer.from(Array.from({ length: 200_001 }, (_, at) => (at * 7) % 251)));
writeFileSync(join(source, "z"), "last");
const archive = execFileSync("tar", ["-cC", source, "."]);

/** What came of the bodies, in their order. */
const ends: PromiseWithResolvers<string>[] = [];
let begun = 0;
const end = (at: number): PromiseWithResolvers<string> => (ends[at] ??= Promise.withResolvers<string>());

const server = openHttpServer({ serve, mayHijack: () => false, log: { debug() {}, info() {}, warn() {}, error() {} } as never });
const name = join(root, "s");
await server.listen({ kind: "unix", path: name });
after(async () => {
  await server.close();
  await kernel[Symbol.asyncDispose]();
  rmSync(root, { recursive: true, force: true });
});

async function serve(call: Call): Promise<void> {
  const body = lendBody(call);
  if (call.path === "/back") body?.back();
  if (body === undefined || call.path === "/back") return await answerLength(call);
  const ended = end(begun++);
  const enter = [
    { op: "takeFd", slot: CONNECTION, pid: process.pid, fd: body.fd } as const,
    { op: "open", slot: 1, path: to, flags: O_PATH_DIRECTORY } as const,
    { op: "fchdir", slot: 1 } as const,
  ];
  const failure = await fillLent(kernel, { ...body, slot: CONNECTION }, { enter, what: "the archive", signal: call.signal }).then(() => "", messageOf);
  body.done(failure === "");
  const text = failure || "filled";
  call.response.writeHead(failure === "" ? 200 : 400, { "Content-Length": text.length });
  call.response.write(text);
  if (call.request.complete) call.response.end();
  else call.request.once("close", () => call.response.end());
  ended.resolve(text);
}

async function answerLength({ request, response }: Call): Promise<void> {
  let length = 0;
  for await (const chunk of request) length += (chunk as Buffer).length;
  response.end(`${length} bytes`);
}

const HEAD = "PUT /x HTTP/1.1\r\nHost: x\r\n";
const CHUNKED = `${HEAD}Transfer-Encoding: chunked\r\n\r\n`;

function chunked(bytes: Buffer, size: number, last = "0\r\n\r\n"): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    const chunk = bytes.subarray(at, at + size);
    parts.push(Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from("\r\n"));
  }
  return Buffer.concat([...parts, Buffer.from(last)]);
}

/** Sends pieces, each when the one before is written, and reads until the server closes. */
async function send(...pieces: (string | Buffer)[]): Promise<string> {
  const client = connect(name);
  const answer = read(client);
  for (const piece of pieces) await new Promise((resolve) => client.write(piece, resolve));
  return await answer;
}

async function read(client: Socket): Promise<string> {
  let text = "";
  client.setEncoding("utf8").on("data", (more: string) => (text += more));
  await new Promise((resolve) => client.once("close", resolve).on("error", () => {}));
  return text;
}

function checkTree(): void {
  execFileSync("diff", ["-r", source, to]);
  rmSync(to, { recursive: true });
  mkdirSync(to);
}

test("chunks of any size make the same tree, and the connection is closed after the answer", async () => {
  for (const size of [17, 512, 4099, 65_536, archive.length]) {
    const answer = await send(CHUNKED, chunked(archive, size));
    assert.match(answer, /^HTTP\/1.1 200 OK\r\n[^]*Connection: close\r\n\r\nfilled$/, `${size}`);
    checkTree();
  }
});

test("what is sent may be cut anywhere: in the head's end, in a chunk's size, before its line feed, in the trailer", async () => {
  const body = chunked(archive, 5000, "0;x=y\r\nA: b\r\nC: d\r\n\r\n");
  const cuts = [1, 3, 5, 6, 5004, 5006, 5007, body.length - 19, body.length - 3, body.length - 1];
  const pieces = [0, ...cuts].map((from, at) => body.subarray(from, cuts[at] ?? body.length));
  for (const first of [CHUNKED, Buffer.concat([Buffer.from(CHUNKED), pieces.shift()!])]) assert.ok((await send(first, ...(first === CHUNKED ? [body] : pieces))).endsWith("filled"));
  checkTree();
});

test("a body of a known length, and one that is compressed", async () => {
  const long = Buffer.concat([archive, Buffer.alloc(2 ** 20)]);
  assert.ok((await send(`${HEAD}Content-Length: ${long.length}\r\n\r\n`, long.subarray(0, 100_000), long.subarray(100_000))).endsWith("filled"));
  checkTree();
  assert.ok((await send(CHUNKED, chunked(gzipSync(archive), 1000))).endsWith("filled"));
  checkTree();
});

test("who sends what is no archive, no chunk, or half of one hears it, also while he sends on", async () => {
  const rest = chunked(Buffer.alloc(3_000_000), 30_000);
  const middle = archive.indexOf(readFileSync(join(source, "a/large"))) + 5000;
  assert.match(await hear(CHUNKED, chunked(archive.subarray(0, middle), 1000)), /^HTTP\/1.1 400[^]*receive[^]*ENODATA/);
  assert.match(await hear(CHUNKED, chunked(archive.subarray(0, 700), 1000)), /^HTTP\/1.1 400[^]*cut short$/);
  assert.match(await hear(CHUNKED, Buffer.from(`${"n".repeat(600)}`), rest), /^HTTP\/1.1 400/);
  assert.match(await hear(CHUNKED, chunked(Buffer.alloc(1024, "no archive"), 100, ""), rest), /^HTTP\/1.1 400/);
  rmSync(to, { recursive: true });
  mkdirSync(to);
});

/** As `send`, of a client that leaves when it has an answer. */
async function hear(...pieces: (string | Buffer)[]): Promise<string> {
  const client = connect(name);
  const answer = new Promise<string>((resolve) => client.once("data", (bytes) => (client.end(), resolve(bytes.toString()))));
  const closed = read(client);
  for (const piece of pieces) client.write(piece);
  await closed;
  return await answer;
}

test("a client that goes away ends it, and what it had sent of the last file stays", async () => {
  const client = connect(name);
  const middle = archive.indexOf(readFileSync(join(source, "a/large"))) + 5000;
  const ended = end(begun);
  await new Promise((resolve) => client.write(Buffer.concat([Buffer.from(CHUNKED), chunked(archive.subarray(0, middle), 1000, "")]), resolve));
  client.destroy();
  assert.match(await ended.promise, /ENODATA/);
});

test("a body that is given back is read as ever, and the connection goes on", async () => {
  const put = (connection: string) => Buffer.concat([Buffer.from(`${CHUNKED.replace("/x", "/back").replace("Host", `${connection}Host`)}`), chunked(archive, 30_000)]);
  const answer = await send(put(""), put("Connection: close\r\n"));
  assert.equal(answer.split(`${archive.length} bytes`).length, 3);
});

test("a short body is read as ever, and the next request is answered on the same connection", async () => {
  const short = `${HEAD}Content-Length: 4\r\n\r\nbody`;
  const answer = await send(`${short}${short.replace("Host", "Connection: close\r\nHost")}`);
  assert.equal(answer.split("4 bytes").length, 3);
});
