/** The workflows of the OCI distribution specification 1.1, in the order in which its conformance suite goes through them. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { sha256 } from "#base/digest.ts";
import { MEDIA } from "#spec/image.ts";
import { imageOf, openTestRegistry, type TestRegistry } from "../registry-fixture.ts";

const registry: TestRegistry = await openTestRegistry();
after(() => registry[Symbol.asyncDispose]());
const { ask, pushBlob, pushManifest } = registry;

const NAME = "org/conformance";
const config = Buffer.from('{"architecture":"amd64","os":"linux"}');
const layer = Buffer.from("a layer's bytes");
const manifest = imageOf(config, layer);
const manifestBytes = Buffer.from(JSON.stringify(manifest));
const octets = { "content-type": "application/octet-stream" };
const codeOf = (answer: { json(): any }): string => answer.json().errors[0].code;

test("the base is there, and says which API it is", async () => {
  for (const path of ["/v2/", "/v2"]) {
    const answer = await ask("GET", path);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers["docker-distribution-api-version"], "registry/2.0");
  }
});

test("pull: what is not there is unknown", async () => {
  const nothing = sha256("nothing");
  for (const method of ["GET", "HEAD"]) {
    for (const path of [`blobs/${nothing}`, `manifests/${nothing}`, "manifests/none", "manifests/.INVALID_MANIFEST_NAME"]) {
      assert.equal((await ask(method, `/v2/${NAME}/${path}`)).status, 404, path);
    }
  }
  assert.equal(codeOf(await ask("GET", `/v2/${NAME}/blobs/${nothing}`)), "BLOB_UNKNOWN");
  assert.equal(codeOf(await ask("GET", `/v2/${NAME}/manifests/none`)), "MANIFEST_UNKNOWN");
});

test("push: a blob by POST and PUT, by POST alone, and streamed", async () => {
  const [one, two, three] = [Buffer.from("one"), Buffer.from("two"), Buffer.from("three")];
  const started = await ask("POST", `/v2/${NAME}/blobs/uploads/`);
  assert.equal(started.status, 202);
  const put = await ask("PUT", `${started.headers.location}?digest=${sha256(one)}`, { body: one, headers: octets });
  assert.equal(put.status, 201);
  assert.deepEqual((await ask("GET", put.headers.location!)).body, one);
  const posted = await ask("POST", `/v2/${NAME}/blobs/uploads/?digest=${sha256(two)}`, { body: two, headers: octets });
  assert.equal(posted.status, 201);
  assert.deepEqual((await ask("GET", posted.headers.location!)).body, two);
  const session = await ask("POST", `/v2/${NAME}/blobs/uploads/`);
  const patched = await ask("PATCH", session.headers.location!, { body: three, headers: octets });
  assert.equal(patched.status, 202);
  assert.equal(patched.headers.range, "0-4");
  const finished = await ask("PUT", `${patched.headers.location}?digest=${sha256(three)}`);
  assert.equal(finished.status, 201);
  const head = await ask("HEAD", finished.headers.location!);
  assert.equal(head.status, 200);
  assert.equal(head.headers["content-length"], "5");
  assert.equal(head.headers["docker-content-digest"], sha256(three));
});

test("push: chunks follow each other without a gap", async () => {
  const bytes = Buffer.from("abcdefghij");
  const early = await ask("POST", `/v2/${NAME}/blobs/uploads/`);
  assert.equal((await ask("PATCH", early.headers.location!, { body: "fghij", headers: { ...octets, "content-range": "5-9" } })).status, 416);
  const started = await ask("POST", `/v2/${NAME}/blobs/uploads/`);
  const first = await ask("PATCH", started.headers.location!, { body: "abcde", headers: { ...octets, "content-range": "0-4" } });
  assert.equal(first.status, 202);
  assert.equal(first.headers.range, "0-4");
  const again = await ask("PATCH", first.headers.location!, { body: "abcde", headers: { ...octets, "content-range": "0-4" } });
  assert.equal(again.status, 416);
  assert.equal(again.headers.range, "0-4");
  const status = await ask("GET", first.headers.location!);
  assert.equal(status.status, 204);
  assert.equal(status.headers.range, "0-4");
  assert.ok(status.headers.location);
  const done = await ask("PUT", `${status.headers.location}?digest=${sha256(bytes)}`, { body: "fghij", headers: { ...octets, "content-range": "5-9" } });
  assert.equal(done.status, 201);
  assert.deepEqual((await ask("GET", done.headers.location!)).body, bytes);
  assert.equal((await ask("GET", status.headers.location!)).status, 404, "the session is over");
});

test("push: an upload can be given up; bytes that are not what was said are not taken", async () => {
  const started = await ask("POST", `/v2/${NAME}/blobs/uploads/`);
  assert.equal((await ask("DELETE", started.headers.location!)).status, 204);
  assert.equal((await ask("PATCH", started.headers.location!, { body: "x" })).status, 404);
  const other = await ask("POST", `/v2/${NAME}/blobs/uploads/`);
  const wrong = await ask("PUT", `${other.headers.location}?digest=${sha256("right")}`, { body: "wrong" });
  assert.equal(wrong.status, 400);
  assert.equal(codeOf(wrong), "DIGEST_INVALID");
  assert.equal((await ask("HEAD", `/v2/${NAME}/blobs/${sha256("right")}`)).status, 404);
  assert.equal((await ask("POST", `/v2/${NAME}/blobs/uploads/?digest=sha256:xyz`, { body: "x" })).status, 400);
  assert.deepEqual(await Array.fromAsync(registry.storage.uploads("uploads/")).then((left) => left.filter(({ size }) => size === 5)), []);
});

test("push: a blob is mounted from another repository, or an upload begins", async () => {
  const digest = await pushBlob("org/source", Buffer.from("shared"));
  const mounted = await ask("POST", `/v2/org/target/blobs/uploads/?mount=${digest}&from=org/source`);
  assert.equal(mounted.status, 201);
  assert.equal(mounted.headers.location, `/v2/org/target/blobs/${digest}`);
  assert.equal(String((await ask("GET", mounted.headers.location!)).body), "shared");
  for (const query of [`mount=${sha256("none")}&from=org/source`, `mount=${digest}&from=org/none`]) {
    const begun = await ask("POST", `/v2/org/third/blobs/uploads/?${query}`);
    assert.equal(begun.status, 202, query);
    assert.match(begun.headers.location!, /^\/v2\/org\/third\/blobs\/uploads\//);
  }
  assert.equal((await ask("POST", `/v2/org/third/blobs/uploads/?mount=${digest}`)).status, 202, "without from");
});

test("push: a manifest by tag and by digest, pulled by both", async () => {
  await pushBlob(NAME, config);
  await pushBlob(NAME, layer);
  const digest = sha256(manifestBytes);
  for (const reference of ["one", "two", "three", "four", digest]) {
    const put = await ask("PUT", `/v2/${NAME}/manifests/${reference}`, { body: manifestBytes, headers: { "content-type": MEDIA.ociManifest } });
    assert.equal(put.status, 201);
    assert.equal(put.headers["docker-content-digest"], digest);
    const got = await ask("GET", `/v2/${NAME}/manifests/${reference}`);
    assert.deepEqual(got.body, manifestBytes);
    assert.equal(got.headers["content-type"], MEDIA.ociManifest);
    const head = await ask("HEAD", `/v2/${NAME}/manifests/${reference}`);
    assert.equal(head.headers["content-length"], String(manifestBytes.length));
    assert.equal(head.headers["docker-content-digest"], digest);
    assert.equal((await ask("GET", `/v2/${NAME}/manifests/${reference}`, { headers: { "if-none-match": head.headers.etag! } })).status, 304);
  }
  const empty = { ...manifest, layers: [] };
  await pushManifest(NAME, "empty", empty);
});

test("pull: ranges of a blob, in memory and on disk", async () => {
  for (const bytes of [Buffer.from("0123456789"), Buffer.alloc(700_000, "0123456789")]) {
    const path = `/v2/${NAME}/blobs/${await pushBlob(NAME, bytes)}`;
    const size = bytes.length;
    for (const [range, start, end] of [["bytes=0-0", 0, 1], ["bytes=2-5", 2, 6], ["bytes=4-", 4, size], ["bytes=-3", size - 3, size], ["bytes=5-99999999", 5, size]] as const) {
      const part = await ask("GET", path, { headers: { range } });
      assert.equal(part.status, 206, range);
      assert.equal(part.headers["content-range"], `bytes ${start}-${end - 1}/${size}`);
      assert.ok(part.body.equals(bytes.subarray(start, end)), range);
    }
    for (const range of [`bytes=${size}-`, "bytes=5-0"]) assert.equal((await ask("GET", path, { headers: { range } })).status, 416, range);
    const several = await ask("GET", path, { headers: { range: "bytes=0-1,3-4" } });
    assert.equal(several.status, 200);
    assert.ok(several.body.equals(bytes));
    assert.equal((await ask("GET", path, { headers: { range: "bytes=0-1", "if-range": '"other"' } })).status, 200);
  }
});

test("discovery: tags in order, by pages", async () => {
  assert.deepEqual((await ask("GET", `/v2/${NAME}/tags/list`)).json(), { name: NAME, tags: ["empty", "four", "one", "three", "two"] });
  const page = await ask("GET", `/v2/${NAME}/tags/list?n=2`);
  assert.deepEqual(page.json().tags, ["empty", "four"]);
  const next = /^<(.*)>; rel="next"$/.exec(String(page.headers.link))![1]!;
  assert.deepEqual((await ask("GET", next)).json().tags, ["one", "three"]);
  const last = await ask("GET", `/v2/${NAME}/tags/list?n=2&last=three`);
  assert.deepEqual(last.json().tags, ["two"]);
  assert.equal(last.headers.link, undefined);
  const none = await ask("GET", `/v2/${NAME}/tags/list?n=0`);
  assert.deepEqual([none.json().tags, none.headers.link], [[], undefined]);
  const unknown = await ask("GET", "/v2/org/unknown/tags/list");
  assert.deepEqual([unknown.status, codeOf(unknown)], [404, "NAME_UNKNOWN"]);
  assert.ok((await ask("GET", "/v2/_catalog")).json().repositories.includes(NAME));
});

test("discovery: referrers, also of what is not there, filtered by their type", async () => {
  const subject = { mediaType: MEDIA.ociManifest, digest: sha256(manifestBytes), size: manifestBytes.length };
  const absent = { ...subject, digest: sha256("absent") };
  const blob = Buffer.from("{}");
  await pushBlob(NAME, blob);
  const refer = async (of: object, more: object): Promise<string> => {
    const document = { ...imageOf(blob, blob), subject: of, ...more };
    const body = Buffer.from(JSON.stringify(document));
    const put = await ask("PUT", `/v2/${NAME}/manifests/${sha256(body)}`, { body, headers: { "content-type": MEDIA.ociManifest } });
    assert.equal(put.status, 201);
    assert.equal(put.headers["oci-subject"], (of as { digest: string }).digest);
    return sha256(body);
  };
  const list = async (digest: string, query = "") => await ask("GET", `/v2/${NAME}/referrers/${digest}${query}`);
  assert.deepEqual((await list(subject.digest)).json().manifests, []);
  const typed = await refer(subject, { artifactType: "application/vnd.test.a", annotations: { key: "a" } });
  const plain = await refer(subject, { annotations: { key: "b" } });
  const index = { schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests: [], subject, artifactType: "application/vnd.test.index", annotations: { key: "c" } };
  const indexed = await pushManifest(NAME, "", index);
  const early = await refer(absent, { artifactType: "application/vnd.test.a" });
  const all = await list(subject.digest);
  assert.equal(all.headers["content-type"], MEDIA.ociIndex);
  const found = all.json().manifests as { digest: string; artifactType: string; annotations: Record<string, string> }[];
  assert.deepEqual(new Map(found.map(({ digest, artifactType, annotations }) => [digest, [artifactType, annotations["key"]]])), new Map([[typed, ["application/vnd.test.a", "a"]], [plain, [MEDIA.ociConfig, "b"]], [indexed, ["application/vnd.test.index", "c"]]]));
  const filtered = await list(subject.digest, "?artifactType=application/vnd.test.a");
  assert.deepEqual(filtered.json().manifests.map(({ digest }: { digest: string }) => digest), [typed]);
  assert.equal(filtered.headers["oci-filters-applied"], "artifactType");
  assert.deepEqual((await list(absent.digest)).json().manifests.map(({ digest }: { digest: string }) => digest), [early]);
  assert.equal((await ask("DELETE", `/v2/${NAME}/manifests/${typed}`)).status, 202);
  assert.equal((await list(subject.digest)).json().manifests.length, 2);
});

test("management: a tag, a manifest with its tags, a blob", async () => {
  const digest = sha256(manifestBytes);
  assert.equal((await ask("DELETE", `/v2/${NAME}/manifests/one`)).status, 202);
  assert.equal((await ask("GET", `/v2/${NAME}/manifests/one`)).status, 404);
  assert.equal((await ask("GET", `/v2/${NAME}/manifests/two`)).status, 200);
  assert.equal((await ask("DELETE", `/v2/${NAME}/manifests/${digest}`)).status, 202);
  for (const reference of ["two", digest]) assert.equal((await ask("GET", `/v2/${NAME}/manifests/${reference}`)).status, 404);
  assert.deepEqual((await ask("GET", `/v2/${NAME}/tags/list`)).json().tags, ["empty"]);
  assert.equal((await ask("DELETE", `/v2/${NAME}/manifests/${digest}`)).status, 404);
  assert.equal((await ask("DELETE", `/v2/${NAME}/blobs/${sha256(layer)}`)).status, 202);
  assert.equal((await ask("GET", `/v2/${NAME}/blobs/${sha256(layer)}`)).status, 404);
  assert.equal((await ask("DELETE", `/v2/${NAME}/blobs/${sha256(layer)}`)).status, 404);
});

test("errors have the form of the specification, and methods that are not there say which are", async () => {
  const answer = await ask("PUT", `/v2/${NAME}/manifests/bad`, { body: "{", headers: { "content-type": MEDIA.ociManifest } });
  assert.equal(answer.status, 400);
  assert.equal(codeOf(answer), "MANIFEST_INVALID");
  assert.equal(typeof answer.json().errors[0].message, "string");
  const method = await ask("POST", `/v2/${NAME}/tags/list`);
  assert.deepEqual([method.status, method.headers.allow], [405, "GET"]);
});
