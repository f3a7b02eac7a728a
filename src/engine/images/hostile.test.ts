/** Images that lie about themselves, as archives bring them: rows IMG of the catalogue that need no container. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { sha256 } from "#base/digest.ts";
import { Failure } from "#base/errors.ts";
import { leftOvers } from "#core/core-fixture.ts";
import type { Core } from "#core/core.ts";
import { type Digest, digits, isDigest } from "#spec/digest.ts";
import { MAX_DOCUMENT, MEDIA, parseConfig, parseIndex, parseManifest } from "#spec/image.ts";
import { endless, header, octal, wide } from "../../../test/fixtures/evil-tar.ts";
import { mutate, random } from "../../../test/fixtures/mutate.ts";
import { addBlob, addImage, type Blobs, configOf, dockerArchive, load, ociArchive, plainLayer, testImages } from "./images-fixture.ts";

const invalid = (message = /./) => (error: unknown) => error instanceof Failure && error.kind === "invalid" && message.test(error.message);
const json = (value: unknown) => Buffer.from(JSON.stringify(value));
const layer = plainLayer("a");
const NAME = "io.containerd.image.name";

async function nothingLeft(core: Core & { root: string }): Promise<void> {
  assert.deepEqual(core.images.list(), []);
  assert.deepEqual(await leftOvers(core.root), { blobs: [], ingests: [], snapshots: [] });
}

/** A whole image of which each document may be said differently. */
function archiveOf(say: { manifest?: (manifest: Made) => unknown; config?: Buffer; descriptor?: object; index?: Buffer }): Buffer {
  const blobs: Blobs = new Map();
  const made: Made = {
    schemaVersion: 2,
    mediaType: MEDIA.ociManifest,
    config: addBlob(blobs, MEDIA.ociConfig, say.config ?? configOf({ layers: [layer] })),
    layers: [addBlob(blobs, MEDIA.ociLayerGzip, gzipSync(layer))],
  };
  const said = (say.manifest ?? ((same) => same))(made);
  const descriptor = addBlob(blobs, MEDIA.ociManifest, Buffer.isBuffer(said) ? said : json(said));
  return ociArchive(blobs, [{ ...descriptor, annotations: { [NAME]: "docker.io/library/evil:1" }, ...say.descriptor }]);
}

type Descriptor = { mediaType: string; digest: string; size: number };
type Made = { schemaVersion: number; mediaType: string; config: Descriptor; layers: Descriptor[] };

const documents = (() => {
  const blobs: Blobs = new Map();
  const manifest = JSON.parse(String(blobs.get(digits(addImage(blobs, { layers: [layer] }).digest as Digest)))) as Made;
  const config = JSON.parse(String(configOf({ layers: [layer], config: { Env: ["A=b"], Cmd: ["sh"], Labels: { a: "b" }, Volumes: { "/v": {} }, ExposedPorts: { "80/tcp": {} }, Healthcheck: { Test: ["CMD", "x"] } } }))) as object;
  const index = { schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests: [{ mediaType: MEDIA.ociManifest, digest: `sha256:${"a".repeat(64)}`, size: 7, platform: { os: "linux", architecture: "amd64" }, annotations: { a: "b" } }] };
  return { manifest, config, index };
})();

test("IMG-01 5,000 mutated documents are read or refused, never anything else", () => {
  const next = random(1);
  const parsers = [[documents.manifest, parseManifest], [documents.config, parseConfig], [documents.index, parseIndex]] as const;
  let refused = 0;
  for (let at = 0; at < 5000; at++) {
    const [document, parse] = parsers[at % 3]!;
    const text = mutate(document, next);
    try {
      parse(Buffer.from(text));
    } catch (error) {
      assert.ok(invalid()(error), `${text.slice(0, 500)}: ${String(error)}`);
      refused++;
    }
  }
  assert.ok(refused > 1500 && refused < 4900, `${refused} were refused`);
});

test("IMG-01 and whole images made of them: loaded and shown, or refused", async (t) => {
  const { images, core } = await testImages(t);
  const next = random(2);
  const ends = { loaded: 0, refused: 0 };
  for (let at = 0; at < 120; at++) {
    const archive = at % 2 === 0 ? archiveOf({ config: Buffer.from(mutate(documents.config, next)) }) : archiveOf({ manifest: (made) => Buffer.from(mutate(made, next)) });
    try {
      await load(images, archive, 2 ** 20);
      await images.get("evil:1");
      await images.history("evil:1");
      await images.list({ all: true, filters: new Map() as never, sharedSize: true });
      await images.resolve("evil:1");
      await images.remove("evil:1", { force: true, noprune: false });
      ends.loaded++;
    } catch (error) {
      assert.ok(error instanceof Failure && error.kind !== "internal", String((error as Error).stack));
      ends.refused++;
      for (const { name } of core.images.list()) await images.remove(name, { force: true, noprune: false });
    }
  }
  assert.ok(ends.loaded > 10 && ends.refused > 40, JSON.stringify(ends));
  await nothingLeft(core);
});

test("IMG-01 a history without times, and one longer than the layers", async (t) => {
  const { images } = await testImages(t);
  const config = { ...(JSON.parse(String(configOf({ layers: [layer] }))) as object), created: undefined, history: [{}, { created: null, created_by: null }, { empty_layer: true }, { created: "not a time" }] };
  await load(images, archiveOf({ config: json(config) }));
  assert.equal((await images.history("evil:1")).length, 4);
  assert.equal((await images.get("evil:1")).created, undefined);
});

test("IMG-02 the same bytes are not a manifest to one and an index to another", async (t) => {
  const { images, core } = await testImages(t);
  const index = { manifests: documents.index.manifests };
  const ambiguous: [string, Parameters<typeof archiveOf>[0]][] = [
    ["layers and manifests", { manifest: (made) => ({ ...made, ...index }) }],
    ["manifests that are empty", { manifest: (made) => ({ ...made, manifests: [] }) }],
    ["schema 1's layers besides", { manifest: (made) => ({ ...made, fsLayers: [] }) }],
    ["another type within", { manifest: (made) => ({ ...made, mediaType: MEDIA.ociIndex }) }],
    ["another manifest's type within", { manifest: (made) => ({ ...made, mediaType: MEDIA.dockerManifest }) }],
    ["a type outside that is an index's", { descriptor: { mediaType: MEDIA.ociIndex } }],
    ["an index with layers, called an index", { manifest: (made) => ({ ...index, ...made, mediaType: MEDIA.ociIndex }), descriptor: { mediaType: MEDIA.ociIndex } }],
    ["a manifest in a key twice", { manifest: (made) => Buffer.from(JSON.stringify(made).replace('"layers":', '"layers":[],"layers":')) }],
  ];
  for (const [what, say] of ambiguous) {
    await assert.rejects(load(images, archiveOf(say)), invalid(), what);
    await nothingLeft(core);
  }
  await load(images, archiveOf({}));
});

const digests = ["sha256:../../x", `sha256:${"A".repeat(64)}`, `sha256:${"a".repeat(63)}`, `sha512:${"a".repeat(64)}`, `md5:${"a".repeat(32)}`, "", "sha256:", `sha256:${"a".repeat(64)}/../../x`, `SHA256:${"a".repeat(64)}`, null, 5, ["x"]];

test("IMG-08 digests that are none: in manifests, in configurations, in the layout, in references", async (t) => {
  const { images, core } = await testImages(t);
  for (const digest of digests) {
    const lies: Parameters<typeof archiveOf>[0][] = [
      { manifest: (made) => ({ ...made, layers: [{ ...made.layers[0], digest }] }) },
      { manifest: (made) => ({ ...made, config: { ...made.config, digest } }) },
      { config: json({ ...documents.config, rootfs: { type: "layers", diff_ids: [digest] } }) },
      { descriptor: { digest } },
    ];
    for (const say of lies) await assert.rejects(load(images, archiveOf(say)), invalid(/digest|diff ID|descriptor/), JSON.stringify(digest));
    assert.ok(!isDigest(digest));
    if (typeof digest === "string" && digest !== "") await assert.rejects(images.get(`evil@${digest}`), (error) => error instanceof Failure && /^(invalid|not-found)$/.test(error.kind), digest);
  }
  await nothingLeft(core);
});

test("IMG-08 a blob that is not what its name says", async (t) => {
  const { images, core } = await testImages(t);
  for (const size of [10, 2 ** 21]) {
    const blobs: Blobs = new Map();
    const descriptor = addImage(blobs, { layers: [layer] });
    const name = [...blobs.keys()][size === 10 ? 0 : 1]!;
    blobs.set(name, Buffer.alloc(size === 10 ? blobs.get(name)!.length : size, "other bytes "));
    await assert.rejects(load(images, ociArchive(blobs, [{ ...descriptor, annotations: { [NAME]: "docker.io/library/evil:1" } }])), invalid());
  }
  await nothingLeft(core);
});

for (const name of ["index.json", "manifest.json", "oci-layout", "./manifest.json"]) {
  test(`IMG-09 ${name} of 10 GiB is given up before it is read`, async (t) => {
    const { images, core } = await testImages(t);
    const { source, given } = endless(header({ name, size: wide(10n * 2n ** 30n, 12) }), 0x20, 2 ** 26);
    await assert.rejects(Array.fromAsync(images.load(source, { signal: new AbortController().signal })), invalid(/10737418240 bytes/));
    assert.ok(given() < 2 ** 21, `${given()} bytes were read`);
    await nothingLeft(core);
  });
}

test("IMG-09 documents that are many rather than large", async (t) => {
  const { images, core } = await testImages(t);
  async function* many(): AsyncGenerator<Buffer> {
    for (let at = 0; at < 200; at++) yield Buffer.concat([header({ name: `f${at}`, size: octal(2 ** 20) }), Buffer.alloc(2 ** 20, 0x20)]);
  }
  await assert.rejects(Array.fromAsync(images.load(many(), { signal: new AbortController().signal })), invalid(/too many small files/));
  await nothingLeft(core);
});

test("IMG-10 a manifest, a configuration and an index beyond 4 MiB", async (t) => {
  const { images, core } = await testImages(t);
  const padding = "x".repeat(MAX_DOCUMENT);
  await assert.rejects(load(images, archiveOf({ manifest: (made) => ({ ...made, annotations: { padding } }) }), 2 ** 20), invalid(/limit/));
  await assert.rejects(load(images, archiveOf({ config: json({ ...documents.config, padding }) }), 2 ** 20), invalid(/limit/));
  await nothingLeft(core);
  await load(images, archiveOf({ config: json({ ...documents.config, padding: padding.slice(0, 3 * 2 ** 20) }) }), 2 ** 20);
});

test("IMG-11 an archive names what it brings, which is told; what is imported is named by who imports", async (t) => {
  const { images, core, events } = await testImages(t);
  await load(images, dockerArchive([{ tags: ["docker.io/library/busybox:latest", "registry.example/team/app:1"] }]));
  const { id } = await images.get("registry.example/team/app:1");
  assert.ok(events.some((event) => event.startsWith("load ") && event.includes(id)), events.join(", "));
  await images.remove("busybox", { force: true, noprune: false });
  await images.remove("registry.example/team/app:1", { force: true, noprune: false });
  // The same archive as a root file system: its manifest.json is a file like any other.
  async function* archive(): AsyncGenerator<Buffer> {
    yield dockerArchive([{ tags: ["docker.io/library/busybox:latest"] }]);
  }
  await images.import(archive(), { target: "", message: "", changes: [], signal: new AbortController().signal });
  assert.deepEqual(core.images.list().filter(({ name }) => !name.endsWith("@dangling")), []);
});

test("IMG-12 sizes are claims: nothing is allocated for them, and they have to be true", async (t) => {
  const { images, core } = await testImages(t);
  const before = process.memoryUsage().arrayBuffers;
  for (const size of [2 ** 40, -1, 2 ** 63, "10", 1.5, null, 0, 7, Number.MAX_SAFE_INTEGER]) {
    const lies: Parameters<typeof archiveOf>[0][] = [
      { manifest: (made) => ({ ...made, layers: [{ ...made.layers[0], size }] }) },
      { manifest: (made) => ({ ...made, config: { ...made.config, size } }) },
      { descriptor: { size } },
    ];
    for (const say of lies) await assert.rejects(load(images, archiveOf(say)), invalid(), JSON.stringify(size));
  }
  assert.ok(process.memoryUsage().arrayBuffers - before < 2 ** 28, "memory was taken on a claim");
  await nothingLeft(core);
});

test("IMG-12 an archive's entry that claims more than comes", async (t) => {
  const { images, core } = await testImages(t);
  const name = `blobs/sha256/${digits(sha256(layer))}`;
  for (const size of [wide(2n ** 40n, 12), wide(2n ** 52n, 12), octal(8 ** 11 - 1)]) {
    const archive = Buffer.concat([header({ name, size }), layer]);
    await assert.rejects(load(images, archive), (error) => error instanceof Failure && /invalid|exhausted/.test(error.kind));
  }
  await nothingLeft(core);
});

test("IMG-08 a layer that is here is not taken for another image's because that claims its digest", async (t) => {
  const { images, core } = await testImages(t);
  await load(images, archiveOf({}));
  const other = plainLayer("b");
  const config = configOf({ layers: [other] });
  // The first image's blob under the second image's diff ID.
  await assert.rejects(load(images, archiveOf({ config })), invalid(/diff ID/));
  assert.equal(core.images.list().length, 1);
});
