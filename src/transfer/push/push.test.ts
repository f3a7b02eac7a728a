import assert from "node:assert/strict";
import { test } from "node:test";
import { sha256 } from "#base/digest.ts";
import { type Descriptor, MEDIA } from "#spec/image.ts";
import { noise, openTestRegistry, putImage, putIndex, putManifest, type TestRegistry } from "../registry-fixture.ts";
import { failure, never, testTransfer, type TestTransfer } from "../transfer-fixture.ts";
import type { PushEvent, PushOptions } from "../transfer.ts";

const layers = [noise(3_000_000, 1), noise(1_000_000, 2)];
const linux = (architecture: string) => ({ os: "linux", architecture });

/** An image of the source registry, fetched; and where it is to go. */
async function fetched(t: Parameters<typeof testTransfer>[0], settings = {}): Promise<TestTransfer & { source: TestRegistry; target: TestRegistry; image: Descriptor & { layers: Descriptor[] }; push: (tag: string, options?: Partial<PushOptions>) => Promise<{ events: PushEvent[]; pushed: Descriptor }> }> {
  const [source, target] = [await openTestRegistry(t), await openTestRegistry(t)];
  const made = await testTransfer(t, settings);
  const image = putImage(source, "a", "1", { layers });
  await made.pull(made.open(source.host, "a"), "1");
  return {
    ...made, source, target, image,
    async push(tag, options = {}) {
      const events: PushEvent[] = [];
      const pushed = await made.transfer.push(made.open(target.host, "b"), image, { tag, platforms: "all", signal: never(), progress: (event) => void events.push(event), ...options });
      return { events, pushed };
    },
  };
}

const sent = ({ requests }: TestRegistry) => requests.filter(({ method }) => method === "PUT" || method === "PATCH");

test("an image is pushed: its blobs once, in one request each, its manifest last, with the same digests", async (t) => {
  const { push, target, image } = await fetched(t);
  const { events, pushed } = await push("1");
  assert.equal(pushed.digest, image.digest);
  assert.equal(sha256(target.manifests.get("b:1")!.bytes), image.digest);
  for (const [index, layer] of image.layers.entries()) assert.ok(target.blobs.get(layer.digest)!.equals(layers[index]!));
  assert.deepEqual(sent(target).map(({ method, path }) => `${method} ${path.split("/")[3]}`), ["PUT blobs", "PUT blobs", "PUT blobs", "PUT manifests"]);
  assert.deepEqual(events.filter(({ kind }) => kind === "blob" || kind === "pushed" || kind === "manifest").length, 7);
  target.requests.length = 0;
  const again = await push("2");
  assert.deepEqual(sent(target).map(({ path }) => path), ["/v2/b/manifests/2"]);
  assert.equal(again.events.filter(({ kind }) => kind === "exists").length, 3);
});

test("what another repository there has is mounted; where that is refused it is sent", async (t) => {
  const { push, target, image } = await fetched(t);
  for (const [index, layer] of image.layers.entries()) if (index === 0) target.blobs.set(layer.digest, layers[index]!);
  target.tamper = ({ method, path }) => (method === "HEAD" && path.includes("/blobs/") ? { status: 404 } : undefined);
  const { events } = await push("1", { sources: () => ["other/one", "other/two"] });
  assert.deepEqual(events.filter((event) => event.kind === "mounted").map((event) => event.kind === "mounted" && [event.digest, event.from]), [[image.layers[0]!.digest, "other/one"]]);
  assert.equal(events.filter(({ kind }) => kind === "pushed").length, 2);
  target.blobs.clear();
  target.lacks = new Set(["mount"]);
  assert.equal((await push("2", { sources: () => ["other/one"] })).events.filter(({ kind }) => kind === "pushed").length, 3);
});

test("an upload that is cut goes on at the byte that the registry names", async (t) => {
  const { push, target, image } = await fetched(t);
  const layer = image.layers[0]!;
  let cuts = 0;
  target.tamper = ({ method, path, query }) => (method === "PUT" && path.includes("/blobs/uploads/") && query.get("digest") === layer.digest && cuts++ === 0 ? { cutUpload: 1_000_000 } : undefined);
  await push("1");
  assert.ok(target.blobs.get(layer.digest)!.equals(layers[0]!));
  const patch = target.requests.find(({ method }) => method === "PATCH")!;
  assert.match(String(patch.headers["content-range"]), new RegExp(`^1\\d{6}-${layer.size - 1}$`));
  const bytes = target.requests.filter(({ path }) => path.includes("/blobs/uploads/")).reduce((sum, { body }) => sum + body.length, 0);
  assert.ok(bytes < 1.1 * (layers[0]!.length + layers[1]!.length), `${bytes}`);
});

test("an upload that the registry forgot begins anew", async (t) => {
  const { push, target, image } = await fetched(t);
  let cuts = 0;
  target.tamper = ({ method, path }) => {
    if (method === "PUT" && path.includes("/blobs/uploads/") && cuts++ === 0) return { cutAfter: 0 };
    return method === "GET" && path.includes("/blobs/uploads/") ? { status: 404 } : undefined;
  };
  await push("1");
  assert.equal(target.blobs.size, 3);
  assert.ok(image.layers.every(({ digest }) => target.blobs.has(digest)));
});

test("what is too long for one request is sent in pieces", async (t) => {
  const { push, target, image } = await fetched(t);
  target.tamper = ({ method, headers }) => (["PUT", "PATCH"].includes(method) && Number(headers["content-length"]) > 2_000_000 ? { status: 413 } : undefined);
  await push("1");
  assert.ok(target.blobs.get(image.layers[0]!.digest)!.equals(layers[0]!));
  const ranges = sent(target).filter(({ method, headers }) => method === "PATCH" && Number(headers["content-length"]) <= 2_000_000).map(({ headers }) => String(headers["content-range"]));
  assert.ok(ranges.length >= 2 && ranges[0]!.startsWith("0-"), String(ranges));
});

test("an index is pushed with all its manifests; of one that is here in part, the only image, or the one asked for", async (t) => {
  const { source, target, open, pull, transfer } = await fetched(t);
  const images = ["amd64", "arm64", "s390x"].map((architecture, at) => ({ ...putImage(source, "m", architecture, { layers: [noise(1000, 10 + at)], platform: linux(architecture) }), platform: linux(architecture) }));
  const index = putIndex(source, "m", "all", images);
  const to = () => open(target.host, "m");
  const push = (platforms: PushOptions["platforms"]) => transfer.push(to(), index, { tag: "t", platforms, signal: never() });
  await assert.rejects(push("all"), failure("not-found", /it is not here/));
  await pull(open(source.host, "m"), "all", { platforms: [linux("arm64")] });
  assert.equal((await push("all")).digest, images[1]!.digest);
  await pull(open(source.host, "m"), "all", { platforms: [linux("amd64")] });
  await assert.rejects(push("all"), failure("conflict", /linux\/s390x are not here/));
  assert.equal((await push([linux("amd64")])).digest, images[0]!.digest);
  await pull(open(source.host, "m"), "all", { platforms: "all" });
  assert.equal((await push("all")).digest, index.digest);
  assert.deepEqual(sent(target).filter(({ path }) => path.includes("manifests")).slice(-4).map(({ path }) => path.split("/").at(-1)), [...images.map(({ digest }) => digest), "t"]);
});

test("a manifest with a subject is listed, by the registry or under the tag that stands for it", async (t) => {
  const { source, target, image, open, pull, transfer } = await fetched(t);
  target.lacks = new Set(["referrers"]);
  const push = async (name: string) => {
    const signature = putManifest(source, "a", name, MEDIA.ociManifest, { schemaVersion: 2, mediaType: MEDIA.ociManifest, artifactType: "application/x.sig", config: image.layers[0], layers: [], subject: { mediaType: image.mediaType, digest: image.digest, size: image.size }, annotations: { name } });
    await pull(open(source.host, "a"), name);
    await transfer.push(open(target.host, "b"), signature, { platforms: "all", signal: never() });
    return signature.digest;
  };
  const both = [await push("sig1"), await push("sig2")];
  assert.deepEqual((await open(target.host, "b").referrers(image.digest, never())).map(({ digest }) => digest), both);
  target.lacks = new Set();
  const before = target.manifests.size;
  await push("sig3");
  assert.equal(target.manifests.size, before + 1, "no tag is written where the registry keeps the list");
});

test("from registry to registry, through memory: with cuts on both sides, and only what is missing", async (t) => {
  const [source, target] = [await openTestRegistry(t), await openTestRegistry(t)];
  const { transfer, open, content } = await testTransfer(t);
  const images = ["amd64", "arm64"].map((architecture, at) => ({ ...putImage(source, "m", architecture, { layers: [layers[0]!, noise(1000, 10 + at)], platform: linux(architecture) }), platform: linux(architecture) }));
  const index = putIndex(source, "m", "all", images);
  source.tamper = ({ path, method }) => (method === "GET" && path.includes("/blobs/") ? { cutAfter: 0.7 } : undefined);
  let cuts = 0;
  target.tamper = ({ method, headers }) => (method === "PUT" && Number(headers["content-length"]) > 1_000_000 && cuts++ === 0 ? { cutUpload: 1_500_000 } : undefined);
  const pushed = await transfer.copy(open(source.host, "m"), index, open(target.host, "n"), { tag: "1", platforms: "all", signal: never() });
  assert.equal(pushed.digest, index.digest);
  assert.deepEqual([...target.blobs.keys()].toSorted(), [...source.blobs.keys()].toSorted());
  assert.equal(content.list().length, 0);
  const reads = source.requests.filter(({ path }) => path.includes("/blobs/")).length;
  await transfer.copy(open(source.host, "m"), index, open(target.host, "n"), { tag: "2", platforms: "all", signal: never() });
  assert.equal(source.requests.filter(({ path }) => path.includes("/blobs/")).length, reads);
});

test("a push that is cancelled takes back what it began; one that is refused says by whom", async (t) => {
  const { push, target } = await fetched(t, { maxAttempts: 1 });
  const stop = new AbortController();
  target.tamper = ({ method, path }) => (method === "PUT" && path.includes("/blobs/") ? { stall: "head" } : undefined);
  await assert.rejects(push("1", { signal: stop.signal, progress: (event) => event.kind === "progress" && stop.abort() }));
  assert.ok(target.requests.some(({ method, path }) => method === "DELETE" && path.includes("/uploads/")));
  target.tamper = ({ method }) => (method === "POST" ? { status: 403, body: Buffer.from(JSON.stringify({ errors: [{ code: "DENIED", message: "requested access to the resource is denied" }] })) } : undefined);
  await assert.rejects(push("1"), failure("forbidden", /^POST http:\/\/127\.0\.0\.1:\d+\/v2\/b\/blobs\/uploads\/: 403 Forbidden: denied: requested access to the resource is denied$/));
  assert.equal(target.manifests.size, 0);
});
