import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { sha256 } from "#base/digest.ts";
import { Failure, type Kind } from "#base/errors.ts";
import { tarArchive } from "#base/tar-write.ts";
import { leftOvers } from "#core/core-fixture.ts";
import { chainIds, MEDIA } from "#spec/image.ts";
import { addBlob, addImage, type Blobs, configOf, dockerArchive, load, loaded, ociArchive, pieces, plainLayer, save, tags, testImages } from "./images-fixture.ts";

const failure = (kind: Kind, message: RegExp) => (error: unknown) => error instanceof Failure && error.kind === kind && message.test(error.message);
const NAME = "io.containerd.image.name";
const nothing = { blobs: [], ingests: [], snapshots: [] };

for (const compress of [false, true]) {
  test(`a docker-archive with ${compress ? "gzip" : "plain"} layers`, async (t) => {
    const { images, core } = await testImages(t);
    const archive = dockerArchive([
      { tags: ["one:1", "example.com/other:2"], layers: [plainLayer("a"), plainLayer("b")], compress, config: { Cmd: ["run"] } },
      { tags: null, layers: [plainLayer("a")], compress },
    ]);
    const steps = await load(images, archive);
    const unnamed = steps.at(-1)!;
    assert.deepEqual(steps.slice(0, 2), [loaded("one:1"), loaded("example.com/other:2")]);
    assert.ok(unnamed.kind === "loaded" && !unnamed.named && /^sha256:/.test(unnamed.name));
    const record = await images.get("one:1");
    assert.deepEqual([record.repoTags, record.config["Cmd"], record.diffIds.length], [["example.com/other:2", "one:1"], ["run"], 2]);
    assert.equal(record.descriptor.mediaType, MEDIA.dockerManifest);
    const { snapshot, manifestDigest } = await images.resolve("one:1");
    assert.equal(manifestDigest, record.id);
    assert.equal(readFileSync(join(core.snapshots.tree(snapshot!), "dir/b"), "utf8"), "b".repeat(50));
    assert.equal(core.snapshots.list().length, 2, "the layer that both have is there once");
  });
}

for (const [what, wrap] of [["gzip", gzipSync], ["zstd", zstdCompressSync]] as const) {
  test(`an archive that is compressed with ${what}`, async (t) => {
    const { images } = await testImages(t);
    assert.deepEqual(await load(images, wrap(dockerArchive([{}])), 777), [loaded("test:latest")]);
  });
}

test("an archive whose layers are links, as podman writes them", async (t) => {
  const { images } = await testImages(t);
  const layer = plainLayer("a");
  const config = configOf({ layers: [layer] });
  const archive = tarArchive([
    { name: "./x/layer.tar", type: "symlink", linkName: "../data.tar" },
    { name: "./data.tar", type: "file", data: layer },
    { name: "./c.json", type: "file", data: config },
    { name: "manifest.json", type: "file", data: JSON.stringify([{ Config: "c.json", RepoTags: ["x:1"], Layers: ["x/layer.tar"] }]) },
  ]);
  assert.deepEqual(await load(images, archive), [loaded("x:1")]);
});

test("an OCI layout: names by annotation, an index with a platform that is missing", async (t) => {
  const { images, core } = await testImages(t);
  const blobs: Blobs = new Map();
  const here = addImage(blobs, { config: { Labels: { a: "b" } } });
  const gone = addImage(new Map(), { architecture: "s390x" });
  const index = addBlob(blobs, MEDIA.ociIndex, Buffer.from(JSON.stringify({
    schemaVersion: 2, mediaType: MEDIA.ociIndex,
    manifests: [{ ...gone, platform: { os: "linux", architecture: "s390x" } }, { ...here, platform: { os: "linux", architecture: "amd64" } }],
  })));
  const archive = ociArchive(blobs, [
    { ...index, annotations: { [NAME]: "docker.io/library/multi:1", "org.opencontainers.image.ref.name": "1" } },
    { ...here, annotations: { "org.opencontainers.image.ref.name": "example.com/plain:v1" } },
    { ...here, annotations: { "org.opencontainers.image.ref.name": "latest" } },
  ]);
  assert.deepEqual(await load(images, archive), [loaded("multi:1"), loaded("example.com/plain:v1")]);
  assert.equal((await images.get("multi:1")).id, index.digest);
  assert.equal((await images.resolve("multi:1")).manifestDigest, here.digest);
  assert.equal((await images.get("example.com/plain:v1")).id, here.digest);
  await assert.rejects(images.resolve("multi:1", { platform: "linux/s390x" }), failure("not-found", /does not provide the specified platform \(linux\/s390x\)/));
  assert.equal((await images.get("multi:1", { platform: { os: "linux", architecture: "amd64" } })).platform.architecture, "amd64");
  // What was saved is what was loaded: the same digests.
  const saved = await save(images, ["multi:1"]);
  const { images: others } = await testImages(t);
  assert.deepEqual(await load(others, saved), [loaded("multi:1")]);
  assert.equal((await others.get("multi:1")).id, index.digest);
  assert.equal(core.content.list().length, 4);
});

test("an image for several platforms: the one for this machine is unpacked, or the one asked for", async (t) => {
  const { images, core } = await testImages(t);
  const blobs: Blobs = new Map();
  const variants = ["arm64", "amd64", "s390x"].map((architecture) => ({ ...addImage(blobs, { architecture, layers: [plainLayer(architecture)] }), platform: { os: "linux", architecture } }));
  const attestation = { ...addImage(blobs, { architecture: "unknown", layers: [plainLayer("att")] }), platform: { os: "unknown", architecture: "unknown" }, annotations: { "vnd.docker.reference.type": "attestation-manifest" } };
  const index = addBlob(blobs, MEDIA.ociIndex, Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [...variants, attestation] })));
  const archive = ociArchive(blobs, [{ ...index, annotations: { [NAME]: "docker.io/library/m:1" } }]);
  await load(images, archive);
  assert.deepEqual(core.snapshots.list().map(({ name }) => name), [sha256(plainLayer("amd64"))]);
  assert.equal((await images.resolve("m:1", { platform: "linux/s390x" })).snapshot, sha256(plainLayer("s390x")));
  const one = await save(images, ["m:1"], [{ os: "linux", architecture: "arm64" }]);
  const { images: others, core: other } = await testImages(t);
  await load(others, one);
  assert.equal((await others.get("m:1")).platform.architecture, "arm64");
  assert.equal(other.content.list().length, 3);
});

test("loading again changes nothing", async (t) => {
  const { images, core } = await testImages(t);
  const blobs: Blobs = new Map();
  const target = addImage(blobs, {});
  const archive = ociArchive(blobs, [{ ...target, annotations: { [NAME]: "docker.io/library/x:1" } }]);
  await load(images, archive);
  const before = [await leftOvers(core.root), await images.list({ all: false, filters: new Map(), sharedSize: true })];
  for (let again = 0; again < 3; again++) await load(images, archive);
  const after = [await leftOvers(core.root), await images.list({ all: false, filters: new Map(), sharedSize: true })];
  assert.deepEqual(after.map((value) => JSON.stringify(value).replaceAll(/"taggedAt":"[^"]*"/g, "")), before.map((value) => JSON.stringify(value).replaceAll(/"taggedAt":"[^"]*"/g, "")));
});

test("a name that moves leaves its old image without one", async (t) => {
  const { images } = await testImages(t);
  await load(images, dockerArchive([{ tags: ["x:1"], layers: [plainLayer("old")] }]));
  const old = (await images.get("x:1")).id;
  await load(images, dockerArchive([{ tags: ["x:1"], layers: [plainLayer("new")] }]));
  assert.notEqual((await images.get("x:1")).id, old);
  assert.deepEqual((await images.get(old)).repoTags, []);
  assert.deepEqual((await tags(images, { dangling: ["true"] })), ["<none>"]);
});

const good = plainLayer("good");
const blobsOf = (change: (blobs: Blobs, target: ReturnType<typeof addImage>) => Record<string, unknown>): Buffer => {
  const blobs: Blobs = new Map();
  const target = addImage(blobs, { layers: [good] });
  return ociArchive(blobs, [change(blobs, target)]);
};

const bad: [string, Buffer, Kind, RegExp][] = [
  ["no archive", Buffer.from("hello ".repeat(500)), "invalid", /checksum/],
  ["an empty archive", tarArchive([]), "invalid", /neither oci-layout nor manifest.json/],
  ["nothing at all", Buffer.alloc(0), "invalid", /neither/],
  ["a root file system", plainLayer("x"), "invalid", /neither/],
  ["an archive cut short", dockerArchive([{}]).subarray(0, 1500), "invalid", /cut short/],
  ["gzip cut short", gzipSync(dockerArchive([{}])).subarray(0, 300), "invalid", /damaged/],
  ["an xz archive", Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0, 0, 0, 0]), "invalid", /xz/],
  ["a manifest.json that is no list", tarArchive([{ name: "manifest.json", type: "file", data: "{}" }]), "invalid", /malformed/],
  ["a manifest.json that is no JSON", tarArchive([{ name: "manifest.json", type: "file", data: "[{" }]), "invalid", /manifest.json/],
  ["a layer that is missing", tarArchive([{ name: "c.json", type: "file", data: configOf({}) }, { name: "manifest.json", type: "file", data: '[{"Config":"c.json","Layers":["l"],"RepoTags":["x:1"]}]' }]), "invalid", /"l"/],
  ["a link to nowhere", tarArchive([{ name: "c.json", type: "symlink", linkName: "/etc/passwd" }, { name: "manifest.json", type: "file", data: '[{"Config":"c.json"}]' }]), "invalid", /"c.json"/],
  ["links in a circle", tarArchive([{ name: "a", type: "symlink", linkName: "b" }, { name: "b", type: "symlink", linkName: "a" }, { name: "manifest.json", type: "file", data: '[{"Config":"a"}]' }]), "invalid", /"a"/],
  ["an invalid tag", dockerArchive([{ tags: ["Bad Tag"] }]), "invalid", /invalid tag/],
  ["more layers than diff IDs", tarArchive([{ name: "c", type: "file", data: configOf({ layers: [] }) }, { name: "l", type: "file", data: good }, { name: "manifest.json", type: "file", data: '[{"Config":"c","Layers":["l"]}]' }]), "invalid", /1 layers and 0 diff IDs/],
  ["a diff ID that is not the layer's", tarArchive([{ name: "c", type: "file", data: configOf({ layers: [plainLayer("other")] }) }, { name: "l", type: "file", data: good }, { name: "manifest.json", type: "file", data: '[{"Config":"c","Layers":["l"],"RepoTags":["x:1"]}]' }]), "invalid", /diff ID/],
  ["a configuration that is none", tarArchive([{ name: "c", type: "file", data: '{"rootfs":[]}' }, { name: "manifest.json", type: "file", data: '[{"Config":"c"}]' }]), "invalid", /rootfs/],
  ["an OCI layout of another version", tarArchive([{ name: "oci-layout", type: "file", data: '{"imageLayoutVersion":"2.0.0"}' }]), "invalid", /1\.0\.0/],
  ["an OCI layout without an index", tarArchive([{ name: "oci-layout", type: "file", data: '{"imageLayoutVersion":"1.0.0"}' }]), "invalid", /index.json/],
  ["a blob that is not what its name says (IMG-08)", blobsOf((blobs, target) => (blobs.set(target.digest.slice(7), Buffer.from("{}")), target)), "invalid", /digest/],
  ["a manifest that is missing", blobsOf((blobs, target) => (blobs.delete(target.digest.slice(7)), target)), "invalid", /incomplete/],
  ["a layer that is missing from a layout", blobsOf((blobs, target) => (blobs.delete([...blobs.keys()].find((key) => !target.digest.includes(key) && blobs.get(key)![0] === 0x1f)!), target)), "invalid", /incomplete/],
  ["a size that is not the blob's (IMG-12)", blobsOf((_, target) => ({ ...target, size: target.size + 1 })), "invalid", /bytes/],
  ["a size beyond all (IMG-12)", blobsOf((_, target) => ({ ...target, size: 2 ** 60 })), "invalid", /2\^53|size/],
  ["a digest that is a path (IMG-08)", blobsOf((_, target) => ({ ...target, digest: "sha256:../../../etc/passwd" })), "invalid", /digest/],
  ["a manifest that is announced as an index (IMG-02)", blobsOf((_, target) => ({ ...target, mediaType: MEDIA.ociIndex })), "invalid", /was said to be/],
  ["a media type that is no image's", blobsOf((_, target) => ({ ...target, mediaType: "text/plain" })), "invalid", /no image of a file system|media type/],
  ["indexes nested too deep", (() => {
    const blobs: Blobs = new Map();
    let target = addImage(blobs, {});
    for (let depth = 0; depth < 6; depth++) target = addBlob(blobs, MEDIA.ociIndex, Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [target] })));
    return ociArchive(blobs, [target]);
  })(), "invalid", /nested/],
  ["a hostile layer", dockerArchive([{ layers: [tarArchive([{ name: "a", type: "link", linkName: "/etc/passwd" }])] }]), "invalid", /unpack layer/],
];

for (const [what, archive, kind, message] of bad) {
  test(`refuses ${what}, and keeps nothing`, async (t) => {
    const { images, core } = await testImages(t);
    await assert.rejects(load(images, archive), failure(kind, message));
    assert.deepEqual(await leftOvers(core.root), nothing);
    assert.deepEqual(core.images.list(), []);
    assert.deepEqual(await load(images, dockerArchive([{}])), [loaded("test:latest")], "and goes on");
  });
}

test("an archive cut anywhere is refused, and keeps nothing (GZ-04)", async (t) => {
  const { images, core } = await testImages(t);
  const archive = gzipSync(dockerArchive([{ layers: [plainLayer("a"), plainLayer("b")] }]));
  for (let part = 1; part < 24; part++) {
    await assert.rejects(load(images, archive.subarray(0, Math.floor((archive.length * part) / 24))), failure("invalid", /./));
    assert.deepEqual(await leftOvers(core.root), nothing);
  }
});

test("a client that goes away in the middle leaves nothing", async (t) => {
  const { images, core } = await testImages(t);
  const stop = new AbortController();
  const source = async function* () {
    const archive = dockerArchive([{ layers: [tarArchive([{ name: "f", type: "file", data: "x".repeat(5_000_000) }])] }]);
    for await (const piece of pieces(archive, 100_000)) {
      yield piece;
      if (piece.byteOffset > 2_000_000) stop.abort();
    }
  };
  const steps = images.load(source(), { signal: stop.signal });
  await assert.rejects(async () => {
    for await (const _ of steps);
  }, { name: "AbortError" });
  assert.deepEqual(await leftOvers(core.root), nothing);
});

/** More than is kept in memory: unpacked while it comes in. */
const largeLayer = (text: string): Buffer => tarArchive([{ name: text, type: "file", data: randomBytes(1_500_000) }, { name: "dir", type: "directory", mode: 0o711 }]);

for (const compress of [false, true]) {
  test(`large ${compress ? "gzip" : "plain"} layers are unpacked as they come in, and no other way`, async (t) => {
    const { images, core } = await testImages(t);
    const layers = [largeLayer("a"), plainLayer("small"), largeLayer("b")];
    await load(images, dockerArchive([{ layers, compress }]), 65536);
    const { snapshot } = await images.resolve("test:latest");
    const chain = chainIds(layers.map(sha256));
    assert.equal(snapshot, chain[2]);
    assert.deepEqual(chain.map((name) => readdirSync(core.snapshots.tree(name)).toSorted()), [["a", "dir"], ["dir"], ["b", "dir"]]);
    assert.deepEqual(readFileSync(join(core.snapshots.tree(chain[2]!), "b")), layers[2]!.subarray(512, 512 + 1_500_000));
    assert.equal((await leftOvers(core.root)).snapshots.length, 3);
    await images.remove("test:latest", { force: false, noprune: false });
    assert.deepEqual(await leftOvers(core.root), nothing);
  });
}

test("what was unpacked ahead and is no layer of the image is gone afterwards", async (t) => {
  const { images, core } = await testImages(t);
  const layer = largeLayer("a");
  const config = configOf({ layers: [layer] });
  const archive = tarArchive([
    { name: "stray.tar", type: "file", data: largeLayer("stray") },
    { name: "l", type: "file", data: layer },
    { name: "twin", type: "file", data: layer },
    { name: "stray.gz", type: "file", data: gzipSync(randomBytes(3_000_000)) },
    { name: "c", type: "file", data: config },
    { name: "manifest.json", type: "file", data: '[{"Config":"c","Layers":["l"],"RepoTags":["x:1"]}]' },
  ]);
  assert.deepEqual(await load(images, archive, 65536), [loaded("x:1")]);
  assert.equal((await leftOvers(core.root)).snapshots.length, 1);
  assert.equal(core.content.list().length, 3);
});

test("a large layer that is hostile, damaged, cut short or another than announced is refused, and keeps nothing", async (t) => {
  const { images, core } = await testImages(t);
  const layer = largeLayer("a");
  const hostile = tarArchive([{ name: "big", type: "file", data: randomBytes(1_500_000) }, { name: "out", type: "link", linkName: "/etc/passwd" }]);
  const of = (bytes: Buffer, said: Buffer) => tarArchive([
    { name: "l", type: "file", data: bytes },
    { name: "c", type: "file", data: configOf({ layers: [said] }) },
    { name: "manifest.json", type: "file", data: '[{"Config":"c","Layers":["l"]}]' },
  ]);
  for (const [archive, message] of [
    [of(hostile, hostile), /unpack layer/],
    [of(layer, plainLayer("other")), /diff ID/],
    [of(layer.subarray(0, 1_400_000), layer), /cut short/],
    [of(gzipSync(layer).subarray(0, 1_200_000), layer), /damaged|cut short/],
    [of(layer, layer).subarray(0, 1_300_000), /cut short/],
    [of(gzipSync(randomBytes(4_000_000)), layer), /checksum/],
  ] as const) {
    await assert.rejects(load(images, archive, 65536), failure("invalid", message));
    assert.deepEqual(await leftOvers(core.root), nothing, String(message));
  }
});

test("twenty loads at once, of two archives", async (t) => {
  const { images, core } = await testImages(t);
  const archives = [dockerArchive([{ tags: ["x:1"] }]), dockerArchive([{ tags: ["y:1"], layers: [plainLayer("a"), plainLayer("b")], compress: true }])];
  await Promise.all(Array.from({ length: 20 }, (_, at) => load(images, archives[at % 2]!)));
  assert.deepEqual((await tags(images)).toSorted(), ["x:1", "y:1"]);
  const left = await leftOvers(core.root);
  assert.deepEqual([left.ingests.length, left.snapshots.length], [0, 2]);
  await images.remove("x:1", { force: false, noprune: false });
  await images.remove("y:1", { force: false, noprune: false });
  assert.deepEqual(await leftOvers(core.root), nothing);
});
