import assert from "node:assert/strict";
import { test } from "node:test";
import { sha256 } from "#base/digest.ts";
import { MEDIA } from "#spec/image.ts";
import type { Platform } from "#spec/platform.ts";
import { noise, openTestRegistry, putImage, putIndex, putManifest, type TestRegistry } from "../registry-fixture.ts";
import { failure, never, testTransfer } from "../transfer-fixture.ts";
import type { LayerSink } from "../transfer.ts";

const layers = [noise(3_000_000, 1), noise(1_000_000, 2), noise(20_000, 3)];
const blobRequests = ({ requests }: TestRegistry) => requests.filter(({ method, path }) => method === "GET" && path.includes("/blobs/")).map(({ path }) => path.split("/").at(-1)!);
const linux = (architecture: string): Platform => ({ os: "linux", architecture });

test("an image is fetched whole: documents, configuration and layers, told in order", async (t) => {
  const registry = await openTestRegistry(t);
  const { open, pull, content } = await testTransfer(t);
  const image = putImage(registry, "team/app", "1", { layers });
  const { events, digest } = await pull(open(registry.host, "team/app"), "1");
  assert.equal(digest, image.digest);
  assert.equal(content.list().length, 5);
  for (const [index, layer] of image.layers.entries()) assert.deepEqual(await content.read(layer.digest, 2 ** 30), layers[index]);
  const announced = events.filter((event) => event.kind === "layer");
  assert.deepEqual(announced.map(({ descriptor, here }) => [descriptor.digest, here]), image.layers.map((layer) => [layer.digest, false]));
  assert.equal(events.filter((event) => event.kind === "done").length, 4);
  const ends = events.filter((event) => event.kind === "progress" && event.current === event.total);
  assert.deepEqual(new Set(ends.map((event) => event.kind === "progress" && event.digest)).size, 4);
  // Again: nothing is asked for but what the tag leads to.
  registry.requests.length = 0;
  const again = await pull(open(registry.host, "team/app"), "1");
  assert.deepEqual(registry.requests.map(({ method, path }) => `${method} ${path}`), ["HEAD /v2/team/app/manifests/1"]);
  assert.ok(again.events.filter((event) => event.kind === "layer").every(({ here }) => here));
});

test("of an index: the index, and what fits the platforms that are asked for", async (t) => {
  const registry = await openTestRegistry(t);
  const { open, pull, content } = await testTransfer(t);
  const images = ["amd64", "arm64", "s390x"].map((architecture, at) => ({ ...putImage(registry, "m", architecture, { layers: [noise(1000, 10 + at)], platform: linux(architecture) }), platform: linux(architecture) }));
  const index = putIndex(registry, "m", "all", images);
  const { digest } = await pull(open(registry.host, "m"), "all", { platforms: [linux("arm64")] });
  assert.equal(digest, index.digest);
  assert.deepEqual(content.list().map((blob) => blob.digest).toSorted(), [index.digest, images[1]!.digest, images[1]!.layers[0]!.digest, ...content.list().map((blob) => blob.digest).filter((one) => ![index.digest, images[1]!.digest, images[1]!.layers[0]!.digest].includes(one))].toSorted());
  assert.equal(content.list().length, 4);
  await pull(open(registry.host, "m"), "all", { platforms: "all" });
  assert.equal(content.list().length, 10);
  await assert.rejects(pull(open(registry.host, "m"), "all", { platforms: [linux("riscv64")] }), failure("not-found", /no matching manifest for linux\/riscv64 in the manifest list entries/));
});

test("whoever wants a layer's bytes gets them while they come, and those of an earlier attempt first", async (t) => {
  const registry = await openTestRegistry(t);
  const { open, pull } = await testTransfer(t, { maxAttempts: 1 });
  const image = putImage(registry, "a", "1", { layers: [noise(4_000_000)] });
  const got: Buffer[] = [];
  let ended = "";
  const sink = (): LayerSink => ({ write: async (chunk) => void got.push(Buffer.from(chunk)), end: (digest) => void (ended = digest), abort: () => void (got.length = 0) });
  registry.tamper = ({ path, headers }) => (path.endsWith(image.layers[0]!.digest) ? { cutAfter: headers.range === undefined ? 0.5 : 0 } : undefined);
  await assert.rejects(pull(open(registry.host, "a"), "1", { tee: sink }), failure("unavailable", /GET .*: (unexpected EOF|the connection was closed by the other side)/));
  assert.equal(got.length, 0, "given up");
  registry.tamper = undefined;
  const { events } = await pull(open(registry.host, "a"), "1", { tee: sink });
  assert.equal(sha256(Buffer.concat(got)), image.layers[0]!.digest);
  assert.equal(ended, image.layers[0]!.digest);
  assert.ok(events.some((event) => event.kind === "progress" && event.resumedAt > 1_000_000));
});

test("a server that cuts every connection after 70 % of the bytes yields the image, with at most 1.3 times its bytes", async (t) => {
  const registry = await openTestRegistry(t);
  const { open, pull, content } = await testTransfer(t);
  const image = putImage(registry, "a", "1", { layers });
  const size = [...registry.blobs.values(), registry.manifests.get("a:1")!.bytes].reduce((sum, { length }) => sum + length, 0);
  registry.tamper = () => ({ cutAfter: 0.7 });
  await pull(open(registry.host, "a"), "1");
  assert.equal(content.list().length, 5);
  for (const layer of image.layers) assert.equal(sha256(await content.read(layer.digest, 2 ** 30)), layer.digest);
  assert.ok(registry.sent <= 1.3 * size, `${registry.sent} of ${size}`);
});

test("fifty at once fetch each blob once, and each one's lease holds it", async (t) => {
  const registry = await openTestRegistry(t);
  const { open, pull, content, leases } = await testTransfer(t);
  putImage(registry, "a", "1", { layers });
  const pulls = await Promise.all(Array.from({ length: 50 }, () => pull(open(registry.host, "a"), "1")));
  const asked = blobRequests(registry);
  assert.equal(asked.length, new Set(asked).size);
  assert.equal(registry.requests.filter(({ method, path }) => method === "GET" && path.includes("/manifests/")).length, 1);
  pulls.slice(0, 49).forEach(({ lease }) => lease[Symbol.dispose]());
  assert.deepEqual([...leases.held()].toSorted(), content.list().map(({ digest }) => `content/${digest}`).toSorted());
  // Those who waited saw how far it was.
  assert.ok(pulls.every(({ events }) => events.some((event) => event.kind === "progress")));
});

test("who waits goes on itself when the first one's client goes away, from where that one was", async (t) => {
  const registry = await openTestRegistry(t);
  const { open, pull, content } = await testTransfer(t);
  const image = putImage(registry, "a", "1", { layers: [noise(8_000_000)] });
  const layer = image.layers[0]!;
  registry.tamper = ({ path, headers }) => (path.endsWith(layer.digest) && headers.range === undefined ? { pace: 40_000_000 } : undefined);
  const gone = new AbortController();
  let begun = () => {};
  const started = new Promise<void>((resolve) => (begun = resolve));
  const first = pull(open(registry.host, "a"), "1", { signal: gone.signal, tee: () => ({ write: async () => begun(), end: () => {}, abort: () => {} }) });
  await started;
  const second = pull(open(registry.host, "a"), "1");
  // The second one waits once it has read the manifest's tag.
  while (registry.requests.filter(({ method }) => method === "HEAD").length < 2) await new Promise((resolve) => setImmediate(resolve));
  gone.abort();
  await assert.rejects(first);
  await second;
  assert.equal(sha256(await content.read(layer.digest, 2 ** 30)), layer.digest);
  assert.ok(blobRequests(registry).filter((digest) => digest === layer.digest).length <= 2);
});

test("who waits goes on itself when the first one has no access", async (t) => {
  const registry = await openTestRegistry(t);
  const { open, pull, content } = await testTransfer(t, { maxAttempts: 1 });
  const image = putImage(registry, "private/a", "1", { layers: [noise(10_000)] });
  registry.manifests.set("public/a:1", registry.manifests.get("private/a:1")!).set(`public/a:${image.digest}`, registry.manifests.get("private/a:1")!);
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
  registry.tamper = ({ path }) => {
    if (!path.startsWith("/v2/private/a/blobs/")) return undefined;
    ask();
    return { status: 403, body: Buffer.from("{}") };
  };
  const first = pull(open(registry.host, "private/a"), "1");
  const [denied, allowed] = await Promise.allSettled([first, asked.then(() => pull(open(registry.host, "public/a"), "1"))]);
  assert.equal(denied.status, "rejected");
  assert.equal(allowed.status, "fulfilled");
  assert.equal(content.list().length, 3);
});

test("no more layers at once than allowed, over all fetches", async (t) => {
  const registry = await openTestRegistry(t);
  const { open, pull } = await testTransfer(t, { maxDownloads: 2 });
  for (const name of ["a", "b"]) putImage(registry, name, "1", { layers: [1, 2, 3].map((at) => noise(50_000, name.charCodeAt(0) + at)) });
  let [now, most] = [0, 0];
  const tee = (): LayerSink => {
    most = Math.max(most, ++now);
    return { write: async () => {}, end: () => void now--, abort: () => void now-- };
  };
  await Promise.all(["a", "b"].map((name) => pull(open(registry.host, name), "1", { tee })));
  assert.equal(most, 2);
});

test("documents and blobs of a repository, tags over pages, referrers by API and by tag, delete", async (t) => {
  const registry = await openTestRegistry(t);
  const { open } = await testTransfer(t);
  const image = putImage(registry, "a", "t0", { layers: [noise(5000)] });
  for (let at = 1; at < 8; at++) registry.manifests.set(`a:t${at}`, registry.manifests.get("a:t0")!);
  const remote = open(registry.host, "a");
  const tags: string[] = [];
  for await (const tag of remote.tags(never())) tags.push(tag);
  assert.deepEqual(tags, Array.from({ length: 8 }, (_, at) => `t${at}`));
  const { descriptor, bytes } = await remote.manifest("t3", never());
  assert.deepEqual([descriptor.digest, sha256(bytes)], [image.digest, image.digest]);
  const parts: Buffer[] = [];
  for await (const chunk of remote.blob(image.layers[0]!, never())) parts.push(chunk);
  assert.equal(sha256(Buffer.concat(parts)), image.layers[0]!.digest);
  const signature = putManifest(registry, "a", "sig", MEDIA.ociManifest, { schemaVersion: 2, mediaType: MEDIA.ociManifest, artifactType: "application/x.sig", config: image.layers[0], layers: [], subject: { mediaType: image.mediaType, digest: image.digest, size: image.size } });
  assert.deepEqual((await remote.referrers(image.digest, never(), "application/x.sig")).map(({ digest }) => digest), [signature.digest]);
  assert.deepEqual(await remote.referrers(image.digest, never(), "application/x.other"), []);
  registry.lacks = new Set(["referrers", "head"]);
  assert.deepEqual(await remote.referrers(image.digest, never()), []);
  putManifest(registry, "a", `sha256-${image.digest.slice(7)}`, MEDIA.ociIndex, { schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests: [signature] });
  assert.deepEqual((await remote.referrers(image.digest, never())).map(({ digest }) => digest), [signature.digest]);
  assert.equal((await remote.resolve("t1", never())).descriptor.digest, image.digest, "without HEAD");
  await remote.delete("t1", never());
  await assert.rejects(remote.resolve("t1", never()), failure("not-found", /GET http:.*manifests\/t1: 404 Not Found: manifest unknown/));
});
