/** The workflows of the specification 1.1 again, by the forms that content has: each is pushed, listed, looked at, pulled and deleted. */
import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { after, test } from "node:test";
import { sha256 } from "#base/digest.ts";
import type { Digest } from "#spec/digest.ts";
import { MEDIA } from "#spec/image.ts";
import { imageOf, openTestRegistry, type Answer } from "../registry-fixture.ts";

const registry = await openTestRegistry();
after(() => registry[Symbol.asyncDispose]());
const { ask, pushBlob, pushManifest } = registry;

const NAME = "org/forms";
const octets = { "content-type": "application/octet-stream" };
const config = Buffer.from('{"architecture":"amd64","os":"linux"}');
const layer = Buffer.from("bytes of a layer");
const empty = Buffer.from("{}");
const emptyJson = { mediaType: "application/vnd.oci.empty.v1+json", digest: sha256(empty), size: empty.length };
const indexOf = (of: readonly (readonly [Digest, number])[], more: object = {}) => ({ schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests: of.map(([digest, size]) => ({ mediaType: MEDIA.ociManifest, digest, size })), ...more });

type Document = { readonly mediaType: string };

/** Through all workflows, by tag and by digest. */
async function goThrough(tag: string, document: object): Promise<void> {
  const bytes = Buffer.from(JSON.stringify(document));
  const { mediaType } = document as Document;
  const digest = sha256(bytes);
  for (const reference of [digest, tag]) {
    const put = await ask("PUT", `/v2/${NAME}/manifests/${reference}`, { body: bytes, headers: { "content-type": mediaType } });
    assert.equal(put.status, 201, `${tag}: ${put.body}`);
    assert.equal(put.headers["docker-content-digest"], digest);
    for (const [method, path] of [["GET", put.headers.location!], ["GET", `/v2/${NAME}/manifests/${reference}`], ["HEAD", `/v2/${NAME}/manifests/${reference}`]] as const) {
      const got = await ask(method, path);
      assert.deepEqual([got.status, got.headers["content-type"], got.headers["content-length"]], [200, mediaType, String(bytes.length)], `${tag}: ${method} ${path}`);
      assert.ok(got.body.equals(method === "GET" ? bytes : Buffer.alloc(0)));
    }
  }
  assert.ok((await ask("GET", `/v2/${NAME}/tags/list`)).json().tags.includes(tag));
  for (const reference of [tag, digest]) {
    assert.equal((await ask("DELETE", `/v2/${NAME}/manifests/${reference}`)).status, 202);
    assert.equal((await ask("HEAD", `/v2/${NAME}/manifests/${reference}`)).status, 404);
  }
}

test("manifests of every form are taken as they are", async () => {
  await Promise.all([config, layer, empty].map((bytes) => pushBlob(NAME, bytes)));
  const image = imageOf(config, layer) as { layers: object[]; config: object };
  const elsewhere = (type: string) => ({ mediaType: `application/vnd.oci.image.layer.nondistributable.v1.${type}`, digest: sha256(type), size: 1234, urls: ["https://layers.example/1"] });
  const inner = indexOf([]);
  const innerDigest = await pushManifest(NAME, "", inner);
  const forms: Readonly<Record<string, object>> = {
    large: { ...image, annotations: Object.fromEntries(Array.from({ length: 390 }, (_, at) => [`note-${at}`, "A".repeat(10_000)])) },
    "no-layers": { ...image, layers: [] },
    elsewhere: { ...image, layers: [elsewhere("tar+gzip"), elsewhere("tar"), ...image.layers] },
    data: { ...image, config: { ...image.config, data: config.toString("base64") } },
    fields: { ...image, "org.example.field": "unknown", nested: { a: [1, null] } },
    artifact: { ...image, artifactType: "application/vnd.example", config: emptyJson, layers: [{ ...emptyJson, mediaType: "application/vnd.example" }] },
    "no-content": { ...image, artifactType: "application/vnd.example", config: emptyJson, layers: [emptyJson] },
    "empty-index": indexOf([], { annotations: { of: "nothing" } }),
    nested: { ...indexOf([]), manifests: [{ mediaType: MEDIA.ociIndex, digest: innerDigest, size: JSON.stringify(inner).length }] },
    "artifact-index": indexOf([], { artifactType: "application/vnd.example", fields: [] }),
  };
  for (const [tag, document] of Object.entries(forms)) await goThrough(tag, document);
});

const sha512 = (bytes: Buffer): string => `sha512:${hash("sha512", bytes)}`;

test("blobs of no bytes and of two, by every way of pushing and every algorithm", async () => {
  for (const [bytes, digest] of [Buffer.alloc(0), empty].flatMap((one) => [[one, sha256(one)], [one, sha512(one)]] as const)) {
    const started = async () => (await ask("POST", `/v2/${NAME}/blobs/uploads/`)).headers.location!;
    const ways: Readonly<Record<string, () => Promise<Answer>>> = {
      "POST alone": () => ask("POST", `/v2/${NAME}/blobs/uploads/?digest=${digest}`, { body: bytes, headers: octets }),
      "POST and PUT": async () => await ask("PUT", `${await started()}?digest=${digest}`, { body: bytes, headers: octets }),
      streamed: async () => await ask("PUT", `${(await ask("PATCH", await started(), { body: bytes, headers: octets })).headers.location}?digest=${digest}`),
    };
    for (const [way, push] of Object.entries(ways)) {
      const pushed = await push();
      assert.deepEqual([pushed.status, pushed.headers["docker-content-digest"]], [201, digest], way);
      const got = await ask("GET", pushed.headers.location!);
      assert.deepEqual([got.status, got.headers["content-length"], got.body], [200, String(bytes.length), bytes], way);
      assert.equal((await ask("HEAD", pushed.headers.location!)).headers["content-length"], String(bytes.length));
      assert.equal((await ask("DELETE", pushed.headers.location!)).status, 202);
      assert.equal((await ask("HEAD", pushed.headers.location!)).status, 404);
    }
  }
});

test("chunks out of order, also the last one, are refused, and the upload goes on from what its status says", async () => {
  const bytes = Buffer.alloc(3 * 1024 - 5, "0123456789");
  const digest = sha256(bytes);
  for (const lastByPut of [false, true]) {
    let location = (await ask("POST", `/v2/${NAME}/blobs/uploads/`)).headers.location!;
    for (let start = 0; start < bytes.length; start += 1024) {
      const send = (from: number) => {
        const chunk = bytes.subarray(from, from + 1024);
        const put = lastByPut && from + chunk.length === bytes.length;
        return ask(put ? "PUT" : "PATCH", `${location}${put ? `?digest=${digest}` : ""}`, { body: chunk, headers: { ...octets, "content-range": `${from}-${from + chunk.length - 1}` } });
      };
      assert.equal((await send(start + 1024 < bytes.length ? start + 1024 : 0)).status, 416);
      const status = await ask("GET", location);
      assert.deepEqual([status.status, status.headers.range], [204, `0-${Math.max(0, start - 1)}`]);
      location = status.headers.location!;
      const taken = await send(start);
      assert.equal(taken.status, lastByPut && start + 1024 >= bytes.length ? 201 : 202);
      location = taken.headers.location!;
    }
    if (!lastByPut) location = (await ask("PUT", `${location}?digest=${digest}`, { headers: octets })).headers.location!;
    const got = await ask("GET", location);
    assert.ok(got.status === 200 && got.body.equals(bytes));
  }
});

test("what is not what its digest says is refused, whichever way it comes", async () => {
  const digest = sha256("what was meant");
  const bytes = Buffer.from("what was sent");
  const begin = async () => (await ask("POST", `/v2/${NAME}/blobs/uploads/`)).headers.location!;
  const chunk = async (headers = {}) => (await ask("PATCH", await begin(), { body: bytes, headers: { ...octets, ...headers } })).headers.location!;
  const answers = [
    await ask("POST", `/v2/${NAME}/blobs/uploads/?digest=${digest}`, { body: bytes, headers: octets }),
    await ask("PUT", `${await begin()}?digest=${digest}`, { body: bytes, headers: octets }),
    await ask("PUT", `${await chunk()}?digest=${digest}`),
    await ask("PUT", `${await chunk({ "content-range": `0-${bytes.length - 1}` })}?digest=${digest}`),
    await ask("PUT", `/v2/${NAME}/manifests/${digest}`, { body: JSON.stringify(indexOf([])), headers: { "content-type": MEDIA.ociIndex } }),
    await ask("PUT", `/v2/${NAME}/manifests/sha256:totallywrong`, { body: JSON.stringify(indexOf([])), headers: { "content-type": MEDIA.ociIndex } }),
  ];
  for (const answer of answers) assert.deepEqual([answer.status, answer.json().errors[0].code], [400, "DIGEST_INVALID"]);
  for (const path of [`blobs/${digest}`, `manifests/${digest}`]) assert.equal((await ask("HEAD", `/v2/${NAME}/${path}`)).status, 404);
  assert.ok([400, 404].includes((await ask("GET", `/v2/${NAME}/manifests/sha256:totallywrong`)).status));
});

test("a mount of what is not there begins an upload that can be used", async () => {
  const begun = await ask("POST", `/v2/${NAME}/blobs/uploads/?mount=${sha256(layer)}&from=org/nowhere`);
  assert.equal(begun.status, 202);
  assert.equal((await ask("PUT", `${begun.headers.location}?digest=${sha256(layer)}`, { body: layer, headers: octets })).status, 201);
});

test("SHA-512: an index of images whose parts are all named by it, and what refers to it", async () => {
  const descriptor = (mediaType: string, bytes: Buffer) => ({ mediaType, digest: sha512(bytes), size: bytes.length });
  const put = async (document: Document): Promise<Buffer> => {
    const bytes = Buffer.from(JSON.stringify(document));
    const answer = await ask("PUT", `/v2/${NAME}/manifests/${sha512(bytes)}`, { body: bytes, headers: { "content-type": document.mediaType } });
    assert.deepEqual([answer.status, answer.headers["docker-content-digest"]], [201, sha512(bytes)], String(answer.body));
    const got = await ask("GET", answer.headers.location!);
    assert.ok(got.status === 200 && got.body.equals(bytes));
    return bytes;
  };
  const image = { schemaVersion: 2, mediaType: MEDIA.ociManifest, config: descriptor(MEDIA.ociConfig, config), layers: [descriptor(MEDIA.ociLayer, layer)] };
  const body = JSON.stringify(image);
  const early = await ask("PUT", `/v2/${NAME}/manifests/${sha512(Buffer.from(body))}`, { body, headers: { "content-type": MEDIA.ociManifest } });
  assert.deepEqual([early.status, early.json().errors[0].code], [404, "MANIFEST_BLOB_UNKNOWN"], "the same bytes by SHA-256 are another blob");
  for (const bytes of [config, layer]) assert.equal((await ask("POST", `/v2/${NAME}/blobs/uploads/?digest=${sha512(bytes)}`, { body: bytes })).status, 201);
  const inner = descriptor(MEDIA.ociManifest, await put(image));
  const index = descriptor(MEDIA.ociIndex, await put({ ...indexOf([]), manifests: [inner] } as Document));
  const referrer = await put({ ...indexOf([]), subject: index, artifactType: "application/vnd.example" } as Document);
  const { manifests } = (await ask("GET", `/v2/${NAME}/referrers/${index.digest}`)).json();
  assert.deepEqual(manifests.map(({ digest }: { digest: string }) => digest), [sha512(referrer)]);
  const wrong = await ask("PUT", `/v2/${NAME}/manifests/${inner.digest}`, { body: JSON.stringify(indexOf([])), headers: { "content-type": MEDIA.ociIndex } });
  assert.deepEqual([wrong.status, wrong.json().errors[0].code], [400, "DIGEST_INVALID"]);
  for (const { digest } of [index, inner]) assert.equal((await ask("DELETE", `/v2/${NAME}/manifests/${digest}`)).status, 202);
  assert.equal((await ask("HEAD", `/v2/${NAME}/manifests/${inner.digest}`)).status, 404);
});
