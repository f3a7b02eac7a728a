import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { sha256 } from "#base/digest.ts";
import { Failure, type Kind } from "#base/errors.ts";
import { tarArchive, tarHeader } from "#base/tar-write.ts";
import { chainIds, MEDIA } from "#spec/image.ts";
import { cleanup, leftOvers, randomText, storeLayer, testCore, testFolder, testKernel } from "../core-fixture.ts";
import { openCore, type Core } from "../core.ts";
import type { Lease } from "../leases/leases.ts";
import type { Layer } from "./layers.ts";

const failure = (kind: Kind, message: RegExp) => (error: unknown) => error instanceof Failure && error.kind === kind && message.test(error.message);

async function storeBytes(core: Core, lease: Lease, archive: Buffer, bytes: Buffer = gzipSync(archive)): Promise<Layer> {
  const { digest, size } = await core.content.ingest(lease, [bytes]);
  return { descriptor: { mediaType: MEDIA.ociLayerGzip, digest, size }, diffId: sha256(archive) };
}

/** Everything about a tree that an archive says, as text. */
function describe(folder: string): string {
  const files = execFileSync("find", [folder, "-mindepth", "1", "-printf", "%P %y %m %U %G %n %l %T@ %s\n"], { encoding: "utf8" });
  const lines = files.split("\n").map((line) => (/ d /.test(line) ? line.replace(/ \d+$/, "") : line));
  const sums = execFileSync("sh", ["-c", `cd ${folder} && find . -type f -exec sha256sum {} + | sort`], { encoding: "utf8" });
  const attributes = execFileSync("sh", ["-c", `cd ${folder} && getfattr -Rhd -m '^(user|security)' . 2>/dev/null | sort || true`], { encoding: "utf8" });
  return [...lines.toSorted(), sums, attributes].join("\n");
}

function makeTree(root: string): void {
  for (let at = 0; at < 300; at++) {
    const folder = join(root, `d${at % 7}`, `e${at % 11}`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `f${at}`), at % 5 === 0 ? "" : randomText(2 + ((at * 7919) % 60_000) * 2), { mode: at % 3 === 0 ? 0o755 : 0o600 });
  }
  writeFileSync(join(root, "large"), Buffer.alloc(5_000_000, "large "));
  execFileSync("sh", ["-c", `cd ${root} && ln d0/e0/f0 hard && ln -s ../x d1/soft && mkfifo pipe && mknod null c 1 3 && mknod disk b 8 1 && chmod 4755 large && chown 12:34 large d3 && chown -h 5:6 d1/soft && chmod 1777 d2 && touch -d '2001-02-03 04:05:06.789' d4 d4/* && touch -h -d '1969-12-31 23:00:00' d1/soft && setfattr -n user.colour -v blue large; setcap cap_net_raw+ep large 2>/dev/null; true`]);
}

for (const driver of ["overlay", "vfs"] as const) {
  test(`${driver}: a tree comes out as tar would bring it out`, async (t) => {
    const core = await testCore(t, driver);
    const folder = await testFolder(t);
    mkdirSync(join(folder, "in"));
    mkdirSync(join(folder, "out"));
    makeTree(join(folder, "in"));
    const archive = execFileSync("tar", ["--xattrs", "--xattrs-include=*", "--format=pax", "-cC", join(folder, "in"), "."], { maxBuffer: 2 ** 30 });
    execFileSync("tar", ["--xattrs", "--xattrs-include=*", "-xpC", join(folder, "out")], { input: archive });
    using lease = core.leases.open();
    for (const bytes of [gzipSync(archive), zstdCompressSync(archive), archive]) {
      const top = await core.layers.unpack(lease, [await storeBytes(core, lease, archive, bytes)]);
      assert.equal(describe(core.snapshots.tree(top)), describe(join(folder, "out")));
      await core.snapshots.remove(top);
    }
  });

  test(`${driver}: what is wrong with a layer is said, and nothing is left`, async (t) => {
    const core = await testCore(t, driver);
    using lease = core.leases.open();
    const good = await storeLayer(core, lease, [{ name: "good", type: "file", data: "x" }]);
    const archive = tarArchive([{ name: "a", type: "directory" }, { name: "a/f", type: "file", data: randomText(300_000) }]);
    const flipped = Buffer.from(archive);
    flipped[2000]! ^= 1;
    const bad: [Layer, RegExp][] = [
      [{ ...(await storeBytes(core, lease, archive)), diffId: `sha256:${"0".repeat(64)}` }, /diff ID/],
      [{ ...(await storeBytes(core, lease, archive, gzipSync(flipped))) }, /diff ID/],
      [await storeBytes(core, lease, archive.subarray(0, 200_000)), /cut short/],
      [await storeBytes(core, lease, archive, gzipSync(archive).subarray(0, 50_000)), /damaged/],
      [await storeBytes(core, lease, Buffer.from("no archive at all, ".repeat(50))), /checksum/],
      [await storeBytes(core, lease, archive, Buffer.concat([gzipSync(archive), Buffer.from("tail")])), /damaged|after the end/],
      [await storeBytes(core, lease, archive, Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 1, 2, 3])), /xz/],
      [await storeBytes(core, lease, Buffer.concat([tarHeader({ name: "n", type: "char", major: 5000 }), Buffer.alloc(1024)])), /device number/],
    ];
    for (const [layer, message] of bad) {
      await assert.rejects(core.layers.unpack(lease, [good, layer]), failure("invalid", message));
      assert.deepEqual(core.snapshots.list().filter(({ name }) => name !== good.diffId), []);
      assert.equal((await leftOvers(core.root)).snapshots.length, core.snapshots.list().length, String(message));
    }
    await core.layers.unpack(lease, [good]);
  });

  test(`${driver}: layers of one image, some of them shared, by many at once`, async (t) => {
    const core = await testCore(t, driver);
    using lease = core.leases.open();
    const layers: Layer[] = [];
    for (let at = 0; at < 6; at++) layers.push(await storeLayer(core, lease, [{ name: `f${at}`, type: "file", data: randomText(200_000) }, { name: "same", type: "file", data: String(at) }]));
    const other = await storeLayer(core, lease, [{ name: "other", type: "file", data: "x" }]);
    const images = [layers, layers.slice(0, 3), [...layers.slice(0, 2), other], [other], layers];
    const tops = await Promise.all([...images, ...images].map((image) => core.layers.unpack(lease, image)));
    assert.deepEqual(tops.slice(0, 5), images.map((image) => chainIds(image.map(({ diffId }) => diffId)).at(-1)));
    assert.deepEqual(tops.slice(5), tops.slice(0, 5));
    assert.equal(core.snapshots.list().length, 8);
    assert.equal((await leftOvers(core.root)).snapshots.length, 8, "each was made once, and nothing besides");
    const parents = core.snapshots.list().filter(({ parent }) => parent === undefined).map(({ name }) => name);
    assert.deepEqual(parents.toSorted(), [layers[0]!.diffId, other.diffId].toSorted());
    const tree = core.snapshots.tree(tops[0]!);
    assert.deepEqual(readdirSync(tree).length, driver === "vfs" ? 7 : 2);
    assert.equal(readFileSync(join(tree, "same"), "utf8"), "5");
  });

  test(`${driver}: one that fails leaves the others who wait for the same to do it themselves`, async (t) => {
    const core = await testCore(t, driver);
    using lease = core.leases.open();
    const shared = await storeLayer(core, lease, [{ name: "f", type: "file", data: randomText(100_000) }]);
    const bad = { ...(await storeLayer(core, lease, [{ name: "g", type: "file" }])), diffId: `sha256:${"1".repeat(64)}` as const };
    const ends = await Promise.allSettled([core.layers.unpack(lease, [shared, bad]), core.layers.unpack(lease, [shared]), core.layers.unpack(lease, [shared])]);
    assert.deepEqual(ends.map((end) => end.status), ["rejected", "fulfilled", "fulfilled"]);
    assert.deepEqual(core.snapshots.list().map(({ name }) => name), [shared.diffId]);
    assert.equal((await leftOvers(core.root)).snapshots.length, 1);
  });

  test(`${driver}: aborted, nothing is left, and it works afterwards`, async (t) => {
    const core = await testCore(t, driver);
    using lease = core.leases.open();
    const layer = await storeLayer(core, lease, Array.from({ length: 200 }, (_, at) => ({ name: `f${at}`, type: "file" as const, data: randomText(40_000) })));
    const stop = new AbortController();
    const seen: number[] = [];
    const progress = (_: string, current: number) => {
      seen.push(current);
      stop.abort();
    };
    await assert.rejects(core.layers.unpack(lease, [layer], { signal: stop.signal, progress }), { name: "AbortError" });
    assert.ok(seen.length > 0);
    assert.deepEqual((await leftOvers(core.root)).snapshots, []);
    await core.layers.unpack(lease, [layer]);
  });

  test(`${driver}: a full disk is said to be full, nothing is left, and there is room again (F-09)`, async (t) => {
    const root = await testFolder(t);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=12m", "none", root]);
    cleanup(t).defer(() => void execFileSync("umount", [root]));
    const core = cleanup(t).use(await openCore({ root, kernel: await testKernel(t), driver }));
    using lease = core.leases.open();
    const large = Array.from({ length: 20 }, (_, at) => ({ name: `f${at}`, type: "file" as const, data: "x".repeat(1_000_000) }));
    const layer = await storeLayer(core, lease, large);
    await assert.rejects(core.layers.unpack(lease, [layer]), failure("exhausted", /no space left/));
    assert.deepEqual((await leftOvers(root)).snapshots, []);
    await assert.rejects(core.content.ingest(lease, [Buffer.alloc(14_000_000, "y")]), failure("exhausted", /no space left/));
    assert.deepEqual((await leftOvers(root)).ingests, []);
    await core.layers.unpack(lease, [await storeLayer(core, lease, large.slice(0, 5))]);
  });
}

test("without layers there is no snapshot", async (t) => {
  const core = await testCore(t);
  using lease = core.leases.open();
  assert.equal(await core.layers.unpack(lease, []), "");
});

test("128 layers are refused (F-17), 127 are not", async (t) => {
  const core = await testCore(t);
  using lease = core.leases.open();
  const layers: Layer[] = [];
  for (let at = 0; at < 128; at++) layers.push(await storeLayer(core, lease, [{ name: `f${at}`, type: "file" }]));
  await assert.rejects(core.layers.unpack(lease, layers), failure("invalid", /128 layers/));
  const top = await core.layers.unpack(lease, layers.slice(1));
  const mounts = await core.snapshots.prepare("c", top, { init: true });
  assert.equal(mounts.type === "overlay" && mounts.lower.length, 128);
});

test("more bytes than the limit are refused, wherever they come from (GZ-01)", async (t) => {
  const core = await testCore(t);
  using lease = core.leases.open();
  const { openLayers } = await import("./unpack.ts");
  const layers = openLayers({ ...core, limits: { bytes: 1_000_000, entries: 10 } });
  const bomb = await storeLayer(core, lease, [{ name: "zeros", type: "file", data: Buffer.alloc(50_000_000).toString("latin1") }]);
  assert.ok(bomb.descriptor.size < 100_000);
  await assert.rejects(layers.unpack(lease, [bomb]), failure("invalid", /more than the limit of 1000000 bytes/));
  const many = await storeLayer(core, lease, Array.from({ length: 11 }, (_, at) => ({ name: `f${at}`, type: "file" as const })));
  await assert.rejects(layers.unpack(lease, [many]), failure("invalid", /more than 10 entries/));
  assert.deepEqual((await leftOvers(core.root)).snapshots, []);
});
