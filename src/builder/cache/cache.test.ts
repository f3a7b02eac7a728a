import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { sha256 } from "#base/digest.ts";
import { Failure } from "#base/errors.ts";
import { sizeOf } from "#core/gc/graph.ts";
import type { Core } from "#core/core.ts";
import { cleanup, leftOvers, storeLayer, testCore } from "#core/core-fixture.ts";
import { MEDIA } from "#spec/image.ts";
import type { LayerTree } from "../tree.ts";
import { type Cache, type CacheUsage, openCache } from "./cache.ts";
import { openCollection } from "./collect.ts";
import { checkFilters, parseFilters } from "./filters.ts";
import { planPrune } from "./prune.ts";

type Store = { core: Core; cache: Cache; add(name: string, base?: LayerTree): Promise<LayerTree> };

async function openStore(t: TestContext): Promise<Store> {
  const core = await testCore(t);
  const cache = openCache({ core });
  cleanup(t).defer(() => cache.flush());
  const none: LayerTree = { kind: "layers", snapshot: undefined, layers: [] };
  return {
    core,
    cache,
    async add(name, base = none) {
      using lease = core.leases.open();
      const layers = [...base.layers, await storeLayer(core, lease, [{ name, type: "file", data: name.repeat(1000) }])];
      const tree: LayerTree = { kind: "layers", snapshot: await core.layers.unpack(lease, layers), layers };
      await cache.put({ key: sha256(name), tree, parts: { base: base.snapshot ?? "", name }, trees: {}, description: name, place: name, title: `RUN ${name}`, created: BigInt(Date.now()) * 1_000_000n });
      return tree;
    },
  };
}

const descriptions = (usages: readonly CacheUsage[]) => usages.map(({ description }) => description).toSorted();
const count = async (core: Core) => (await leftOvers(core.root)).snapshots.length;

test("a record keeps its snapshot and blobs, and nothing else does; the check has nothing to say", async (t) => {
  const { core, cache, add } = await openStore(t);
  const below = await add("below");
  await add("above", below);
  await core.collect();
  assert.equal(await count(core), 2);
  for await (const finding of core.check({ repair: false, signal: new AbortController().signal })) assert.notEqual(finding.kind, "problem", JSON.stringify(finding));
  using lease = core.leases.open();
  const found = cache.find(sha256("above"), lease);
  assert.equal(found!.gone, false);
  assert.deepEqual(found!.record.tree.layers.length, 2);
  assert.equal(cache.find(sha256("nothing"), lease), undefined);
});

test("what a build under way holds stays until it ends, whatever is pruned meanwhile", async (t) => {
  const { core, cache, add } = await openStore(t);
  await add("held");
  const lease = core.leases.open();
  const found = cache.find(sha256("held"), lease)!;
  const use = cache.use(found.record.id);
  assert.deepEqual((await cache.prune({ all: true })).removed, []);
  assert.equal((await cache.usage())[0]!.inUse, true);
  use[Symbol.dispose]();
  assert.equal((await cache.prune({ all: true })).removed.length, 1);
  assert.equal(await count(core), 1, "the lease holds it");
  lease[Symbol.dispose]();
  await core.collect();
  assert.deepEqual(await leftOvers(core.root), { blobs: [], ingests: [], snapshots: [] });
});

test("prune takes what filters say; what images share stays unless all is said", async (t) => {
  const { core, cache, add } = await openStore(t);
  const below = await add("below");
  await add("above", below);
  const shared = await add("shared");
  using lease = core.leases.open();
  const config = await core.content.ingest(lease, [Buffer.from("config")]);
  await core.link(`content/${config.digest}`, [`snapshot/${shared.snapshot!}`]);
  await core.images.put([{ name: "docker.io/library/x:1", target: { mediaType: MEDIA.ociManifest, ...config } }]);
  const parent = (await cache.usage(new Map([["description", ["below"]]])))[0]!;
  assert.deepEqual(descriptions(await cache.usage(new Map([["parent", [parent.id]]]))), ["RUN above"]);
  assert.deepEqual(descriptions(await cache.usage(new Map([["shared", []]]))), ["RUN shared"]);
  assert.deepEqual(descriptions(await cache.usage(parseFilters(["shared,description~=shared"]))), ["RUN shared"]);
  assert.deepEqual(descriptions(await cache.usage(parseFilters(["type!=internal", "description!=RUN above"]))), ["RUN below", "RUN shared"]);
  assert.deepEqual(descriptions(await cache.usage(parseFilters(["type!=regular"]))), []);
  assert.deepEqual(descriptions(await cache.usage(parseFilters(["type~=regu,shared!=true"]))), ["RUN above", "RUN below"]);
  assert.throws(() => checkFilters(parseFilters(["colour!=red"])), { kind: "invalid", message: "invalid filter 'colour!'" });
  assert.deepEqual(descriptions((await cache.prune({ all: true, filters: new Map([["id", [parent.id]]]) })).removed), [], "something lies on it");
  assert.deepEqual(descriptions((await cache.prune({ all: false, filters: new Map([["type", ["exec.cachemount"]]]) })).removed), []);
  assert.deepEqual(descriptions((await cache.prune({ all: true, filters: new Map([["label", ["a=b"]]]) })).removed), [], "records have no labels");
  const held = () => sizeOf(core.graph(), core.graph().sizes.keys());
  const [before, foretold] = [held(), await cache.prune({ all: false, dryRun: true })];
  const pruned = await cache.prune({ all: false });
  assert.deepEqual(descriptions(pruned.removed), ["RUN above", "RUN below"]);
  assert.ok(pruned.bytes > 10_000);
  assert.deepEqual([foretold.bytes, before - held()], [pruned.bytes, pruned.bytes], "what was foretold went, and is what was told");
  assert.deepEqual(descriptions((await cache.prune({ all: true })).removed), ["RUN shared"]);
  await core.collect();
  assert.equal(await count(core), 1, "the image has it");
  await assert.rejects(cache.prune({ all: true, filters: new Map([["color", ["red"]]]) }), (error) => error instanceof Failure && error.kind === "invalid");
});

test("a bound takes the longest unused, and what they were stays known", async (t) => {
  const { core, cache, add } = await openStore(t);
  for (const name of ["one", "two", "three"]) await add(name);
  using lease = core.leases.open();
  cache.find(sha256("one"), lease);
  const bytes = (await cache.usage()).reduce((sum, { size }) => sum + size, 0);
  const pruned = await cache.prune({ all: false, maxUsed: bytes - 1 });
  assert.deepEqual(descriptions(pruned.removed), ["RUN two"]);
  assert.equal(cache.find(sha256("two"), lease)!.gone, true);
  assert.equal(openCache({ core }).find(sha256("one"), lease)!.gone, false, "and another engine on the same root knows it");
  const rounds = openCollection({ cache, root: core.root, rules: () => [{ all: true, filters: new Map(), keepDuration: 0n, maxUsed: { kind: "bytes", value: 1 } }], failed: (error) => assert.fail(String(error)) });
  assert.ok((await rounds.run()) > 0);
  assert.deepEqual(await cache.usage(), []);
  rounds.close();
});

test("facts are known at once, and to the next engine", async (t) => {
  const { core, cache } = await openStore(t);
  cache.learn(sha256("key"), "value");
  assert.equal(cache.fact(sha256("key")), "value");
  await cache.flush();
  assert.equal(openCache({ core }).fact(sha256("key")), "value");
});

test("the plan of a prune: leaves first, the longest unused first, as much as must be", () => {
  const usage = (id: string, lastUsed: bigint, more: Partial<CacheUsage> = {}): CacheUsage => ({ id, kind: "regular", description: id, parents: [], inUse: false, shared: false, mutable: false, size: 10, created: 0n, lastUsed, uses: 1, ...more });
  const all = [usage("root", 1n), usage("leaf", 5n, { parents: ["root"] }), usage("old", 2n), usage("busy", 0n, { inUse: true }), usage("internal", 0n, { kind: "internal" }), usage("shared", 0n, { shared: true })];
  const plan = (options: Parameters<typeof planPrune>[1], bound?: number) => planPrune(all, options, { bound, now: 6n }).map(({ id }) => id);
  assert.deepEqual(plan({ all: true }), ["internal", "shared", "old", "leaf", "root"]);
  assert.deepEqual(plan({ all: false }), ["old", "leaf", "root"]);
  assert.deepEqual(plan({ all: false }, 40), ["old"]);
  assert.deepEqual(plan({ all: false }, 50), []);
  assert.deepEqual(plan({ all: false, keepDuration: 3n }), ["old"], "the root is older, but something younger lies on it");
});
