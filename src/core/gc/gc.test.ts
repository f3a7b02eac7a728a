import assert from "node:assert/strict";
import { test } from "node:test";
import { sha256 } from "#base/digest.ts";
import { type Digest, digits } from "#spec/digest.ts";
import { MEDIA } from "#spec/image.ts";
import type { Core } from "../core.ts";
import { leftOvers, storeLayer, testCore } from "../core-fixture.ts";
import type { Node } from "../leases/leases.ts";
import { LIVE } from "./gc.ts";

const node = (digest: Digest): Node => `content/${digest}`;
const target = (digest: Digest) => ({ mediaType: MEDIA.ociManifest, digest, size: 1 });

async function store(core: Core, lease: ReturnType<Core["leases"]["open"]>, text: string): Promise<Digest> {
  return (await core.content.ingest(lease, [Buffer.from(text)])).digest;
}

const blobsLeft = async (core: Core) => (await leftOvers(core.root)).blobs;

test("what a lease holds stays; without it what nothing leads to goes", async (t) => {
  const core = await testCore(t);
  const lease = core.leases.open();
  const one = await store(core, lease, "one");
  assert.deepEqual(await core.collect(), { bytes: 0 });
  assert.deepEqual(await blobsLeft(core), [digits(one)]);
  lease[Symbol.dispose]();
  assert.deepEqual(await core.collect(), { bytes: 3 });
  assert.deepEqual(await blobsLeft(core), []);
  assert.equal(core.content.stat(one), undefined);
});

test("an image keeps what it leads to, through every edge, and nothing else", async (t) => {
  const core = await testCore(t);
  const lease = core.leases.open();
  const [index, manifest, config, stray] = await Promise.all(["index", "manifest", "config", "stray"].map((text) => store(core, lease, text)));
  const layer = await storeLayer(core, lease, [{ name: "f", type: "file", data: "x" }]);
  const top = await core.layers.unpack(lease, [layer]);
  await core.link(node(index!), [node(manifest!)]);
  await core.link(node(manifest!), [node(config!), node(layer.descriptor.digest)]);
  await core.link(node(config!), [`snapshot/${top}`]);
  await core.images.put([{ name: "docker.io/library/x:1", target: target(index!) }]);
  lease[Symbol.dispose]();
  await core.collect();
  assert.deepEqual(core.content.list().map(({ digest }) => digest).toSorted(), [index, manifest, config, layer.descriptor.digest].toSorted());
  assert.equal(core.content.stat(stray!), undefined);
  assert.equal((await leftOvers(core.root)).snapshots.length, 1);
  // A container on it: the image may go, its snapshot stays as long as the container.
  await core.snapshots.prepare("container", top, { init: true });
  await core.images.remove(["docker.io/library/x:1"]);
  await core.collect();
  assert.deepEqual(core.content.list(), []);
  assert.deepEqual(core.snapshots.list().map(({ name }) => name).toSorted(), ["container", top].toSorted());
  await core.snapshots.remove("container");
  await core.collect();
  assert.deepEqual(await leftOvers(core.root), { blobs: [], ingests: [], snapshots: [] });
});

test("edges in a circle are walked once", async (t) => {
  const core = await testCore(t);
  const lease = core.leases.open();
  const [a, b] = await Promise.all(["a", "b"].map((text) => store(core, lease, text)));
  await core.link(node(a!), [node(b!)]);
  await core.link(node(b!), [node(a!)]);
  await core.images.put([{ name: "docker.io/library/x:1", target: target(a!) }]);
  lease[Symbol.dispose]();
  await core.collect();
  assert.equal((await blobsLeft(core)).length, 2);
  await core.images.remove(["docker.io/library/x:1"]);
  await core.collect();
  assert.deepEqual(await blobsLeft(core), []);
});

test("a blob that comes back while it is removed is there afterwards", async (t) => {
  const core = await testCore(t);
  for (let round = 0; round < 30; round++) {
    const first = core.leases.open();
    const digest = await store(core, first, "comes and goes");
    first[Symbol.dispose]();
    const second = core.leases.open();
    // Begun in every order around the collection's own steps.
    const collected = core.collect();
    for (let turn = 0; turn < round % 6; turn++) await Promise.resolve();
    if (round % 2 === 1) await new Promise((resolve) => setImmediate(resolve));
    await store(core, second, "comes and goes");
    await collected;
    assert.equal((await core.content.read(digest)).toString(), "comes and goes");
    assert.deepEqual(await blobsLeft(core), [digits(digest)]);
    second[Symbol.dispose]();
  }
  await core.collect();
  assert.deepEqual(await blobsLeft(core), []);
});

test("a random graph: exactly what a walk reaches is left (F-40)", async (t) => {
  const core = await testCore(t);
  let seed = 12345;
  const random = (below: number) => (seed = (seed * 1103515245 + 12345) % 2 ** 31) % below;
  const blobs = Array.from({ length: 24 }, (_, at) => ({ text: `blob ${at}`, digest: sha256(`blob ${at}`) }));
  const edges = new Map<Digest, Digest[]>();
  const names = new Map<string, Digest>();
  for (let round = 0; round < 12; round++) {
    const lease = core.leases.open();
    for (const { text } of blobs) await store(core, lease, text);
    for (let count = 0; count < 15; count++) {
      const [from, to] = [blobs[random(24)]!.digest, blobs[random(24)]!.digest];
      await core.link(node(from), [node(to)]);
      edges.set(from, [...(edges.get(from) ?? []), to]);
    }
    for (let count = 0; count < 3; count++) {
      const name = `docker.io/library/i${random(6)}:1`;
      if (random(3) === 0) names.delete(name), await core.images.remove([name]);
      else {
        const digest = blobs[random(24)]!.digest;
        names.set(name, digest);
        await core.images.put([{ name, target: target(digest) }]);
      }
    }
    const held = blobs[random(24)]!.digest;
    lease[Symbol.dispose]();
    using other = core.leases.open();
    other.hold(node(held));
    await core.collect();
    const live = new Set<Digest>([held, ...names.values()]);
    for (const digest of live) for (const next of edges.get(digest) ?? []) live.add(next);
    assert.deepEqual(core.content.list().map(({ digest }) => digest).toSorted(), [...live].toSorted(), `round ${round}`);
    assert.equal((await blobsLeft(core)).length, live.size);
    // Edges of what went are forgotten with it.
    for (const digest of edges.keys()) if (!live.has(digest)) edges.delete(digest);
  }
});

test("many collections at once end, and share their work", async (t) => {
  const core = await testCore(t);
  const lease = core.leases.open();
  await store(core, lease, "x");
  lease[Symbol.dispose]();
  const results = await Promise.all(Array.from({ length: 20 }, () => core.collect()));
  assert.equal(new Set(results).size, 2, "the one under way, and one after it for all others");
});

test("what is alive is found by looking each node up, however many snapshots there are", async (t) => {
  const core = await testCore(t);
  const { plan } = core.db.prepare({ plan: `EXPLAIN QUERY PLAN ${LIVE} SELECT node FROM live` });
  const steps = plan.all<{ detail: string }>("[]").map(({ detail }) => detail);
  assert.deepEqual(steps.filter((step) => /^(SCAN|SEARCH) [se]\b/.test(step)), ["SEARCH e USING PRIMARY KEY (source=?)", "SEARCH s USING PRIMARY KEY (name=?)"]);
});
