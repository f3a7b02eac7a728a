/**
 * Layers that want to exhaust, confuse or slip through whoever reads them: rows TAR-03, TAR-06 to TAR-09 and GZ of the
 * catalogue. Ways out of the tree are in breakouts.test.ts.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { gunzipSync, gzipSync, zstdCompressSync } from "node:zlib";
import { sha256 } from "#base/digest.ts";
import { Failure } from "#base/errors.ts";
import { type NewEntry, tarArchive } from "#base/tar-write.ts";
import { tarReader } from "#base/tar.ts";
import { MEDIA } from "#spec/image.ts";
import { blocks, END, endless, header, octal, pax, paxRecord, wide } from "../../../test/fixtures/evil-tar.ts";
import { attributesOf } from "../../../test/fixtures/attributes.ts";
import { cell, leftOvers, randomText, storeLayer, testCore, testFolder } from "../core-fixture.ts";
import type { Core } from "../core.ts";
import type { Lease } from "../leases/leases.ts";
import type { Layer } from "./layers.ts";
import { openLayers } from "./unpack.ts";

const invalid = (message: RegExp) => (error: unknown) => error instanceof Failure && error.kind === "invalid" && message.test(error.message);

async function storeBytes(core: Core, lease: Lease, bytes: Buffer, archive: Buffer = bytes): Promise<Layer> {
  const { digest, size } = await core.content.ingest(lease, [bytes]);
  return { descriptor: { mediaType: MEDIA.ociLayer, digest, size }, diffId: sha256(archive) };
}

/** No snapshot, and nothing on the disk that would be one. */
async function nothingLeft(core: Core & { root: string }): Promise<void> {
  assert.deepEqual(core.snapshots.list(), []);
  assert.deepEqual((await leftOvers(core.root)).snapshots, []);
}

async function refuses(t: TestContext, bytes: Buffer, message: RegExp, archive = bytes): Promise<void> {
  const core = await testCore(t);
  using lease = core.leases.open();
  await assert.rejects(core.layers.unpack(lease, [await storeBytes(core, lease, bytes, archive)]), invalid(message));
  await nothingLeft(core);
}

type Entry = NewEntry & { data?: string };

for (const driver of ["overlay", "vfs"] as const) {
  test(`TAR-03 two layers at once, one swaps what the other writes through (${driver})`, async (t) => {
    const core = await testCore(t, driver);
    const outside = await testFolder(t);
    writeFileSync(join(outside, "canary"), "alive");
    const seen = execFileSync("find", [outside, "-printf", "%p %i %m %T@ %s\n"], { encoding: "utf8" });
    using lease = core.leases.open();
    const swaps = Array.from({ length: 150 }, (): Entry[] => [{ name: "d", type: "directory" }, { name: "d", type: "symlink", linkName: outside }]).flat();
    const writes = Array.from({ length: 300 }, (_, at): Entry => ({ name: at % 2 === 0 ? "d/canary" : `d/f${at}`, type: "file", data: randomText(200) }));
    const swapping = await storeLayer(core, lease, [...swaps, { name: "d", type: "symlink", linkName: outside }]);
    const writing = await storeLayer(core, lease, [{ name: "d", type: "directory" }, ...writes]);
    const other = await storeLayer(core, lease, [{ name: "d", type: "directory" }, { name: "d/one", type: "file", data: "1" }]);
    const images = [[swapping, writing], [writing, swapping], [other, swapping, writing], [swapping, writing, swapping]];
    await Promise.all(images.map((layers) => core.layers.unpack(lease, layers)));
    assert.equal(execFileSync("find", [outside, "-printf", "%p %i %m %T@ %s\n"], { encoding: "utf8" }), seen);
    const top = core.snapshots.tree(await core.layers.unpack(lease, images[0]!));
    assert.equal(readdirSync(join(top, "d")).length, 151, "in its own tree the directory replaced the link");
  });
}

/** What goes on for ever after a header that is refused: how far it is read is what it may cost. */
const boundless: [string, Buffer, RegExp][] = [
  ["a PAX header of 1 GiB", header({ flag: "x", size: octal(2 ** 30) }), /extended header of 1073741824 bytes/],
  ["a long name of 1 GiB", header({ flag: "L", size: octal(2 ** 30) }), /extended header of 1073741824 bytes/],
  ["a long link of 2 GiB", header({ flag: "K", size: octal(2 ** 31) }), /extended header of 2147483648 bytes/],
  ["a global header of 8 GiB - 1", header({ flag: "g", size: octal(2 ** 33 - 1) }), /extended header/],
  ["a size of 2^62", header({ size: wide(2n ** 62n, 12) }), /size is out of range/],
  ["a negative size", header({ size: wide(-512n, 12) }), /size is out of range/],
  ["a record's negative size", header({ flag: "x", size: wide(-1n, 12) }), /size is out of range/],
  ["an old GNU sparse map", header({ flag: "S", size: octal(2 ** 30), magic: "ustar  \0" }), /sparse/],
  ["a PAX sparse map of 8 EiB", Buffer.concat([pax(paxRecord("GNU.sparse.realsize", "9223372036854775807"), paxRecord("GNU.sparse.map", "0,1,".repeat(100_000))), header({})]), /sparse/],
  ["a PAX size beyond 2^53", Buffer.concat([pax(paxRecord("size", "9007199254740993")), header({})]), /malformed/],
  ["a PAX name of 1 MB", Buffer.concat([pax(paxRecord("path", "n".repeat(1_000_000))), header({})]), /name of 1000000 bytes/],
  ["a long link of 1 MB", Buffer.concat([header({ flag: "K", size: octal(1_000_000) }), blocks(Buffer.alloc(1_000_000, "l")), header({ flag: "2" })]), /name of 1000000 bytes/],
  ["no end of headers for one entry", Buffer.concat(Array.from({ length: 20 }, () => header({ flag: "L", size: octal(0) }))), /more than 10 entries/],
];

test("TAR-06 records, names and maps without bounds are refused before they are read", async () => {
  for (const [what, head, message] of boundless) {
    const { source, given } = endless(head, 0x41);
    const reader = tarReader({ entries: 10 });
    await assert.rejects(async () => {
      for await (const chunk of source) for (const _ of reader.push(chunk)) continue;
    }, invalid(message), what);
    assert.ok(given() <= head.length + 2 ** 17, `${what}: ${given()} bytes were read`);
  }
});

test("TAR-06 and nothing of them is left in the store", async (t) => {
  for (const [what, head, message] of boundless.slice(0, 9)) await t.test(what, (inner) => refuses(inner, Buffer.concat([head, Buffer.alloc(4096, 0x41)]), message));
});

test("TAR-06 entries beyond the limit, and names at it", async (t) => {
  const core = await testCore(t);
  using lease = core.leases.open();
  const component = "c".repeat(255);
  const longest = Array.from({ length: 15 }, () => component).join("/");
  const fits = tarArchive([{ name: `${longest}/${"d".repeat(200)}`, type: "file", data: "x" }]);
  await core.layers.unpack(lease, [await storeBytes(core, lease, fits)]);
  const limited = openLayers({ ...core, limits: { bytes: 2 ** 30, entries: 1000 } });
  const many = await storeBytes(core, lease, tarArchive(Array.from({ length: 1001 }, (_, at) => ({ name: `f${at}`, type: "file" as const }))));
  await assert.rejects(limited.unpack(lease, [many]), invalid(/more than 1000 entries/));
});

test("TAR-07 a path of 100,000 components; one directory in another, as deep as it goes", async (t) => {
  const path = "a/".repeat(100_000);
  await refuses(t, Buffer.concat([pax(paxRecord("path", path)), header({ flag: "5" }), END]), /name of 200000 bytes/);
  const deep = Array.from({ length: 1100 }, (_, at): Entry => ({ name: "a/".repeat(at + 1), type: "directory" }));
  await refuses(t, tarArchive(deep), /a path of 1025 components/);
  const core = await testCore(t);
  using lease = core.leases.open();
  const top = await core.layers.unpack(lease, [await storeBytes(core, lease, tarArchive(deep.slice(0, 1024)))]);
  assert.equal(execFileSync("sh", ["-c", 'find "$0" -type d | wc -l', core.snapshots.tree(top)], { encoding: "utf8" }).trim(), "1025");
  await core.snapshots.remove(top);
  await nothingLeft(core);
});

test("TAR-08 attributes: capabilities and the user's come along, the host's and overlay's do not", async (t) => {
  const capability = Buffer.from("0100000200200000000000000000000000000000", "hex");
  const core = await testCore(t);
  using lease = core.leases.open();
  const kept = { name: "ping", type: "file" as const, mode: 0o4755, data: "x", xattrs: { "security.capability": capability, "user.colour": "blue", "security.selinux": "a:b:c", "trusted.md5sum": "0", "security.ima": "x" } };
  const top = await core.layers.unpack(lease, [await storeBytes(core, lease, tarArchive([kept]))]);
  assert.deepEqual(attributesOf(join(core.snapshots.tree(top), "ping")), ["security.capability", "user.colour"]);
  for (const name of ["trusted.overlay.redirect", "trusted.overlay.opaque", "trusted.overlay.metacopy", "trusted.overlay.whiteout", "user.overlay.redirect", "user.overlay.opaque"]) {
    const sibling = await storeBytes(core, lease, tarArchive([{ name: `secret-${name}`, type: "file", data: "of another layer" }]));
    const forged = await storeBytes(core, lease, tarArchive([{ name: "d", type: "directory", xattrs: { [name]: "/secret" } }]));
    await assert.rejects(core.layers.unpack(lease, [sibling, forged]), invalid(/overlay's own/), name);
  }
});

const follows = "/sys/module/overlay/parameters/redirect_always_follow";
const cannot = existsSync(follows) && readFileSync(follows, "utf8").startsWith("Y") ? false : "overlay follows no redirects here";

test("TAR-08 a mark that would show another layer's files does so when tar(1) unpacks it", { skip: cannot }, async (t) => {
  const folder = await testFolder(t);
  execFileSync("mount", ["-t", "tmpfs", "none", folder]);
  try {
    for (const name of ["low/secret", "up", "merged"]) mkdirSync(join(folder, name), { recursive: true });
    writeFileSync(join(folder, "low/secret/file"), "of another layer");
    const forged = tarArchive([{ name: "d", type: "directory", xattrs: { "trusted.overlay.redirect": "/secret" } }]);
    execFileSync("tar", ["--xattrs", "--xattrs-include=*", "-xC", join(folder, "up")], { input: forged });
    execFileSync("mount", ["-t", "overlay", "-o", `lowerdir=${folder}/up:${folder}/low`, "none", join(folder, "merged")]);
    try {
      assert.equal(readFileSync(join(folder, "merged/d/file"), "utf8"), "of another layer");
    } finally {
      execFileSync("umount", [join(folder, "merged")]);
    }
  } finally {
    execFileSync("umount", [folder]);
  }
});

test("TAR-09 device numbers that would be cut to another device's", async (t) => {
  for (const [what, fields] of Object.entries({
    "major 2^33 + 8": { major: wide(2n ** 33n + 8n, 8), minor: "0000001" },
    "major 4096 + 8": { major: octal(4096 + 8, 8), minor: "0000001" },
    "minor 2^20": { major: "0000001", minor: octal(2 ** 20, 8) },
    "minor -1": { major: "0000001", minor: wide(-1n, 8) },
  })) {
    await t.test(what, (inner) => refuses(inner, Buffer.concat([header({ flag: "4", ...fields }), END]), /device number is out of range/));
  }
});

const zeros = (size: number) => tarArchive([{ name: "zeros", type: "file", data: Buffer.alloc(size).toString("latin1") }]);

test("GZ-01 bombs: the limit counts what comes out, wherever it comes from", async (t) => {
  const core = await testCore(t);
  using lease = core.leases.open();
  const limited = openLayers({ ...core, limits: { bytes: 2_000_000, entries: 10 } });
  const archive = zeros(64 * 2 ** 20);
  const bombs = { gzip: gzipSync(archive), zstd: zstdCompressSync(archive) };
  for (const [what, bytes] of Object.entries(bombs)) {
    assert.ok(bytes.length < archive.length / 500, `${what}: ${bytes.length} bytes are no bomb`);
    await assert.rejects(limited.unpack(lease, [await storeBytes(core, lease, bytes, archive)]), invalid(/more than the limit of 2000000 bytes/), what);
  }
  const twice = gzipSync(bombs.gzip);
  assert.ok(twice.length < 2000);
  await assert.rejects(limited.unpack(lease, [await storeBytes(core, lease, twice, bombs.gzip)]), invalid(/checksum/), "the inner one is no archive");
  await nothingLeft(core);
});

test("GZ-01 a zstd frame that wants a window of 2 GiB", async (t) => {
  // Magic, descriptor (no content size, no checksum), window: exponent 21 (2^31), then one raw block, the last.
  const archive = tarArchive([{ name: "f", type: "file", data: "x" }]);
  const size = (archive.length << 3) | 1;
  const frame = (exponent: number) => Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, exponent << 3, size & 255, (size >> 8) & 255, size >> 16]), archive]);
  await refuses(t, frame(21), /zstd/, archive);
  const core = await testCore(t);
  using lease = core.leases.open();
  await core.layers.unpack(lease, [await storeBytes(core, lease, frame(17), archive)]);
});

test("GZ-02 200,000 members of nothing, then the layer; what follows it has to be zeros", async (t) => {
  const core = await testCore(t);
  using lease = core.leases.open();
  const archive = tarArchive([{ name: "f", type: "file", data: "x" }]);
  const empty = gzipSync(Buffer.alloc(0));
  const members = Buffer.alloc(empty.length * 200_000, empty);
  const good = Buffer.concat([members, gzipSync(archive)]);
  assert.deepEqual(gunzipSync(good), archive);
  const top = await core.layers.unpack(lease, [await storeBytes(core, lease, good, archive)]);
  await core.snapshots.remove(top);
  await core.layers.unpack(lease, [await storeBytes(core, lease, Buffer.concat([good, Buffer.alloc(1000)]), archive)]);
  await core.snapshots.remove(top);
  for (const tail of [Buffer.from("garbage"), Buffer.concat([Buffer.alloc(1000), Buffer.from("x")]), empty.subarray(0, 9)]) {
    await assert.rejects(core.layers.unpack(lease, [await storeBytes(core, lease, Buffer.concat([gzipSync(archive), tail]), archive)]), invalid(/after the end|damaged/));
  }
  // A second archive in a further member is part of what the diff ID is of.
  await assert.rejects(core.layers.unpack(lease, [await storeBytes(core, lease, Buffer.concat([gzipSync(archive), gzipSync(archive)]), archive)]), invalid(/diff ID/));
  await nothingLeft(core);
});

test("GZ-03 other formats and corrupt ones end at once", async (t) => {
  const archive = zeros(1_000_000);
  const zstd = zstdCompressSync(Buffer.from(randomText(400_000)));
  const looping = Buffer.concat([Buffer.from("fd377a585a000004e6d6b446", "hex"), Buffer.alloc(64, 0xff)]);
  const cases: [string, Buffer, RegExp][] = [
    ["xz", looping, /no valid xz stream/],
    ["bzip2", Buffer.from("BZh91AY&SY corrupt"), /no valid bzip2 stream/],
    ["a zstd stream with a damaged block", Buffer.from(zstd).fill(0xff, 1000, 1100), /zstd|damaged|checksum/],
    ["a zstd stream of skippable frames", Buffer.concat(Array.from({ length: 1000 }, () => Buffer.from("502a4d1800000000", "hex"))), /diff ID|zstd|cut short/],
    ["a skippable frame that claims 4 GiB", Buffer.from("502a4d18ffffffff00000000", "hex"), /damaged|cut short|zstd/],
    ["a gzip header and no more", gzipSync(archive).subarray(0, 10), /damaged|cut short/],
  ];
  for (const [what, bytes, message] of cases) await t.test(what, { timeout: 10_000 }, (inner) => refuses(inner, bytes, message, archive));
});

test("GZ-04 cut at every 1/64, or with every 4,096th bit flipped: never a layer, nothing left", async (t) => {
  const core = await testCore(t);
  using lease = core.leases.open();
  const archive = tarArchive(Array.from({ length: 20 }, (_, at) => ({ name: `f${at}`, type: "file" as const, data: randomText(2000) })));
  for (const whole of [gzipSync(archive), zstdCompressSync(archive)]) {
    const cut = Array.from({ length: 63 }, (_, at) => whole.subarray(0, Math.floor((whole.length * (at + 1)) / 64)));
    const flips = Array.from({ length: Math.floor((whole.length * 8) / 4096) }, (_, at) => {
      const changed = Buffer.from(whole);
      changed[at * 512 + (at % 512)]! ^= 1 << at % 8;
      return changed;
    });
    assert.ok(flips.length > 20);
    const bad = [...cut, ...flips];
    while (bad.length > 0) {
      // Side by side, for the syncs that they share.
      await Promise.all(bad.splice(0, 24).map(async (bytes) => assert.rejects(core.layers.unpack(lease, [await storeBytes(core, lease, bytes, archive)]), { kind: "invalid" })));
    }
    await nothingLeft(core);
    await core.snapshots.remove(await core.layers.unpack(lease, [await storeBytes(core, lease, whole, archive)]));
  }
});

test("GZ-05 no liblzma in the process that unpacks, and none in cell", async (t) => {
  const core = await testCore(t);
  using lease = core.leases.open();
  await core.layers.unpack(lease, [await storeLayer(core, lease, [{ name: "f", type: "file", data: "x" }])]);
  const maps = readFileSync("/proc/self/maps", "utf8");
  assert.match(maps, /libc|ld-linux/, "libraries show there");
  assert.doesNotMatch(maps, /lzma|libbz2/);
  // Static: it has no list of libraries to be loaded.
  const program = readFileSync(cell);
  assert.equal(program.toString("latin1", 1, 4), "ELF");
  assert.ok(!program.includes("liblzma") && !program.includes("/ld-linux") && !program.includes("/ld-musl"));
});
