import assert from "node:assert/strict";
import { test } from "node:test";
import { sha256 } from "#base/digest.ts";
import { Failure } from "#base/errors.ts";
import type { Layer } from "#core/layers/layers.ts";
import { MEDIA } from "#spec/image.ts";
import { type CacheDocument, decodeDocument, encodeDocument, identityOfLayers } from "./document.ts";

const layer = (name: string): Layer => ({ diffId: sha256(name), descriptor: { mediaType: MEDIA.ociLayerGzip, digest: sha256(`${name}.gz`), size: name.length } });
const [a, b, c] = [layer("a"), layer("bb"), layer("ccc")];
const sample: CacheDocument = {
  results: [
    { key: sha256("one"), layers: [a, b], created: 1_700_000_000_123_456_789n, whole: true },
    { key: sha256("two"), layers: [a, b, c], created: 2n, whole: true },
    { key: sha256("three"), layers: [a, c], created: 3n, whole: false },
    { key: sha256("nothing"), layers: [], created: 4n, whole: true },
  ],
  facts: new Map([[sha256("fact"), "value"]]),
};

test("a document is the same after a round trip, and has BuildKit's part of what travels", () => {
  const text = encodeDocument(sample);
  assert.deepEqual(decodeDocument(text), sample);
  const { layers, records } = JSON.parse(text) as { layers: { blob: string; parent: number; annotations: { diffID: string } }[]; records: { digest: string; layers: { layer: number }[] }[] };
  const shown = layers.map(({ blob, parent }) => [blob, parent]);
  for (const [index, one] of [a, b, c].entries()) assert.deepEqual(shown[index], [one.descriptor.digest, index - 1]);
  assert.deepEqual(records.map(({ digest, layers: [top] }) => [digest, layers[top!.layer]!.annotations.diffID]), [[sha256("one"), b.diffId], [sha256("two"), c.diffId]]);
  assert.equal(identityOfLayers([]), "");
});

test("a cache of BuildKit's own holds nothing for us", () => {
  assert.deepEqual(decodeDocument('{"layers":[{"blob":"sha256:00"}],"records":[{"digest":"sha256:00"}]}'), { results: [], facts: new Map() });
});

test("what is no document is refused", () => {
  const own = (JSON.parse(encodeDocument(sample)) as { gantry: Record<string, unknown> }).gantry;
  const odd: unknown[] = [
    "", "[", "5", "null", '{"gantry":5}', '{"gantry":{"version":2}}',
    { ...own, layers: [{ ...(own["layers"] as object[])[0], parent: 0 }] },
    { ...own, layers: [{ ...(own["layers"] as object[])[0], parent: -2 }] },
    { ...own, layers: [{ ...(own["layers"] as object[])[0], digest: "../../etc/passwd" }] },
    { ...own, layers: [{ ...(own["layers"] as object[])[0], size: -1 }] },
    { ...own, results: [{ key: sha256("x"), layer: 99, created: "1", whole: true }] },
    { ...own, results: [{ key: "x", layer: 0, created: "1", whole: true }] },
    { ...own, results: [{ key: sha256("x"), layer: 0, created: "soon", whole: true }] },
    { ...own, facts: [["x", "y"]] },
    { ...own, facts: [5] },
    { ...own, layers: [null] },
    { ...own, results: [null] },
    { ...own, layers: Array.from({ length: 20_001 }, () => (own["layers"] as object[])[0]), results: [] },
    { ...own, layers: Array.from({ length: 300 }, (_, index) => ({ ...(own["layers"] as object[])[0], parent: index - 1 })) },
  ];
  for (const one of odd) {
    const text = typeof one === "string" ? one : JSON.stringify({ gantry: one });
    assert.throws(() => decodeDocument(text), (error) => error instanceof Failure && error.kind === "invalid", text.slice(0, 200));
  }
});
