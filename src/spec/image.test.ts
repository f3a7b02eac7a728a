import assert from "node:assert/strict";
import { test } from "node:test";
import { Failure } from "#base/errors.ts";
import { chainIds, type Descriptor, isIndex, MAX_DOCUMENT, MEDIA, parseConfig, parseDescriptor, parseIndex, parseManifest, parseTarget } from "./image.ts";

const A = `sha256:${"a".repeat(64)}` as const;
const B = `sha256:${"b".repeat(64)}` as const;
const bytes = (value: unknown) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value));
const refused = (error: unknown) => error instanceof Failure && error.kind === "invalid";

const layer: Descriptor = { mediaType: MEDIA.ociLayerGzip, digest: A, size: 5 };
const manifest = { schemaVersion: 2, mediaType: MEDIA.ociManifest, config: { mediaType: MEDIA.ociConfig, digest: B, size: 7 }, layers: [layer] };
const index = {
  schemaVersion: 2,
  mediaType: MEDIA.ociIndex,
  manifests: [{ mediaType: MEDIA.ociManifest, digest: A, size: 9, platform: { os: "linux", architecture: "arm64", variant: "v8" }, annotations: { k: "v" } }],
};
const config = {
  architecture: "amd64", os: "linux", created: "2026-01-01T00:00:00Z", config: { Cmd: ["sh"], Labels: { a: "b" } },
  rootfs: { type: "layers", diff_ids: [A, B] }, history: [{ created: "2026-01-01T00:00:00Z", created_by: "x" }, { empty_layer: true, comment: "c" }, {}],
};

test("a manifest", () => {
  const parsed = parseTarget(bytes(manifest), MEDIA.ociManifest);
  assert.ok(!isIndex(parsed));
  assert.deepEqual(parsed.layers.map(({ digest, size }) => [digest, size]), [[A, 5]]);
});

test("an index with platforms", () => {
  const parsed = parseTarget(bytes(index), MEDIA.ociIndex);
  assert.ok(isIndex(parsed));
  assert.equal(parsed.manifests[0]?.platform?.variant, "v8");
  assert.equal(parsed.manifests[0]?.annotations?.["k"], "v");
});

test("a configuration; what it leaves out is empty", () => {
  const parsed = parseConfig(bytes(config));
  assert.deepEqual([parsed.platform.architecture, parsed.diffIds, parsed.history.length], ["amd64", [A, B], 3]);
  assert.deepEqual(parsed.history.map(({ created, emptyLayer }) => [created, emptyLayer]), [["2026-01-01T00:00:00Z", false], [undefined, true], [undefined, false]]);
  const least = parseConfig(bytes({}));
  assert.deepEqual([least.platform.os, least.diffIds, least.author, least.created], ["linux", [], "", undefined]);
});

for (const [what, value, mediaType] of [
  ["both manifests and layers (IMG-02)", { ...manifest, manifests: [] }, MEDIA.ociManifest],
  ["an index with layers (IMG-02)", { ...index, layers: [] }, MEDIA.ociIndex],
  ["an index with a configuration (IMG-02)", { ...index, config: {} }, MEDIA.ociIndex],
  ["a manifest of schema 1", { ...manifest, schemaVersion: 1 }, MEDIA.ociManifest],
  ["a media type that is not the one announced (IMG-02)", { ...manifest, mediaType: MEDIA.dockerManifest }, MEDIA.ociManifest],
  ["a media type that is no image's", manifest, "text/html"],
  ["layers that are no list", { ...manifest, layers: {} }, MEDIA.ociManifest],
  ["no configuration", { ...manifest, config: undefined }, MEDIA.ociManifest],
  ["a list instead of an object", [], MEDIA.ociManifest],
  ["null", null, MEDIA.ociManifest],
  ["half a document", '{"schemaVersion":2,', MEDIA.ociManifest],
  ["the same key twice", '{"schemaVersion":2,"layers":[],"layers":[],"config":{}}', MEDIA.ociManifest],
] as const) {
  test(`refuses ${what}`, () => assert.throws(() => parseTarget(bytes(value), mediaType), refused));
}

test("a document without its own media type is what it was said to be", () => {
  const { mediaType: _, ...bare } = manifest;
  assert.equal(parseManifest(bytes(bare), MEDIA.dockerManifest).mediaType, MEDIA.dockerManifest);
});

test("a document longer than 4 MiB is refused (IMG-10)", () => {
  assert.throws(() => parseIndex(bytes({ ...index, annotations: { x: "y".repeat(MAX_DOCUMENT) } })), refused);
});

for (const descriptor of [
  { ...layer, digest: "sha256:../../x" }, { ...layer, digest: `sha256:${"A".repeat(64)}` }, { ...layer, digest: `md5:${"a".repeat(32)}` }, { ...layer, digest: "" },
  { ...layer, digest: null }, { ...layer, size: -1 }, { ...layer, size: "10" }, { ...layer, size: 1.5 }, { ...layer, size: 2 ** 53 }, { ...layer, mediaType: 5 },
  { ...layer, annotations: { a: 1 } }, { ...layer, annotations: [] }, { ...layer, platform: "linux" }, null, [], "x",
]) {
  test(`refuses the descriptor ${JSON.stringify(descriptor)?.slice(0, 90)} (IMG-08, IMG-12)`, () => assert.throws(() => parseDescriptor(descriptor, "a test"), refused));
}

test("mutated documents are read or refused, never anything else (IMG-01)", () => {
  const odd = [null, 0, -1, 1e300, "", "x", [], [null], {}, { a: null }, true, [[]], Number.MAX_SAFE_INTEGER];
  let tried = 0;
  for (const [value, parse] of [[manifest, parseManifest], [index, parseIndex], [config, parseConfig]] as const) {
    for (const path of paths(value)) {
      for (const item of odd) {
        tried++;
        const mutated = structuredClone(value) as unknown;
        set(mutated, path, item);
        try {
          parse(bytes(mutated));
        } catch (error) {
          assert.ok(refused(error), `${path.join(".")} = ${JSON.stringify(item)}: ${String(error)}`);
        }
      }
    }
  }
  assert.ok(tried > 500);
});

function paths(value: unknown, at: string[] = []): string[][] {
  if (typeof value !== "object" || value === null) return [at];
  return [...(at.length === 0 ? [] : [at]), ...Object.entries(value).flatMap(([key, item]) => paths(item, [...at, key]))];
}

function set(value: unknown, path: string[], item: unknown): void {
  const parent = path.slice(0, -1).reduce((at, key) => (at as Record<string, unknown>)[key], value) as Record<string, unknown>;
  parent[path.at(-1)!] = item;
}

test("chain IDs: the first is its diff ID, each further the digest of both", () => {
  assert.deepEqual(chainIds([]), []);
  // printf 'sha256:aa… sha256:bb…' | sha256sum
  assert.deepEqual(chainIds([A, B]), [A, "sha256:ccd722928bd92476ba1745586fed6e45a102504185ad88cd89e01ff116fd146c"]);
});
