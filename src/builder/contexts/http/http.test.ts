import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import { gzipSync } from "node:zlib";
import { sha256 } from "#base/digest.ts";
import { tarArchive } from "#base/tar-write.ts";
import type { HttpOp } from "../../graph.ts";
import type { Sources } from "../sources.ts";
import type { StepContext } from "../../solve/solve.ts";
import { pathsOf, sourceContext, testSources, textOf } from "../contexts-fixture.ts";
import { fileNameOf } from "./file-name.ts";

type Asked = { readonly path: string; readonly headers: IncomingMessage["headers"] };

async function server(t: TestContext, answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<{ url: string; asked: Asked[] }> {
  const asked: Asked[] = [];
  const http = createServer((request, response) => {
    asked.push({ path: request.url!, headers: request.headers });
    answer(request, response);
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  t.after(() => (http.closeAllConnections(), http.close()));
  return { url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`, asked };
}

const op = (url: string, more: Partial<HttpOp> = {}): HttpOp => ({ kind: "http", url, filename: "", ...more });
/** As the solver asks. */
const fetcher = ({ httpKey, http }: Sources["performers"]) => async (wish: HttpOp, context: StepContext) => await http(wish, context, await httpKey(wish, context));
const step = (secrets?: Record<string, string>) => sourceContext(secrets) as unknown as StepContext;

test("a download is a tree of one file; what the server says is unchanged is not sent again", async (t) => {
  let content = "one";
  const { url, asked } = await server(t, (request, response) => {
    const etag = `"${content}"`;
    const headers = { etag, "last-modified": "Thu, 02 Jan 2020 03:04:05 GMT", "content-disposition": 'attachment; filename="../../na me.txt"' };
    if (request.headers["if-none-match"] === etag) return void response.writeHead(304, headers).end();
    response.writeHead(200, headers).end(content);
  });
  const { contexts, sources } = await testSources(t);
  const { httpKey } = sources.performers;
  const http = fetcher(sources.performers);
  const build = step();
  const tree = await http(op(url), build);
  assert.deepEqual(tree.entries.map(({ path, mode, mtime }) => [path, mode, mtime]), [["na me.txt", 0o600, 1577934245n * 1_000_000_000n]]);
  const key = await httpKey(op(url), build);
  assert.equal(asked.length, 1, "a build asks once");
  assert.equal(await httpKey(op(url), step()), key);
  assert.equal(asked[1]!.headers["if-none-match"], '"one"');
  content = "two";
  assert.notEqual(await httpKey(op(url), step()), key);
  assert.equal(await textOf(contexts, await http(op(url), step()), "na me.txt"), "two");
  const named = await http(op(url, { filename: "x", mode: 0o755 }), step());
  assert.deepEqual(named.entries.map(({ path, mode }) => [path, mode]), [["x", 0o755]]);
});

test("a checksum is the key, and what came must have it", async (t) => {
  const { url, asked } = await server(t, (_, response) => void response.end("content"));
  const { sources } = await testSources(t);
  const { httpKey } = sources.performers;
  const http = fetcher(sources.performers);
  const good = op(`${url}/f`, { checksum: sha256("content") });
  assert.ok(await httpKey(good, step()));
  assert.equal(asked.length, 0);
  assert.deepEqual(pathsOf(await http(good, step())), ["f"]);
  await http(good, step());
  assert.equal(asked.length, 1, "what has the digest is here");
  await assert.rejects(http(op(`${url}/f`, { checksum: sha256("other") }), step()), { kind: "invalid", message: `digest mismatch for ${url}/f: ${sha256("content")} (expected: ${sha256("other")})` });
  for (const [algorithm, length] of [["sha512", 128], ["sha384", 96]] as const) {
    const checksum = `${algorithm}:${hash(algorithm, "content")}`;
    assert.deepEqual(pathsOf(await http(op(`${url}/f`, { checksum }), step())), ["f"], algorithm);
    const wrong = `${algorithm}:${"0".repeat(length)}`;
    await assert.rejects(http(op(`${url}/f`, { checksum: wrong }), step()), { kind: "invalid", message: `digest mismatch for ${url}/f: ${checksum} (expected: ${wrong})` });
  }
});

test("credentials go to the origin they are for, and to nobody after a redirect", async (t) => {
  const away = await server(t, (request, response) => void (request.url === "/back" ? response.writeHead(302, { location: `${home.url}/end` }).end() : response.end("away")));
  const home = await server(t, (request, response) => {
    const to: Record<string, string> = { "/near": "/end", "/far": `${away.url}/x`, "/there-and-back": `${away.url}/back`, "/loop": "/loop", "/file": "file:///etc/passwd" };
    if (to[request.url!] !== undefined) return void response.writeHead(307, { location: to[request.url!] }).end();
    response.end(request.headers.authorization ?? "nobody");
  });
  const { contexts, sources } = await testSources(t);
  const http = fetcher(sources.performers);
  const said = async (url: string, secrets?: Record<string, string>) => {
    const tree = await http(op(url, { filename: "f" }), step(secrets));
    return await textOf(contexts, tree, "f");
  };
  const basic = `Basic ${Buffer.from("me:p@w").toString("base64")}`;
  const mine = home.url.replace("http://", "http://me:p%40w@");
  assert.equal(await said(`${mine}/near`), basic);
  assert.equal(await said(`${mine}/there-and-back`), "nobody");
  assert.equal(await said(`${home.url}/near?1`, { [`HTTP_AUTH_TOKEN_${new URL(home.url).host}`]: "token\n" }), "Bearer token");
  assert.equal(await said(`${mine}/far`), "away");
  assert.deepEqual(away.asked.filter(({ headers }) => headers.authorization !== undefined), []);
  await assert.rejects(said(`${mine}/loop`), (error: Error) => /10 redirects/.test(error.message) && !error.message.includes("p%40w"));
  await assert.rejects(said(`${home.url}/file`), { kind: "invalid" });
});

test("answers that are none are said as such", async (t) => {
  const { url } = await server(t, (request, response) => void response.writeHead(Number(request.url!.slice(1))).end("x"));
  const { sources } = await testSources(t);
  await assert.rejects(fetcher(sources.performers)(op(`${url}/404`), step()), { kind: "not-found", message: /invalid response status 404/ });
  await assert.rejects(fetcher(sources.performers)(op(`${url}/500`), step()), { kind: "unavailable", message: /invalid response status 500/ });
  await assert.rejects(fetcher(sources.performers)(op("ftp://127.0.0.1/x"), step()), { kind: "invalid" });
});

test("a URL as a context: an archive is unpacked, anything else is a Dockerfile", async (t) => {
  const archive = tarArchive([{ name: "Dockerfile", type: "file", data: "FROM scratch" }, { name: "a/b", type: "file", data: "1" }]);
  const files: Record<string, Buffer> = { "/plain.tar": archive, "/c.tgz": gzipSync(archive), "/Dockerfile.txt": Buffer.from("FROM scratch\n") };
  const { url } = await server(t, (request, response) => void response.end(files[request.url!]));
  const { contexts, sources } = await testSources(t);
  const options = sourceContext();
  for (const name of ["/plain.tar", "/c.tgz"]) {
    const { tree, op: found } = await sources.openRemote(url + name, options);
    assert.deepEqual(pathsOf(tree), ["Dockerfile", "a", "a/b"]);
    assert.equal(found?.kind, "http");
  }
  const alone = await sources.openRemote(`${url}/Dockerfile.txt`, options);
  assert.deepEqual([alone.dockerfile, alone.op], ["Dockerfile", undefined]);
  assert.equal(await textOf(contexts, alone.tree, "Dockerfile"), "FROM scratch\n");
  await assert.rejects(sources.openRemote("/etc/passwd", options), { kind: "invalid" });
});

test("what a download is called", () => {
  const cases: readonly [url: string, asked: string, disposition: string | undefined, name: string][] = [
    ["http://h/a/b.txt", "", undefined, "b.txt"],
    ["http://h/a/b%20c.txt?x=/y", "", undefined, "b c.txt"],
    ["http://h/", "", undefined, "download"],
    ["http://h/..", "", undefined, "download"],
    ["http://h/%2e%2e%2fx", "", undefined, "x"],
    ["http://h/a", "given", 'attachment; filename="b"', "given"],
    ["http://h/a", "", "attachment; filename=b.txt; x=y", "b.txt"],
    ["http://h/a", "", 'attachment; filename="/etc/passwd"', "passwd"],
    ["http://h/a", "", 'attachment; filename=".."', "a"],
  ];
  for (const [url, asked, disposition, name] of cases) assert.equal(fileNameOf(new URL(url), asked, disposition), name, url);
});
