/** Our HTTP against Node's server: what an engine may answer, in every shape it may come in. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createRaw, type Socket } from "node:net";
import { Readable } from "node:stream";
import { test, type TestContext } from "node:test";
import type { Api } from "./connect.ts";
import { type Endpoint, parseHost } from "./endpoint.ts";
import { gather, isBelow, openApi } from "./open.ts";

type Serve = (request: IncomingMessage, response: ServerResponse) => void;

async function place(context: TestContext): Promise<Endpoint> {
  const folder = mkdtempSync("/tmp/open-");
  context.after(() => rmSync(folder, { recursive: true }));
  return { host: `unix://${folder}/s`, isDefault: false, transport: "unix", path: `${folder}/s` };
}

async function serve(context: TestContext, handle: Serve, apiVersion = "1.41"): Promise<{ api: Api; connections: () => number }> {
  const endpoint = await place(context);
  let connections = 0;
  const server = createServer((request, response) => {
    if (request.url === "/_ping") return void response.setHeader("Api-Version", apiVersion).setHeader("Ostype", "linux").end("OK");
    handle(request, response);
  });
  server.on("connection", () => connections++);
  server.on("upgrade", (request, socket: Socket) => {
    socket.write("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nfirst ");
    // What was sent comes back when the client has ended its half.
    const chunks: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => chunks.push(chunk)).on("end", () => socket.end(`got ${Buffer.concat(chunks)}`));
    void request;
  });
  await new Promise<void>((resolve) => server.listen((endpoint as { path: string }).path, resolve));
  const api = await openApi(endpoint, { userAgent: "test", headers: { "X-Mine": "1" } });
  context.after(() => {
    api.close();
    server.closeAllConnections();
    server.close();
  });
  return { api, connections: () => connections };
}

test("the version both speak, the query, our headers, and one connection for all", async (context) => {
  const seen: string[] = [];
  const { api, connections } = await serve(context, (request, response) => {
    seen.push(`${request.method} ${request.url} ${request.headers["x-mine"]} ${request.headers["user-agent"]}`);
    response.setHeader("Content-Type", "application/json").end('{"a":1}');
  });
  assert.equal(api.version, "1.41");
  assert.ok(api.atLeast("1.41") && api.atLeast("1.9") && !api.atLeast("1.42"));
  const query = { all: true, none: false, empty: "", gone: undefined, text: "a b&c", list: ["x", "y"] };
  assert.deepEqual(await api.json("GET", "/x", { query }), { a: 1 });
  await api.json("POST", "/y");
  assert.deepEqual(seen, ["GET /v1.41/x?all=1&text=a%20b%26c&list=x&list=y 1 test", "POST /v1.41/y 1 test"]);
  assert.equal(connections(), 1);
});

test("an engine newer than we are is spoken to as we can", async (context) => {
  const { api } = await serve(context, (_, response) => void response.end(), "1.99");
  assert.equal(api.version, "1.56");
});

test("bodies in chunks, by length, and to the end of the connection", async (context) => {
  const { api } = await serve(context, (request, response) => {
    if (request.url!.endsWith("/length")) return void response.setHeader("Content-Length", 5).end("hello");
    if (request.url!.endsWith("/end")) {
      response.socket!.end("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello");
      return;
    }
    for (const part of ["he", "l", "lo"]) response.write(part);
    response.end();
  });
  for (const path of ["/length", "/chunks", "/end", "/length"]) assert.equal(await api.text("GET", path), "hello", path);
});

const refusals: [status: number, type: string, body: string, kind: string, message: string][] = [
  [404, "application/json", '{"message":"No such container: x\\n"}', "not-found", "Error response from daemon: No such container: x"],
  [409, "application/json; charset=utf-8", '{"message":"taken"}', "conflict", "Error response from daemon: taken"],
  [500, "text/plain", "it broke\n", "internal", "Error response from daemon: it broke"],
  [501, "application/json", '{"message":"not yet"}', "not-implemented", "Error response from daemon: not yet"],
  [400, "application/json", "not json", "invalid", "Error response from daemon: not json"],
  [502, "text/plain", "", "internal", "Error response from daemon: request returned 502 for API route /x, check if the server supports the requested API version"],
];
for (const [status, type, body, kind, message] of refusals) {
  test(`a refusal: ${status} ${body.trim()}`, async (context) => {
    const { api } = await serve(context, (_, response) => void response.writeHead(status, { "Content-Type": type }).end(body));
    await assert.rejects(api.text("GET", "/x"), { kind, message });
  });
}

test("a hijacked stream: what came with the answer is not lost, and one half can end", async (context) => {
  const { api } = await serve(context, (_, response) => void response.end());
  const stream = await api.hijack("/attach", { json: { a: 1 } });
  stream.end("input");
  assert.equal((await gather(stream)).toString(), "first got input");
});

test("a hijack that is refused", async (context) => {
  const endpoint = await place(context);
  const server = createRaw((socket) => {
    socket.on("data", (data) => {
      if (data.includes("_ping")) socket.write("HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 0\r\n\r\n");
      else socket.write('HTTP/1.1 409 Conflict\r\nContent-Type: application/json\r\nContent-Length: 22\r\n\r\n{"message":"not now"}\n');
    });
  }).listen((endpoint as { path: string }).path);
  const api = await openApi(endpoint, { userAgent: "test", headers: {} });
  context.after(() => {
    api.close();
    server.close();
  });
  await assert.rejects(api.hijack("/attach"), { kind: "conflict", message: "Error response from daemon: not now" });
});

test("an upload is streamed, and an answer that comes before its end is read", async (context) => {
  const { api } = await serve(context, (request, response) => {
    if (request.url!.endsWith("/refuse")) return void response.writeHead(400, { "Content-Type": "application/json" }).end('{"message":"enough"}');
    let size = 0;
    request.on("data", (chunk: Buffer) => (size += chunk.length)).on("end", () => response.end(String(size)));
  });
  const endless = () => Readable.from((function* () { for (let i = 0; i < 200; i++) yield Buffer.alloc(65536, i); })());
  const answer = await api.send("POST", "/load", { upload: endless() });
  assert.equal((await gather(answer.body)).toString(), String(200 * 65536));
  await assert.rejects(api.send("POST", "/refuse", { upload: endless() }), { message: "Error response from daemon: enough" });
});

test("nobody listens: said with the address", async (context) => {
  const endpoint = await place(context);
  await assert.rejects(openApi(endpoint, { userAgent: "", headers: {} }), {
    message: `Cannot connect to the Gantry daemon at ${endpoint.host}. Is the gantry daemon running?`,
  });
});

test("our own engine is started when its socket is not there, and only then", async (context) => {
  const endpoint = { ...(await place(context)), isDefault: true };
  const server = createServer((_, response) => void response.end("up"));
  let started = 0;
  const startEngine = async () => {
    started++;
    await new Promise<void>((resolve) => server.listen((endpoint as { path: string }).path, resolve));
  };
  context.after(() => void (server.closeAllConnections(), server.close()));
  const first = await openApi(endpoint, { userAgent: "", headers: {}, startEngine });
  assert.equal(await first.text("GET", "/x"), "up");
  const second = await openApi(endpoint, { userAgent: "", headers: {}, startEngine });
  assert.equal(await second.text("GET", "/x"), "up");
  first.close();
  second.close();
  assert.equal(started, 1);
});

test("what is no HTTP, and an answer cut short, are errors", async (context) => {
  for (const [answer, message] of [
    ["SSH-2.0-x\r\n\r\n", /malformed HTTP response "SSH-2.0-x"/],
    ["HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhel", /unexpected EOF/],
    ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", /unexpected EOF/],
    ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", /malformed chunked encoding/],
    ["", /^Failure: error during connect: EOF$/],
  ] as const) {
    const endpoint = await place(context);
    const server = createRaw((socket) => socket.once("data", () => socket.end(answer))).listen((endpoint as { path: string }).path);
    const api = await openApi(endpoint, { userAgent: "", headers: {}, version: "1.41" });
    await assert.rejects(api.text("GET", "/x"), message);
    api.close();
    server.close();
  }
});

test("over ssh: the far side's standard streams, and its words when it fails", async (context) => {
  const folder = mkdtempSync("/tmp/open-");
  context.after(() => rmSync(folder, { recursive: true }));
  const server = createServer((request, response) => void (request.url === "/_ping" ? response.setHeader("Api-Version", "1.41").end() : response.end("far")));
  await new Promise<void>((resolve) => server.listen(`${folder}/s`, resolve));
  context.after(() => void (server.closeAllConnections(), server.close()));
  const join = `const s=require("net").connect({path:"${folder}/s",allowHalfOpen:true});process.stdin.pipe(s).pipe(process.stdout)`;
  const before = process.env["PATH"];
  process.env["PATH"] = `${folder}:${before}`;
  context.after(() => void (process.env["PATH"] = before));
  const ssh = (text: string) => writeFileSync(`${folder}/ssh`, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  ssh(`echo "$@" > ${folder}/args; exec ${process.execPath} -e '${join}'`);
  const api = await openApi(parseHost("ssh://me@host:2222"), { userAgent: "", headers: {} });
  assert.equal(await api.text("GET", "/x"), "far");
  api.close();
  assert.match(readFileSync(`${folder}/args`, "utf8"), /^-l me -p 2222 -o ConnectTimeout=30 -T -- host command -v gantry .* exec gantry system dial-stdio \|\| exec docker system dial-stdio$/m);
  ssh("echo no route >&2; exit 255");
  await assert.rejects(openApi(parseHost("ssh://host"), { userAgent: "", headers: {} }), /has exited with exit status 255, stderr=no route$/);
});

test("versions are compared by number", () => {
  assert.ok(isBelow("1.9", "1.41") && !isBelow("1.41", "1.41") && !isBelow("2.0", "1.41"));
});
