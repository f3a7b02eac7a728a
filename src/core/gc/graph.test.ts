import assert from "node:assert/strict";
import { test } from "node:test";
import { sha256 } from "#base/digest.ts";
import { MEDIA } from "#spec/image.ts";
import { storeLayer, testCore } from "../core-fixture.ts";
import type { Node } from "../leases/leases.ts";
import { openRemovals, reach, sizeOf } from "./graph.ts";

test("what the graph says would be freed is what a collection frees", async (t) => {
  const core = await testCore(t);
  let seed = 4711;
  const random = (below: number) => (seed = (seed * 1103515245 + 12345) % 2 ** 31) % below;
  for (let round = 0; round < 8; round++) {
    const lease = core.leases.open();
    const texts = Array.from({ length: 16 }, (_, at) => `${round} blob ${at} ${"x".repeat(at * 7)}`);
    for (const text of texts) await core.content.ingest(lease, [Buffer.from(text)]);
    const nodes = texts.map((text): Node => `content/${sha256(text)}`);
    const layer = await storeLayer(core, lease, [{ name: `f${round}`, type: "file", data: "y".repeat(100) }]);
    const top = await core.layers.unpack(lease, [layer]);
    await core.link(nodes[0]!, [`snapshot/${top}`]);
    for (let count = 0; count < 20; count++) await core.link(nodes[random(16)]!, [nodes[random(16)]!]);
    const roots = [...new Set(Array.from({ length: 5 }, () => nodes[random(16)]!))];
    const name = (root: Node) => `docker.io/library/i${nodes.indexOf(root)}:${round}`;
    await core.images.put(roots.map((root) => ({ name: name(root), target: { mediaType: MEDIA.ociManifest, digest: root.slice(8) as ReturnType<typeof sha256>, size: 1 } })));
    if (round % 2 === 0) await core.snapshots.prepare(`container ${round}`, top, { init: true });
    lease[Symbol.dispose]();
    await core.collect();
    const graph = core.graph();
    assert.equal(sizeOf(graph, graph.sizes.keys()), sizeOf(graph, reach(graph, [...roots, ...graph.others])), "nothing but what is needed is left");
    const removals = openRemovals(graph, roots);
    for (const root of roots) {
      const foretold = removals.remove(root);
      await core.images.remove([name(root)]);
      assert.deepEqual(await core.collect(), { bytes: foretold }, `round ${round}`);
    }
    await core.snapshots.remove(`container ${round}`);
    await core.collect();
  }
});

test("what a lease holds is freed by nobody", async (t) => {
  const core = await testCore(t);
  using lease = core.leases.open();
  const { digest } = await core.content.ingest(lease, [Buffer.from("held")]);
  await core.images.put([{ name: "docker.io/library/x:1", target: { mediaType: MEDIA.ociManifest, digest, size: 4 } }]);
  assert.equal(openRemovals(core.graph(), [`content/${digest}`]).remove(`content/${digest}`), 0);
});
