import assert from "node:assert/strict";
import { once } from "node:events";
import { chmod, link, lstat, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";
import { Duplex, PassThrough } from "node:stream";
import { after, before, describe, test } from "node:test";
import { Failure } from "./errors.ts";
import { type Call, compileRoutes, type HttpServer, openHttpServer } from "./http.ts";
import { join } from "./http-hijack.ts";
import { openLog } from "./log.ts";
import { acceptWebSocket } from "./websocket.ts";

const quiet = openLog({ write: () => {} });

describe("routes", () => {
  const find = compileRoutes(
    ["/images/json", "/images/{name...}/json", "/images/{name...}/get", "/images/get", "/containers/{id}/json", "/containers/{id}/attach/ws", "/a.b/{x}"].map((path) => ({ method: "GET", path })),
  );
  const table: readonly (readonly [string, string | undefined, Record<string, string>?])[] = [
    ["/images/json", "/images/json", {}],
    ["/images/busybox/json", "/images/{name...}/json", { name: "busybox" }],
    ["/images/host:5000/a/b:1/json", "/images/{name...}/json", { name: "host:5000/a/b:1" }],
    ["/images/json/json", "/images/{name...}/json", { name: "json" }],
    ["/images/get", "/images/get", {}],
    ["/images/a@sha256:00/get", "/images/{name...}/get", { name: "a@sha256:00" }],
    ["/containers/web/json", "/containers/{id}/json", { id: "web" }],
    ["/containers//web/json", "/containers/{id}/json", { id: "/web" }],
    ["/containers/a/b/json", undefined],
    ["/containers//json", undefined],
    ["/containers/x/attach/ws", "/containers/{id}/attach/ws", { id: "x" }],
    ["/a.b/1", "/a.b/{x}", { x: "1" }],
    ["/axb/1", undefined],
    ["/containers/a\nb/json", "/containers/{id}/json", { id: "a\nb" }],
    ["/containers/__proto__/json", "/containers/{id}/json", { id: "__proto__" }],
    ["/", undefined],
    ["", undefined],
  ];
  for (const [path, route, params] of table) {
    test(JSON.stringify(path), () => {
      const match = find("GET", path);
      assert.equal(match?.route.path, route);
      if (params !== undefined) assert.deepEqual({ ...match?.params }, params);
    });
  }
  test("another method does not match", () => assert.equal(find("POST", "/images/json"), undefined));
});

describe("a server on a unix socket", () => {
  let folder: string;
  let path: string;
  let server: HttpServer;
  /** Handlers by path; the last call of "/last". */
  const seen: { aborted?: Promise<void>; silent?: PassThrough; left?: Promise<void> } = {};

  async function serve(call: Call): Promise<void> {
    const { response } = call;
    switch (call.path) {
      case "/hello":
        response.end(`hello ${call.query.get("name") ?? ""}`);
        return;
      case "/echo": {
        response.writeHead(200);
        for await (const chunk of call.request) response.write(chunk);
        response.end();
        return;
      }
      case "/hang":
        seen.aborted = new Promise((resolve) => call.signal.addEventListener("abort", () => resolve(), { once: true }));
        response.flushHeaders();
        return;
      case "/throw":
        throw new Error("thrown");
      case "/raw": {
        for await (const chunk of call.request) assert.equal(String(chunk), '{"body":1}');
        response.setHeader("X-Ours", "1");
        const client = call.hijack("text/x-raw");
        const loop = new PassThrough();
        await join(client, loop, { input: true });
        return;
      }
      case "/talk": {
        const client = call.hijack("text/x-raw");
        const process = Duplex.from((async function* () {
          yield Buffer.from("said");
        })());
        await join(client, process, { input: false });
        return;
      }
      case "/silent": {
        const client = call.hijack("text/x-raw");
        const process = new PassThrough();
        seen.silent = process;
        seen.left = join(client, process, { input: false, probeMs: 5 });
        await seen.left;
        return;
      }
      case "/ws":
        await join(acceptWebSocket(call), new PassThrough(), { input: true });
        return;
      case "/refuse":
        response.writeHead(404, { "Content-Length": 2 });
        response.end("no");
        return;
      default:
        response.writeHead(404);
        response.end(call.path);
    }
  }

  before(async () => {
    folder = await mkdtemp(joinPath(tmpdir(), "gantry-http-"));
    path = joinPath(folder, "run", "api.sock");
    server = openHttpServer({ serve, mayHijack: (p) => ["/raw", "/talk", "/refuse", "/silent", "/ws"].includes(p), log: quiet });
    assert.equal(await server.listen({ kind: "unix", path }), `unix://${path}`);
  });
  after(async () => {
    await server.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function raw(text: string): Promise<Socket> {
    const socket = connect(path);
    await once(socket, "connect");
    socket.write(text);
    return socket;
  }
  async function all(socket: Socket): Promise<string> {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of socket) chunks.push(chunk as Buffer);
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, "ECONNRESET");
    }
    return Buffer.concat(chunks).toString("latin1");
  }
  async function until(socket: Socket, pattern: RegExp): Promise<string> {
    let text = "";
    while (!pattern.test(text)) {
      const chunk: Buffer | null = socket.read();
      if (chunk === null) await once(socket, "readable");
      else text += chunk.toString("latin1");
    }
    return text;
  }
  const get = async (target: string) => await all(await raw(`GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`));

  test("the socket is open to root and its group alone, and nothing else is left beside it", async () => {
    const { mode, uid } = await lstat(path);
    assert.equal(mode & 0o777, 0o660);
    assert.equal(uid, process.getuid?.());
    assert.deepEqual(await readdir(joinPath(folder, "run")), ["api.sock"]);
  });

  test("paths are decoded, queries parsed", async () => {
    assert.match(await get("/hello?name=a%20b"), /\r\n\r\n.*hello a b/s);
    assert.match(await get("/a%2Fb"), /\/a\/b/);
    assert.match(await get("/%zz"), /\/%zz/);
  });

  test("a second server does not take the socket of one that answers; a stale one is replaced", async () => {
    const second = openHttpServer({ serve, mayHijack: () => false, log: quiet });
    await assert.rejects(second.listen({ kind: "unix", path }), (e) => e instanceof Failure && e.kind === "conflict");
    const file = joinPath(folder, "file");
    await writeFile(file, "");
    await assert.rejects(second.listen({ kind: "unix", path: file }), (e) => e instanceof Failure && e.kind === "conflict");
    // What a killed engine leaves: a socket that nobody listens on.
    const stale = joinPath(folder, "stale.sock");
    await second.listen({ kind: "unix", path: joinPath(folder, "other.sock") });
    await link(joinPath(folder, "other.sock"), stale);
    await second.close();
    assert.ok((await lstat(stale)).isSocket());
    await second.listen({ kind: "unix", path: stale });
    const answer = httpRequest({ socketPath: stale, path: "/hello" }).end();
    const [response] = await once(answer, "response");
    assert.equal(response.statusCode, 200);
    response.resume();
    await second.close();
    await assert.rejects(lstat(stale), { code: "ENOENT" });
  });

  test("TCP without TLS is refused, except loopback when it is asked for", async () => {
    const tcp = openHttpServer({ serve, mayHijack: () => false, log: quiet });
    await assert.rejects(tcp.listen({ kind: "tcp", host: "127.0.0.1", port: 0 }), (e) => e instanceof Failure && e.kind === "forbidden");
    await assert.rejects(tcp.listen({ kind: "tcp", host: "0.0.0.0", port: 0, insecure: true }), (e) => e instanceof Failure && e.kind === "forbidden");
    const name = await tcp.listen({ kind: "tcp", host: "127.0.0.1", port: 0, insecure: true });
    const { status } = await fetch(`${name.replace("tcp:", "http:")}/hello`);
    assert.equal(status, 200);
    await tcp.close();
  });

  for (const [what, text, status] of [
    ["garbage", "\0\0\0\0\r\n\r\n", 400],
    ["a header line without colon", "GET / HTTP/1.1\r\nfoo\r\n\r\n", 400],
    ["two lengths", "POST /echo HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400],
    ["length and chunks", "POST /echo HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", 400],
    ["a strange transfer encoding", "POST /echo HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n1\r\na\r\n0\r\n\r\n", 400],
    ["a chunk of rubbish length", "POST /echo HTTP/1.1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\na\r\n0\r\n\r\n", 400],
    ["headers of 17 KiB", `GET / HTTP/1.1\r\nX: ${"a".repeat(17 * 1024)}\r\n\r\n`, 431],
    ["a path of 17 KiB", `GET /${"a".repeat(17 * 1024)} HTTP/1.1\r\n\r\n`, 431],
    ["HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400],
  ] as const) {
    test(`refuses ${what}`, async () => assert.match(await all(await raw(text)), new RegExp(`HTTP/1.1 (200 OK.*)?${status} |^HTTP/1.1 ${status}`, "s")));
  }

  test("requests in a row on one connection are answered in order", async () => {
    const one = "GET /hello?name=1 HTTP/1.1\r\nHost: x\r\n\r\n";
    const last = "GET /hello?name=2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert.match(await all(await raw(one + last)), /hello 1.*hello 2/s);
  });

  test("a handler that fails beyond its answer costs its connection, not the server", async () => {
    assert.equal(await get("/throw"), "");
    assert.match(await get("/hello"), /hello/);
  });

  test("the signal of a request is aborted when its client goes away", async () => {
    const socket = await raw("GET /hang HTTP/1.1\r\nHost: x\r\n\r\n");
    await until(socket, /\r\n\r\n/);
    socket.destroy();
    await seen.aborted;
  });

  for (const [what, upgrade, first] of [
    ["101 to who asked for it", "Connection: Upgrade\r\nUpgrade: tcp\r\n", "HTTP/1.1 101 UPGRADED"],
    ["200 to who did not", "", "HTTP/1.1 200 OK"],
  ] as const) {
    test(`a taken connection: ${what}; bytes both ways, half-close`, async () => {
      const socket = await raw(`POST /raw HTTP/1.1\r\nHost: x\r\n${upgrade}Content-Type: application/json\r\nContent-Length: 10\r\n\r\n{"body":1}`);
      const head = await until(socket, /\r\n\r\n/);
      assert.ok(head.startsWith(`${first}\r\n`), head);
      assert.match(head, /\r\nContent-Type: text\/x-raw\r\n/);
      assert.match(head, /\r\nx-ours: 1\r\n/i);
      const bytes = Buffer.alloc(5_000_000, "0123456789");
      socket.end(bytes);
      assert.equal((await all(socket)).length, bytes.length);
    });
  }

  test("input that comes with the request's last byte is not lost", async () => {
    const socket = await raw(`POST /raw HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 10\r\n\r\n{"body":1}EARLY`);
    await until(socket, /EARLY/);
    socket.destroy();
  });

  test("output ends the connection even if the client never ends its input", async () => {
    const socket = await raw("POST /talk HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
    assert.match(await all(socket), /said$/);
  });

  test("a client that leaves a silent process is noticed, one that only sends no more is not", async () => {
    const upgrade = "POST /silent HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
    const listener = await raw(upgrade);
    await until(listener, /\r\n\r\n/);
    listener.end();
    const { silent } = seen;
    const leaver = await raw(upgrade);
    await until(leaver, /\r\n\r\n/);
    leaver.destroy();
    await seen.left;
    silent!.end("still there");
    assert.equal(await all(listener), "still there");
  });

  test("WebSocket: handshake of RFC 6455, bytes, ping, close", async () => {
    const socket = await raw("GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    assert.match(await until(socket, /\r\n\r\n/), /^HTTP\/1.1 101 .*\r\nSec-Websocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\n/s);
    socket.write(Buffer.from([0x82, 0x82, 0, 0, 0, 0, 104, 105]));
    assert.equal(await until(socket, /hi/), "\x82\x02hi");
    socket.write(Buffer.from([0x89, 0x81, 0, 0, 0, 0, 112]));
    assert.equal(await until(socket, /p/), "\x8a\x01p");
    socket.write(Buffer.from([0x88, 0x80, 0, 0, 0, 0]));
    assert.equal(await all(socket), "\x88\x02\x03\xe8");
  });

  test("an upgrade request can be answered by HTTP after all", async () => {
    assert.match(await all(await raw("POST /refuse HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")), /^HTTP\/1.1 404 .*\r\n\r\nno$/s);
    assert.match(await all(await raw('POST /refuse HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 2\r\n\r\n{}')), /^HTTP\/1.1 404 .*\r\n\r\nno$/s);
  });

  test("a server closes although upgrade requests were answered by HTTP, or wait for their answer", async () => {
    const other = openHttpServer({ serve: (call) => (call.path === "/wait" ? new Promise<void>(() => {}) : serve(call)), mayHijack: () => true, log: quiet });
    const where = joinPath(folder, "refusing.sock");
    await other.listen({ kind: "unix", path: where });
    const targets = ["/refuse", "/wait", "/refuse"];
    const clients = targets.map(() => connect({ path: where, allowHalfOpen: true }));
    for (const [i, target] of targets.entries()) {
      const body = i === 2 ? "Content-Length: 2\r\n\r\n{}" : "\r\n";
      clients[i]!.write(`POST ${target} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n${body}`);
    }
    await Promise.all([once(clients[0]!, "data"), once(clients[2]!, "data")]);
    // They leave their ends open: the server has to let go by itself.
    await other.close();
    for (const client of clients) client.destroy();
  });

  test("where no upgrade is possible the header is ignored", async () => {
    const text = "GET /hello HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n\r\n";
    const socket = await raw(text);
    assert.match(await until(socket, /hello/), /^HTTP\/1.1 200 OK/);
    socket.destroy();
  });

  test("bodies of any length pass", async () => {
    const request = httpRequest({ socketPath: path, path: "/echo", method: "POST" });
    let length = 0;
    const answered = once(request, "response");
    for (let i = 0; i < 64; i++) request.write(Buffer.alloc(65_536));
    request.end();
    const [response] = await answered;
    for await (const chunk of response) length += chunk.length;
    assert.equal(length, 64 * 65_536);
  });

  test("close ends idle connections, removes the path and cuts what is still taken over", async () => {
    const other = openHttpServer({ serve, mayHijack: () => true, log: quiet });
    const where = joinPath(folder, "closing.sock");
    await other.listen({ kind: "unix", path: where });
    const taken = connect(where);
    taken.write("POST /raw HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
    await until(taken, /\r\n\r\n/);
    const idle = connect(where);
    await once(idle, "connect");
    const ends = Promise.all([all(taken), all(idle)]);
    await other.close();
    await ends;
    await assert.rejects(lstat(where), { code: "ENOENT" });
  });

  test("a folder that cannot be written to is a failure that says so", async () => {
    const file = joinPath(folder, "plain");
    await writeFile(file, "");
    await chmod(file, 0o600);
    const other = openHttpServer({ serve, mayHijack: () => true, log: quiet });
    await assert.rejects(other.listen({ kind: "unix", path: joinPath(file, "x.sock") }));
  });
});

test("joining with what was closed before ends the other at once", async () => {
  for (const first of ["client", "process"] as const) {
    const ends = { client: new PassThrough(), process: new PassThrough() };
    const closed = once(ends[first], "close");
    ends[first].destroy();
    await closed;
    await join(ends.client, ends.process, { input: false });
    assert.ok(ends.client.destroyed && ends.process.destroyed);
  }
});
