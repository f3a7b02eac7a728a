/** The way from a socket to a handler and back, with small handlers on a real server. */
import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fail, type Kind } from "#base/errors.ts";
import { type HttpServer, openHttpServer } from "#base/http.ts";
import { openLog } from "#base/log.ts";
import { type ApiRoute, created, empty, ok } from "./answer.ts";
import { bytesOf, jsonBody, requiredJsonBody } from "./body.ts";
import { laterRoutes } from "./later.ts";
import { serving } from "./serve.ts";
import { sendBytes, sendProgress } from "./streaming.ts";

const KINDS: readonly (readonly [Kind, number])[] = [
  ["invalid", 400], ["unauthorized", 401], ["forbidden", 403], ["not-found", 404], ["conflict", 409], ["already-exists", 409],
  ["not-modified", 304], ["not-implemented", 501], ["unavailable", 503], ["exhausted", 500], ["internal", 500],
];

async function* messages(count: number, error?: Error): AsyncIterable<object> {
  for (let i = 0; i < count; i++) yield { status: String(i) };
  if (error !== undefined) throw error;
}

async function* bytes(error?: Error): AsyncIterable<Uint8Array> {
  for (let i = 0; i < 8; i++) yield Buffer.alloc(1_000_000, 97);
  if (error !== undefined) throw error;
}

const uploads = new EventEmitter();

/** What comes of its failure is in the log when it is told. */
async function upload(body: AsyncIterable<Buffer>): Promise<void> {
  try {
    for await (const _ of body) uploads.emit("begun");
  } catch (error) {
    setImmediate(() => uploads.emit("broken", error));
    throw error;
  }
}

const routes: ApiRoute[] = [
  ...laterRoutes(),
  { method: "GET", path: "/test/version", run: ({ version, params }) => ok({ version, params }) },
  { method: "GET", path: "/test/since", since: 41, run: () => ok(1) },
  { method: "GET", path: "/test/fail/{kind}", run: ({ params }) => { throw fail(params["kind"] as Kind, "what: why"); } },
  { method: "GET", path: "/test/bug", run: () => { throw new TypeError("x is not a function"); } },
  { method: "GET", path: "/test/empty", run: () => empty() },
  { method: "HEAD", path: "/test/empty", run: () => empty(200) },
  { method: "POST", path: "/test/json", run: async (call) => created({ got: (await jsonBody(call)) ?? "nothing" }) },
  { method: "POST", path: "/test/required", run: async (call) => created(await requiredJsonBody(call)) },
  { method: "POST", path: "/test/upload", run: async (call) => { await upload(bytesOf(call.request)); return empty(); } },
  { method: "GET", path: "/test/progress", run: (call) => sendProgress(call, messages(2)) },
  { method: "GET", path: "/test/progress/fails-at-once", run: (call) => sendProgress(call, messages(0, fail("not-found", "no such thing"))) },
  { method: "GET", path: "/test/progress/fails-later", run: (call) => sendProgress(call, messages(1, fail("invalid", "broke"))) },
  { method: "GET", path: "/test/bytes", run: (call) => sendBytes(call, "application/x-tar", bytes()) },
  { method: "GET", path: "/test/bytes/broken", run: (call) => sendBytes(call, "application/x-tar", bytes(new Error("disk"))) },
];

describe("serve", () => {
  let folder: string;
  let socketPath: string;
  let server: HttpServer;
  let log = "";

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "gantry-api-"));
    socketPath = join(folder, "api.sock");
    const lines = openLog({ write: (line) => (log += line) });
    const { serve, mayHijack } = serving({ routes, version: "1.2.3", log: lines });
    server = openHttpServer({ serve, mayHijack, log: lines });
    await server.listen({ kind: "unix", path: socketPath });
  });
  after(async () => {
    await server.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function ask(line: string, body?: string | Buffer, headers: Record<string, string> = body === undefined ? {} : { "Content-Type": "application/json" }) {
    const [method, path] = line.split(" ") as [string, string];
    const request = httpRequest({ socketPath, method, path, headers, agent: false });
    request.end(body);
    const [response] = (await once(request, "response")) as [IncomingMessage];
    const chunks: Buffer[] = [];
    let cut = false;
    try {
      for await (const chunk of response) chunks.push(chunk as Buffer);
    } catch {
      cut = true;
    }
    const text = Buffer.concat(chunks).toString();
    return { status: response.statusCode, headers: response.headers, text, cut, message: () => JSON.parse(text).message as string };
  }

  test("every answer says what engine this is", async () => {
    for (const line of ["GET /test/version", "GET /nowhere", "GET /test/fail/internal", "OPTIONS /anything", "GET /v1.10/test/version"]) {
      const { headers } = await ask(line);
      assert.equal(headers["api-version"], "1.56", line);
      assert.equal(headers["docker-experimental"], "false", line);
      assert.equal(headers["ostype"], "linux", line);
      assert.equal(headers["server"], "Docker/1.2.3 (linux)", line);
    }
  });

  test("docker-compose 1 is answered in the version that it knows, whatever it asks for", async () => {
    const agent = { "User-Agent": "docker-compose/1.29.2 docker-py/5.0.3 Linux/6.1" };
    assert.equal(JSON.parse((await ask("GET /v1.56/test/version", undefined, agent)).text).version, 41);
    assert.equal(JSON.parse((await ask("GET /v1.30/test/version", undefined, agent)).text).version, 30);
    assert.equal(JSON.parse((await ask("GET /v1.56/test/version", undefined, { "User-Agent": "docker-compose/5.5.1" })).text).version, 56);
  });

  for (const [line, status, text] of [
    ["GET /test/version", 200, '{"version":56,"params":{}}\n'],
    ["GET /v1.24/test/version", 200, '{"version":24,"params":{}}\n'],
    ["GET /v1.41/test/version?x=1", 200, '{"version":41,"params":{}}\n'],
    ["GET /test/version/", 200, '{"version":56,"params":{}}\n'],
    ["GET /v1.23/test/version", 400, '{"message":"client version 1.23 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version"}\n'],
    ["GET /v1.57/test/version", 400, '{"message":"client version 1.57 is too new. Maximum supported API version is 1.56"}\n'],
    ["GET /v1.57/nowhere", 404, '{"message":"page not found"}\n'],
    ["GET /nowhere", 404, '{"message":"page not found"}\n'],
    ["POST /test/version", 404, '{"message":"page not found"}\n'],
    ["GET /v1.41", 404, '{"message":"page not found"}\n'],
    ["GET /", 404, '{"message":"page not found"}\n'],
    ["OPTIONS /test/version", 200, ""],
    ["GET /v1.41/test/since", 200, "1\n"],
    ["GET /v1.40/test/since", 400, '{"message":"GET /test/since requires API version 1.41, but the client asked for 1.40"}\n'],
    ["GET /test/empty", 204, ""],
    ["HEAD /test/empty", 200, ""],
    ["HEAD /test/version", 404, ""],
    ["GET /test/bug", 500, '{"message":"x is not a function"}\n'],
    ["GET /%2e%2e/%00", 404, '{"message":"page not found"}\n'],
  ] as const) {
    test(`${line} is ${status}`, async () => {
      const answer = await ask(line);
      assert.equal(answer.status, status);
      assert.equal(answer.text, text);
    });
  }

  for (const [kind, status] of KINDS) {
    test(`a failure that is ${kind} is ${status}`, async () => {
      const answer = await ask(`GET /test/fail/${kind}`);
      assert.equal(answer.status, status);
      assert.equal(answer.text, status === 304 ? "" : '{"message":"what: why"}\n');
    });
  }

  test("an upload that is broken off is nobody's fault", async () => {
    log = "";
    const socket = connect(socketPath, () => socket.write("POST /test/upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"));
    await once(uploads, "begun");
    socket.destroy();
    const [error] = (await once(uploads, "broken")) as [Error];
    assert.equal(error.message, "aborted");
    assert.equal(log, "");
  });

  test("what is our fault is in the log with where it happened; what is the client's is not", async () => {
    log = "";
    await ask("GET /test/bug");
    assert.match(log, /level=error.*not a function.*stack=/);
    log = "";
    await ask("GET /test/fail/not-found");
    assert.equal(log, "");
  });

  const json = { "Content-Type": "application/json" };
  for (const [what, body, headers, status, text] of [
    ["an object", '{"a":1}', json, 201, '{"got":{"a":1}}\n'],
    ["a charset beside the type", "[1]", { "Content-Type": "Application/JSON; charset=utf-8" }, 201, '{"got":[1]}\n'],
    ["nothing", undefined, {}, 201, '{"got":"nothing"}\n'],
    ["nothing, with a type", "", json, 201, '{"got":"nothing"}\n'],
    ["no type", "{}", {}, 400, "{\"message\":\"unsupported Content-Type header (): must be 'application/json'\"}\n"],
    ["another type", "{}", { "Content-Type": "text/plain" }, 400, "{\"message\":\"unsupported Content-Type header (text/plain): must be 'application/json'\"}\n"],
    ["two documents", "{} {}", json, 400, '{"message":"unexpected content after JSON"}\n'],
    ["half a document", '{"a":', json, 400, '{"message":"invalid JSON: unexpected end"}\n'],
    ["a key given twice", '{"a":1,"a":2}', json, 400, '{"message":"invalid JSON: duplicate key \\"a\\" at character 10"}\n'],
    ["an integer beyond 2^53", '{"a":9007199254740993}', json, 400, '{"message":"invalid JSON: number 9007199254740993 is beyond 2^53"}\n'],
    ["a document nested too deeply", "[".repeat(100), json, 400, '{"message":"invalid JSON: nested deeper than 64 at character 65"}\n'],
  ] as const) {
    test(`a JSON body: ${what}`, async () => {
      const answer = await ask("POST /test/json", body, headers);
      assert.equal(answer.text, text);
      assert.equal(answer.status, status);
    });
  }

  test("a client that sends far too much hears why, when it has sent it", async () => {
    const socket = connect(socketPath);
    const answer = (async () => {
      let text = "";
      for await (const chunk of socket) text += chunk;
      return text;
    })();
    const body = Buffer.alloc(40 * 1024 * 1024, 32);
    socket.write(`POST /test/json HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`);
    await new Promise<void>((resolve, reject) => socket.write(body, (error) => (error ? reject(error) : resolve())));
    assert.match(await answer, /^HTTP\/1.1 400 .*request body is larger than 4194304 bytes/s);
  });

  test("a body where one is needed", async () => {
    assert.equal((await ask("POST /test/required")).message(), "invalid JSON: got EOF while reading request body");
  });

  test("a refused body does not become the next request of its connection", async () => {
    const socket = connect(socketPath);
    const smuggled = "GET /test/version?smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    const last = "GET /test/empty HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    socket.write(`POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}${last}`);
    let text = "";
    for await (const chunk of socket) text += chunk;
    assert.deepEqual(text.match(/HTTP\/1.1 \d+/g), ["HTTP/1.1 404", "HTTP/1.1 204"]);
  });

  test("progress is a line a message", async () => {
    const answer = await ask("GET /test/progress");
    assert.equal(answer.headers["content-type"], "application/json");
    assert.equal(answer.text, '{"status":"0"}\r\n{"status":"1"}\r\n');
  });
  test("progress that fails at once is an HTTP error", async () => {
    const answer = await ask("GET /test/progress/fails-at-once");
    assert.equal(answer.status, 404);
    assert.equal(answer.message(), "no such thing");
  });
  test("progress that fails later says so in its last line", async () => {
    const answer = await ask("GET /test/progress/fails-later");
    assert.equal(answer.status, 200);
    assert.equal(answer.text, '{"status":"0"}\r\n{"errorDetail":{"message":"broke"},"error":"broke"}\r\n');
  });

  test("bytes that end well end well, and bytes that break off are cut", async () => {
    const whole = await ask("GET /test/bytes");
    assert.equal(whole.cut, false);
    assert.equal(whole.text.length, 8_000_000);
    assert.equal((await ask("GET /test/bytes/broken")).cut, true);
  });

  test("what comes later is 501 with a sentence, swarm 503, and neither is 404", async () => {
    const swarm = 'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.';
    for (const [line, status, message] of [
      ["POST /containers/x/checkpoints", 501, /./],
      ["GET /swarm", 503, swarm],
      ["GET /nodes", 503, swarm],
      ["GET /services/x/logs", 503, swarm],
      ["POST /secrets/create", 503, swarm],
      ["POST /swarm/init", 503, /./],
      ["POST /swarm/leave", 503, "This node is not part of a swarm"],
      ["GET /plugins/x/json", 404, /not found/],
    ] as const) {
      const answer = await ask(line);
      assert.equal(answer.status, status, line);
      if (typeof message === "string") assert.equal(answer.message(), message);
      else assert.match(answer.message(), message);
    }
    assert.equal((await ask("GET /plugins")).text, "[]\n");
  });

  test("web pages are refused over TCP", async () => {
    const name = await server.listen({ kind: "tcp", host: "127.0.0.1", port: 0, insecure: true });
    const url = `${name.replace("tcp:", "http:")}/test/version`;
    assert.equal((await fetch(url, { headers: { Origin: "http://evil.example" } })).status, 403);
    assert.equal((await fetch(url)).status, 200);
  });
});
