import assert from "node:assert/strict";
import { closeSync, openSync, readdirSync, rmSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { type Digest, digits } from "#spec/digest.ts";
import { MEDIA } from "#spec/image.ts";
import { leftOvers, storeLayer, testCore } from "../core-fixture.ts";
import type { Core } from "../core.ts";
import type { Node } from "../leases/leases.ts";
import type { Counts, Problem } from "./check.ts";

const node = (digest: Digest): Node => `content/${digest}`;
const NAME = "docker.io/library/x:1";

type Stored = { manifest: Digest; config: Digest; layer: Digest; top: string };

/** A whole image of one layer, unpacked and named. */
async function storeImage(core: Core, name = NAME, text = "x"): Promise<Stored> {
  using lease = core.leases.open();
  const layer = await storeLayer(core, lease, [{ name: "d", type: "directory" }, { name: "d/f", type: "file", data: text }]);
  const put = async (value: object) => core.content.ingest(lease, [Buffer.from(JSON.stringify(value))]);
  const config = await put({ os: "linux", architecture: "amd64", rootfs: { type: "layers", diff_ids: [layer.diffId] } });
  const manifest = await put({
    schemaVersion: 2,
    config: { mediaType: MEDIA.ociConfig, digest: config.digest, size: config.size },
    layers: [layer.descriptor],
  });
  const top = await core.layers.unpack(lease, [layer]);
  await core.link(node(manifest.digest), [node(config.digest), node(layer.descriptor.digest)]);
  await core.link(node(config.digest), [`snapshot/${top}`]);
  await core.images.put([{ name, target: { mediaType: MEDIA.ociManifest, ...manifest } }]);
  return { manifest: manifest.digest, config: config.digest, layer: layer.descriptor.digest, top };
}

async function check(core: Core, repair = false): Promise<{ problems: Problem[]; counts: Counts }> {
  const problems: Problem[] = [];
  let counts: Counts | undefined;
  for await (const finding of core.check({ repair, signal: new AbortController().signal })) {
    if (finding.kind === "problem") problems.push(finding.problem);
    if (finding.kind === "end") counts = finding.counts;
  }
  assert.equal(counts!.problems, problems.length);
  return { problems, counts: counts! };
}

const told = ({ step, subject, text }: Problem) => `${step} ${subject}: ${text}`;
const blobFile = (core: Core, digest: Digest) => join(core.root, "content/blobs/sha256", digits(digest));

/** Repairs, and sees that a second look finds nothing. */
async function repaired(core: Core): Promise<(string | undefined)[]> {
  const { problems } = await check(core, true);
  assert.deepEqual((await check(core)).problems, [], "whole after the repair");
  return problems.map((problem) => problem.repaired);
}

for (const driver of ["overlay", "vfs"] as const) {
  test(`${driver}: a whole store has no problems, and all of it was looked at`, async (t) => {
    const core = await testCore(t, driver);
    const { top } = await storeImage(core);
    await core.snapshots.prepare("container", top, { init: true });
    await core.snapshots.view("view", top);
    const { problems, counts } = await check(core);
    assert.deepEqual(problems, []);
    assert.deepEqual([counts.blobs, counts.snapshots, counts.images], [3, 3, 1]);
    assert.ok(counts.bytes > 100);
  });
}

test("a blob whose bytes changed: told, removed with the image that needs it, and it loads again", async (t) => {
  const core = await testCore(t);
  const { layer } = await storeImage(core);
  const path = blobFile(core, layer);
  const size = core.content.stat(layer)!.size;
  rmSync(path);
  writeFileSync(path, Buffer.alloc(size));
  const { problems } = await check(core);
  assert.match(problems.map(told).join("\n"), new RegExp(`^blobs ${layer}: its bytes have the digest sha256:[0-9a-f]{64}$`));
  assert.deepEqual(await repaired(core), ["removed", "removed: pull or load it again"]);
  assert.deepEqual(await leftOvers(core.root), { blobs: [], ingests: [], snapshots: [] });
  await storeImage(core);
  assert.deepEqual((await check(core)).problems, []);
});

test("a blob cut short, and one that is gone", async (t) => {
  const core = await testCore(t);
  const { config, layer } = await storeImage(core);
  truncateSync(blobFile(core, layer), 5);
  rmSync(blobFile(core, config));
  const { problems } = await check(core);
  const size = core.content.stat(layer)!.size;
  assert.deepEqual(
    problems.map(told).toSorted(),
    [`blobs ${config}: its file is missing`, `blobs ${layer}: its file has 5 bytes, its row says ${size}`].toSorted(),
  );
  await repaired(core);
});

test("files and folders that no row names", async (t) => {
  const core = await testCore(t);
  await storeImage(core);
  const stray = `sha256:${"a".repeat(64)}` as Digest;
  writeFileSync(blobFile(core, stray), "x");
  const draft = await core.snapshots.draft(undefined);
  assert.deepEqual((await check(core)).problems.map(told), [`blobs content/blobs/sha256/${digits(stray)}: a file that no row names`], "a draft is under way");
  await core.snapshots.discard(draft);
  await core.snapshots.prepare("c", undefined);
  const db = new DatabaseSync(core.db.path);
  db.exec("DELETE FROM snapshots WHERE name = 'c'");
  db.close();
  const { problems } = await check(core);
  assert.deepEqual(problems.map(({ text }) => text), ["a file that no row names", "a folder that no row names"]);
  assert.deepEqual(await repaired(core), ["removed", "removed"]);
  assert.equal((await leftOvers(core.root)).blobs.length, 3);
});

test("a layer's folder that lost a file is unpacked again when it is needed; under a container it is only told", async (t) => {
  const core = await testCore(t);
  const { top, config } = await storeImage(core);
  rmSync(join(core.snapshots.tree(top), "d/f"));
  assert.match((await check(core)).problems.map(told).join("\n"), /^snapshots sha256:\S+: its folder has 1 files, it was made with 2$/);
  await core.snapshots.prepare("container", top, { init: true });
  const { problems } = await check(core, true);
  assert.deepEqual(problems.map(({ left }) => left), ["it is what container stands on; remove that first"]);
  await core.snapshots.remove("container");
  assert.deepEqual(await repaired(core), ["removed: the layer is unpacked again when it is needed"]);
  assert.equal(core.snapshots.stat(top), undefined);
  assert.ok(core.content.stat(config) !== undefined);
});

test("an edge that is missing is recorded again before collection takes what it holds", async (t) => {
  const core = await testCore(t);
  const { manifest, layer } = await storeImage(core);
  await core.unlink(node(manifest), [node(layer)]);
  const { problems } = await check(core);
  assert.deepEqual(problems.map(({ step, subject }) => [step, subject]), [["images", NAME], ["garbage", node(layer)]]);
  assert.deepEqual(await repaired(core), ["recorded"]);
  await core.collect();
  assert.ok(core.content.stat(layer) !== undefined);
});

test("garbage is told unless something that is under way holds it", async (t) => {
  const core = await testCore(t);
  const lease = core.leases.open();
  const { digest } = await core.content.ingest(lease, [Buffer.from("held")]);
  assert.deepEqual((await check(core)).problems, []);
  lease[Symbol.dispose]();
  assert.deepEqual((await check(core)).problems.map(told), [`garbage ${node(digest)}: nothing leads to it`]);
  assert.deepEqual(await repaired(core), ["removed"]);
});

test("a damaged database is told", async (t) => {
  const core = await testCore(t);
  await storeImage(core);
  const db = new DatabaseSync(core.db.path);
  db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  const { rootpage } = db.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'images_digest'").get() as { rootpage: number };
  const { page_size: size } = db.prepare("PRAGMA page_size").get() as { page_size: number };
  db.close();
  // The index loses its entry for the image.
  const page = Buffer.alloc(size);
  page.writeUInt8(10, 0);
  page.writeUInt16BE(size === 65536 ? 0 : size, 5);
  const file = openSync(core.db.path, "r+");
  writeSync(file, page, 0, size, (rootpage - 1) * size);
  closeSync(file);
  const { problems } = await check(core);
  assert.ok(problems.some(({ step }) => step === "database"), JSON.stringify(problems));
});

test("checking while images come and go finds nothing wrong", async (t) => {
  const core = await testCore(t);
  await storeImage(core, "docker.io/library/stays:1", "stays");
  let on = true;
  const churn = async (lane: number) => {
    for (let round = 0; on; round++) {
      const name = `docker.io/library/l${lane}:1`;
      await storeImage(core, name, `lane ${lane} round ${round % 3}`);
      await core.images.remove([name]);
      await core.collect();
    }
  };
  const lanes = [churn(0), churn(1), churn(2)];
  for (let round = 0; round < 25; round++) assert.deepEqual((await check(core)).problems, [], `round ${round}`);
  on = false;
  await Promise.all(lanes);
  await core.collect();
  assert.equal(readdirSync(join(core.root, "content/blobs/sha256")).length, 3);
});
