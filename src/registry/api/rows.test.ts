/** Rows RS of the catalogue of how registries have failed, each named by its id. RS-02 and RS-10 are with access and cache. */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { sha256 } from "#base/digest.ts";
import { MEDIA } from "#spec/image.ts";
import type { Access } from "../access/access.ts";
import { imageOf, openTestRegistry, testSettings, type Answer } from "../registry-fixture.ts";
import { isName, isTag, parsePath } from "./path.ts";

const codeOf = (answer: Answer): string => answer.json().errors[0].code;
const manifestType = { "content-type": MEDIA.ociManifest };

/** Whoever says in a header who they are, is; readers of a repository are those its first component names, and "all". */
const byHeader: Access = {
  open: false,
  authorize(call, need) {
    const name = String(call.headers["x-user"] ?? "");
    return need.repository === undefined || byHeader.may(call, { name }, need.repository, "read") ? { kind: "allowed", identity: { name } } : { kind: "denied" };
  },
  may: (_call, { name }, repository) => repository.startsWith(`${name}/`) || repository.startsWith("all/"),
};
const as = (user: string) => ({ headers: { "x-user": user } });

test("RS-01: however many are asked for, a page is bounded", async () => {
  await using registry = await openTestRegistry();
  await registry.pushImage("a/b", "one", Buffer.from("layer"));
  // More tags than a page has, put where the store keeps them.
  const descriptor = Buffer.from(JSON.stringify({ mediaType: MEDIA.ociManifest, digest: sha256("x"), size: 1 }));
  await Promise.all(Array.from({ length: 1010 }, (_, index) => registry.storage.put(`repositories/a/b/_tags/t${index}`, descriptor)));
  const before = process.memoryUsage.rss();
  for (const n of ["-1", "2147483648", "1e18", "999999999999999999999", "NaN", "1e3", "", "0x10", "1001"]) {
    const tags = await registry.ask("GET", `/v2/a/b/tags/list?n=${n}`);
    assert.equal(tags.json().tags.length, 1000, n);
    assert.match(String(tags.headers.link), /n=1000&last=/);
    assert.deepEqual((await registry.ask("GET", `/v2/_catalog?n=${n}`)).json(), { repositories: ["a/b"] });
  }
  assert.ok(process.memoryUsage.rss() - before < 64 * 2 ** 20);
  for (const last of ["../../..", "%2e%2e%2f", "a".repeat(5000), "\u0000"]) {
    assert.equal((await registry.ask("GET", `/v2/a/b/tags/list?last=${encodeURIComponent(last)}`)).status, 200);
  }
});

test("RS-03: a blob is there only for repositories that it was pushed or mounted to", async () => {
  await using registry = await openTestRegistry({ access: byHeader });
  const bytes = Buffer.from("private");
  const digest = sha256(bytes);
  const push = async (repository: string, user: string) => await registry.ask("POST", `/v2/${repository}/blobs/uploads/?digest=${digest}`, { ...as(user), body: bytes });
  assert.equal((await push("ann/secret", "ann")).status, 201);
  for (const method of ["GET", "HEAD"]) assert.equal((await registry.ask(method, `/v2/bob/own/blobs/${digest}`, as("bob"))).status, 404);
  assert.equal((await registry.ask("GET", `/v2/ann/secret/blobs/${digest}`, as("bob"))).status, 403);
  for (const query of [`mount=${digest}&from=ann/secret`, `mount=${digest}`]) {
    const mount = await registry.ask("POST", `/v2/bob/own/blobs/uploads/?${query}`, as("bob"));
    assert.equal(mount.status, 202, query);
    assert.equal((await registry.ask("HEAD", `/v2/bob/own/blobs/${digest}`, as("bob"))).status, 404);
  }
  const named = imageOf(bytes, bytes);
  assert.equal((await registry.ask("PUT", "/v2/bob/own/manifests/1", { body: JSON.stringify(named), headers: { ...manifestType, "x-user": "bob" } })).status, 404, "naming it gives nothing");
  // The bytes stay where they are; that ann's repository has them does not come back with somebody else's push.
  assert.equal((await registry.ask("DELETE", `/v2/ann/secret/blobs/${digest}`, as("ann"))).status, 202);
  assert.equal((await push("bob/own", "bob")).status, 201);
  for (const method of ["GET", "HEAD"]) assert.equal((await registry.ask(method, `/v2/ann/secret/blobs/${digest}`, as("ann"))).status, 404);
  assert.deepEqual((await registry.ask("GET", `/v2/bob/own/blobs/${digest}`, as("bob"))).body, bytes);
});

test("RS-04: where deleting is disabled nothing is deleted; tags of create-only repositories stay what they are", async () => {
  await using registry = await openTestRegistry({ settings: { deletes: false, createOnly: ["fixed/**"] } });
  for (const repository of ["fixed/app", "free/app"]) {
    const digest = await registry.pushImage(repository, "1", Buffer.from("first"));
    const blob = sha256("first");
    for (const path of ["manifests/1", `manifests/${digest}`, `blobs/${blob}`]) {
      const refused = await registry.ask("DELETE", `/v2/${repository}/${path}`);
      assert.deepEqual([refused.status, codeOf(refused)], [405, "UNSUPPORTED"]);
      assert.equal((await registry.ask("HEAD", `/v2/${repository}/${path}`)).status, 200);
    }
  }
  const first = (await registry.ask("HEAD", "/v2/fixed/app/manifests/1")).headers["docker-content-digest"];
  await assert.rejects(registry.pushImage("fixed/app", "1", Buffer.from("second")), /409/);
  assert.equal((await registry.ask("HEAD", "/v2/fixed/app/manifests/1")).headers["docker-content-digest"], first);
  await registry.pushImage("fixed/app", "1", Buffer.from("first"));
  await registry.pushImage("fixed/app", "2", Buffer.from("second"));
  await registry.pushImage("free/app", "1", Buffer.from("second"));
  // Of many who create a tag at once one does.
  const race = await Promise.allSettled(Array.from({ length: 6 }, (_, index) => registry.pushImage("fixed/race", "1", Buffer.from(`racer ${index}`))));
  assert.equal(race.filter(({ status }) => status === "fulfilled").length, 1);
});

test("RS-05: a manifest is taken only whole, unambiguous, of bounded size, and as what it is", async () => {
  await using registry = await openTestRegistry();
  const [config, layer] = [Buffer.from("{}"), Buffer.from("layer")];
  await registry.pushBlob("a", config);
  await registry.pushBlob("a", layer);
  const good = imageOf(config, layer) as Record<string, any>;
  const put = async (document: unknown, { type = MEDIA.ociManifest as string, reference = "1" } = {}) =>
    await registry.ask("PUT", `/v2/a/manifests/${reference}`, { body: typeof document === "string" ? document : JSON.stringify(document), headers: { "content-type": type } });
  const index = { schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests: [{ mediaType: MEDIA.ociManifest, digest: sha256(JSON.stringify(good)), size: 1 }] };
  const cases: [string, () => Promise<Answer>, number, string][] = [
    ["more than 4 MiB", () => put({ ...good, annotations: { a: "x".repeat(4 * 2 ** 20) } }), 413, "SIZE_INVALID"],
    ["another digest", () => put(good, { reference: sha256("other") }), 400, "DIGEST_INVALID"],
    ["a blob that is not here", () => put(imageOf(config, Buffer.from("absent"))), 404, "MANIFEST_BLOB_UNKNOWN"],
    ["a configuration that is not here", () => put(imageOf(Buffer.from("absent"), layer)), 404, "MANIFEST_BLOB_UNKNOWN"],
    ["a manifest that is not here", () => put({ ...index, manifests: [{ ...index.manifests[0], digest: sha256("no") }] }, { type: MEDIA.ociIndex }), 404, "MANIFEST_BLOB_UNKNOWN"],
    ["schema 1", () => put({ schemaVersion: 1, fsLayers: [], history: [] }, { type: "application/vnd.docker.distribution.manifest.v1+prettyjws" }), 400, "MANIFEST_INVALID"],
    ["no manifest's type", () => put({ schemaVersion: 2 }, { type: "text/html" }), 400, "MANIFEST_INVALID"],
    ["equal keys", () => put(JSON.stringify(good).replace("{", '{"schemaVersion":2,')), 400, "MANIFEST_INVALID"],
    ["a digest that climbs", () => put({ ...good, layers: [{ mediaType: MEDIA.ociLayer, digest: "sha256:../../etc", size: 1 }] }), 400, "MANIFEST_INVALID"],
  ];
  for (const [what, ask, status, code] of cases) {
    const answer = await ask();
    assert.deepEqual([answer.status, codeOf(answer)], [status, code], what);
  }
  assert.equal((await registry.ask("GET", "/v2/a/manifests/1")).status, 404, "nothing was tagged");
  assert.equal((await put(good)).status, 201);
  assert.equal((await put(index, { type: MEDIA.ociIndex, reference: "index" })).status, 201);
});

test("IMG-02: the same bytes are not a manifest here and an index there", async () => {
  await using registry = await openTestRegistry();
  const [config, layer] = [Buffer.from("{}"), Buffer.from("layer")];
  const digest = await registry.pushImage("a", "1", layer);
  await registry.pushBlob("a", config);
  const good = imageOf(config, layer);
  const manifests = [{ mediaType: MEDIA.ociManifest, digest, size: 1 }];
  for (const [document, type] of [
    [{ ...good, manifests }, MEDIA.ociManifest],
    [{ ...good, mediaType: undefined, manifests }, MEDIA.ociIndex],
    [{ ...good, mediaType: undefined, manifests }, MEDIA.ociManifest],
    [good, MEDIA.ociIndex],
    [good, MEDIA.dockerManifest],
    [{ schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests }, MEDIA.ociManifest],
    [{ schemaVersion: 2, manifests, layers: [] }, MEDIA.dockerIndex],
  ] as const) {
    const answer = await registry.ask("PUT", "/v2/a/manifests/2", { body: JSON.stringify(document), headers: { "content-type": type } });
    assert.deepEqual([answer.status, codeOf(answer)], [400, "MANIFEST_INVALID"], JSON.stringify(document));
  }
  assert.equal((await registry.ask("GET", "/v2/a/manifests/2")).status, 404);
});

test("RS-06: an upload is its repository's and its user's, without gaps, and is not guessed", async () => {
  await using registry = await openTestRegistry({ access: byHeader });
  const started = await registry.ask("POST", "/v2/all/one/blobs/uploads/", as("ann"));
  const path = started.headers.location!;
  const elsewhere = path.replace("all/one", "all/two");
  for (const [method, place, user] of [["PATCH", path, "bob"], ["PUT", `${path}?digest=${sha256("x")}`, "bob"], ["GET", path, "bob"], ["DELETE", path, "bob"], ["PATCH", elsewhere, "ann"], ["PATCH", path, ""]] as const) {
    const answer = await registry.ask(method, place, { ...as(user), ...(method === "PATCH" && { body: "x" }) });
    assert.deepEqual([answer.status, codeOf(answer)], [404, "BLOB_UPLOAD_UNKNOWN"], `${method} ${place} by ${user}`);
  }
  const flipped = path.slice(0, -1) + (path.endsWith("0") ? "1" : "0");
  for (const other of [flipped, `${path.slice(0, -64)}${"0".repeat(64)}`, `${path}x`, `${path.slice(0, -64)}..`]) {
    assert.equal((await registry.ask("PATCH", other, { ...as("ann"), body: "x" })).status, 404, other);
  }
  const chunk = async (body: string, range: string) => await registry.ask("PATCH", path, { body, headers: { "x-user": "ann", "content-range": range } });
  assert.equal((await chunk("abc", "0-2")).status, 202);
  for (const [body, range] of [["efg", "4-6"], ["cde", "2-4"], ["abc", "0-2"], ["d", "3-5"], ["d", "3-2"], ["d", "-1-0"], ["d", "3-999999999999999999"]] as const) {
    assert.equal((await chunk(body, range)).status, 416, range);
  }
  assert.equal((await registry.ask("GET", path, as("ann"))).headers.range, "0-2");
});

test("RS-06: an upload goes on in another instance, and one that is cut keeps what came", async () => {
  await using first = await openTestRegistry();
  await using second = await openTestRegistry({ root: first.root });
  const bytes = randomBytes(2_500_000);
  const { headers } = await first.ask("POST", "/v2/a/blobs/uploads/");
  assert.equal((await first.ask("PATCH", headers.location!, { body: bytes.subarray(0, 1_000_000) })).status, 202);
  const socket = connect(second.port, "127.0.0.1");
  socket.on("error", () => {});
  socket.write(`PATCH ${headers.location} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1500000\r\n\r\n`);
  socket.write(bytes.subarray(1_000_000, 2_000_000), () => socket.end());
  // The request before is ended by the one that goes on.
  let at = 0;
  for (let round = 0; at !== 2_000_000 && round < 200; round++) {
    const status = await second.ask("GET", headers.location!);
    at = Number(/^0-(\d+)$/.exec(String(status.headers.range))?.[1]) + 1;
  }
  assert.equal(at, 2_000_000);
  const done = await first.ask("PUT", `${headers.location}?digest=${sha256(bytes)}`, { body: bytes.subarray(at) });
  assert.equal(done.status, 201, String(done.body));
  assert.ok((await second.ask("GET", done.headers.location!)).body.equals(bytes));
});

test("RS-06: what repositories hold together is bounded", async () => {
  await using registry = await openTestRegistry({ settings: { quotas: [{ prefix: "small/", bytes: 1000 }] } });
  await registry.pushBlob("small/a", Buffer.alloc(600, 1));
  const more = Buffer.alloc(600, 2);
  const refused = await registry.ask("POST", `/v2/small/b/blobs/uploads/?digest=${sha256(more)}`, { body: more });
  assert.deepEqual([refused.status, codeOf(refused)], [403, "DENIED"]);
  assert.equal((await registry.ask("HEAD", `/v2/small/b/blobs/${sha256(more)}`)).status, 404);
  assert.deepEqual(await Array.fromAsync(registry.storage.uploads("uploads/")), [], "nothing is left behind");
  await registry.pushBlob("small/b", Buffer.alloc(300, 3));
  await registry.pushBlob("large/b", more);
});

test("RS-07: names and paths are read in linear time, and lead nowhere", async () => {
  await using registry = await openTestRegistry();
  const digest = sha256("x");
  const hostile = ["/v2/../../x/blobs/y", "/v2/%2e%2e/%2e%2e/etc/blobs/passwd", `/v2/..%2f..%2fetc/blobs/${digest}`, `/v2/a//b/blobs/${digest}`, `/v2/${"a/".repeat(120)}a-/manifests/1`, `/v2/${"a".repeat(300)}/manifests/1`,
    `/v2/${"a-_".repeat(5000)}/tags/list`, "/v2/a/manifests/..", "/v2/a/manifests/%00", "/v2/A/tags/list", "/v2/a/blobs/sha256:../../../etc/passwd", "/v2/_tags/tags/list", "/v2//tags/list", "/v2/a/_tags/manifests/x",
    `/v2/a/blobs/uploads/${"../".repeat(20)}`, "/v2/catalog", "/v1/search", "/etc/passwd", "//v2/", "/v2/a/b/c"];
  for (const path of hostile) {
    const began = performance.now();
    for (let round = 0; round < 100; round++) parsePath(path);
    assert.ok((performance.now() - began) / 100 < 5, `${path.slice(0, 60)}: milliseconds`);
    const { status } = await registry.ask("GET", path);
    assert.ok(status === 404 || status === 400, `${path.slice(0, 60)}: ${status}`);
  }
  for (const name of ["a", "a/b", "a.b", "a_b", "a__b", "a-b", "a---b", "0/1", "a".repeat(255)]) assert.ok(isName(name), name);
  for (const name of ["", "A", "a.", ".a", "a..b", "a___b", "a_-b", "-a", "a-", "a/", "/a", "a//b", "a b", "ä", "a\n", "a".repeat(256)]) assert.ok(!isName(name), JSON.stringify(name));
  for (const tag of ["a", "A.b-c_d", "_x", "1", "a".repeat(128)]) assert.ok(isTag(tag), tag);
  for (const tag of ["", ".a", "-a", "a:b", "a/b", "a".repeat(129), "ä"]) assert.ok(!isTag(tag), JSON.stringify(tag));
});

test("RS-08: HTTP/1.1 only; what is no request, or never ends, harms nobody else", async () => {
  await using registry = await openTestRegistry();
  const digest = await registry.pushBlob("a", Buffer.from("served"));
  const say = (text: string | Buffer): Promise<string> =>
    new Promise((resolve) => {
      const socket = connect(registry.port, "127.0.0.1", () => socket.write(text));
      let answer = "";
      socket.on("data", (chunk) => (answer += String(chunk))).on("error", () => {}).on("close", () => resolve(answer));
    });
  assert.match(await say("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), /^HTTP\/1\.1 400/);
  assert.match(await say(`GET /v2/ HTTP/1.1\r\nHost: localhost\r\n${"X-A: b\r\n".repeat(10_000)}\r\n`), /^HTTP\/1\.1 431/);
  assert.match(await say(Buffer.alloc(100_000, 0xff)), /^HTTP\/1\.1 400/);
  assert.match(await say(`POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`), /^HTTP\/1\.1 400/);
  const before = process.memoryUsage.rss();
  const silent = Array.from({ length: 200 }, () => connect(registry.port, "127.0.0.1"));
  for (const socket of silent) socket.on("error", () => {}).write("GET /v2/ HTTP/1.1\r\nHost: lo");
  assert.equal(String((await registry.ask("GET", `/v2/a/blobs/${digest}`)).body), "served");
  assert.ok(process.memoryUsage.rss() - before < 64 * 2 ** 20);
  for (const socket of silent) socket.destroy();
});

test("RS-09: pages of a browser change nothing, and do not reach a registry on loopback by a name of theirs", async () => {
  await using registry = await openTestRegistry({ settings: { hosts: ["registry.test"] } });
  const digest = await registry.pushImage("a", "1", Buffer.from("x"));
  for (const [method, path] of [["POST", "/v2/a/blobs/uploads/"], ["PUT", "/v2/a/manifests/1"], ["DELETE", `/v2/a/manifests/${digest}`], ["PATCH", "/v2/a/blobs/uploads/x"]] as const) {
    for (const origin of ["https://evil.test", "null", `http://127.0.0.1:${registry.port}`]) {
      assert.equal((await registry.ask(method, path, { headers: { origin }, body: "" })).status, 403, `${method} from ${origin}`);
    }
  }
  const read = await registry.ask("GET", "/v2/a/manifests/1", { headers: { origin: "https://evil.test" } });
  assert.equal(read.headers["access-control-allow-origin"], undefined);
  for (const host of ["evil.test", `evil.test:${registry.port}`, "127.0.0.1.evil.test", "localhost.evil.test", "[::2]:1"]) {
    assert.equal((await registry.ask("GET", "/v2/", { headers: { host } })).status, 403, host);
  }
  for (const host of ["localhost", "127.0.0.1:1", "[::1]:5", "LOCALHOST:7", "registry.test"]) {
    assert.equal((await registry.ask("GET", "/v2/", { headers: { host } })).status, 200, host);
  }
  await using guarded = await openTestRegistry({ access: byHeader, settings: { ...testSettings, hosts: [] } });
  assert.equal((await guarded.ask("GET", "/v2/", { headers: { host: "any.test" } })).status, 200, "accounts guard it");
});
