import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { test } from "node:test";
import { sha256 } from "#base/digest.ts";
import { openLog } from "#base/log.ts";
import { MEDIA } from "#spec/image.ts";
import type { Digest } from "#spec/digest.ts";
import type { CollectSettings } from "../open-registry.ts";
import { openTestRegistry, testSettings, type TestRegistry } from "../registry-fixture.ts";
import type { Storage } from "../storage/storage.ts";
import { collect, type Report } from "./collect.ts";

const log = openLog({ write: () => {} });
const HOUR = 3600_000;

/** A collection some hours from now. */
async function collectLater(storage: Storage, settings: Partial<CollectSettings> = {}, { hours = 2, dryRun = false, say = (_: string): void => {} } = {}): Promise<Report> {
  const report = await collect(storage, { ...testSettings.collect, ...settings }, { dryRun, log, now: () => Date.now() + hours * HOUR, say });
  assert.ok(report !== undefined);
  return report;
}

const blobsOf = async (storage: Storage): Promise<Set<string>> => new Set((await Array.fromAsync(storage.list("blobs/sha256/"))).map((key) => `sha256:${key.slice(13)}`));
const has = async (registry: TestRegistry, path: string): Promise<boolean> => (await registry.ask("GET", `/v2/${path}`)).status === 200;
const bytes = (text: string): Buffer => Buffer.from(text);

test("what tags, indexes and subjects lead to stays; what nothing needs goes, links first, bytes then", async () => {
  await using registry = await openTestRegistry();
  const { storage } = registry;
  const child = await registry.pushImage("a", "", bytes("child"));
  const index = await registry.pushManifest("a", "multi", { schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests: [{ mediaType: MEDIA.ociManifest, digest: child, size: 1 }] });
  const signature = await registry.pushImage("a", "", bytes("signature"), { subject: { mediaType: MEDIA.ociIndex, digest: index, size: 1 } });
  const orphan = await registry.pushImage("a", "", bytes("orphan"));
  const refersToOrphan = await registry.pushImage("a", "", bytes("of an orphan"), { subject: { mediaType: MEDIA.ociManifest, digest: orphan, size: 1 } });
  const loose = await registry.pushBlob("a", bytes("loose"));
  await registry.pushBlob("b", bytes("child"));

  assert.deepEqual(await collectLater(storage, { untaggedMs: HOUR }, { hours: 0 }), { tags: 0, manifests: 0, links: 0, blobs: 0, bytes: 0, uploads: 0 }, "all is young");
  const kept = await collectLater(storage);
  assert.deepEqual([kept.manifests, kept.links], [0, 2], "untagged manifests are kept unless it is asked for");
  assert.ok(!(await has(registry, `a/blobs/${loose}`)));
  assert.ok(!(await has(registry, `b/blobs/${sha256("child")}`)), "b did not need it");
  const told: string[] = [];
  const before = await blobsOf(storage);
  const would = await collectLater(storage, { untaggedMs: HOUR }, { dryRun: true, say: (text) => told.push(text) });
  assert.deepEqual(await blobsOf(storage), before, "a dry run takes nothing");
  assert.ok(told.some((text) => text.includes(orphan)));
  const report = await collectLater(storage, { untaggedMs: HOUR });
  assert.deepEqual(report, would, "and says what the real one does");
  assert.equal(report.manifests, 2);
  for (const path of ["manifests/multi", `manifests/${child}`, `manifests/${signature}`, `blobs/${sha256("child")}`, `blobs/${sha256("signature")}`]) assert.ok(await has(registry, `a/${path}`), path);
  for (const path of [`manifests/${orphan}`, `manifests/${refersToOrphan}`, `blobs/${sha256("orphan")}`]) assert.ok(!(await has(registry, `a/${path}`)), path);
  assert.equal((await blobsOf(storage)).has(sha256("orphan")), false);
  assert.equal((await registry.ask("GET", `/v2/a/referrers/${orphan}`)).json().manifests.length, 0);
  assert.equal((await registry.ask("GET", `/v2/a/referrers/${index}`)).json().manifests.length, 1);
  assert.deepEqual(await collectLater(storage, { untaggedMs: HOUR }), { tags: 0, manifests: 0, links: 0, blobs: 0, bytes: 0, uploads: 0 }, "the second finds nothing");
});

test("SHA-512: what an index needs stays, what nothing needs goes, and of the same bytes by both algorithms only what is needed", async () => {
  await using registry = await openTestRegistry();
  const sha512 = (text: string) => `sha512:${hash("sha512", text)}`;
  const push = async (text: string) => {
    assert.equal((await registry.ask("POST", `/v2/a/blobs/uploads/?digest=${sha512(text)}`, { body: text })).status, 201);
    return { mediaType: "application/octet-stream", digest: sha512(text), size: text.length };
  };
  const image = JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.ociManifest, config: await push("config"), layers: [await push("layer")] });
  assert.equal((await registry.ask("PUT", `/v2/a/manifests/${sha512(image)}`, { body: image, headers: { "content-type": MEDIA.ociManifest } })).status, 201);
  await registry.pushManifest("a", "kept", { schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests: [{ mediaType: MEDIA.ociManifest, digest: sha512(image), size: image.length }] });
  await push("loose");
  const twin = await registry.pushBlob("a", bytes("layer"));
  const { links, blobs, manifests } = await collectLater(registry.storage, { untaggedMs: HOUR });
  assert.deepEqual({ links, blobs, manifests }, { links: 2, blobs: 2, manifests: 0 });
  for (const path of [`manifests/${sha512(image)}`, `blobs/${sha512("config")}`, `blobs/${sha512("layer")}`]) assert.ok(await has(registry, `a/${path}`), path);
  for (const digest of [sha512("loose"), twin]) assert.ok(!(await has(registry, `a/blobs/${digest}`)), digest);
  assert.equal((await collectLater(registry.storage)).blobs, 0);
});

test("RS-06: an upload that nobody went on with goes after its time", async () => {
  await using registry = await openTestRegistry();
  const { headers } = await registry.ask("POST", "/v2/a/blobs/uploads/");
  await registry.ask("PATCH", headers.location!, { body: "part" });
  assert.equal((await collectLater(registry.storage, {}, { hours: 23 })).uploads, 0);
  assert.equal((await registry.ask("GET", headers.location!)).status, 204);
  assert.equal((await collectLater(registry.storage, {}, { hours: 25 })).uploads, 1);
  assert.equal((await registry.ask("GET", headers.location!)).status, 404);
  assert.deepEqual(await Array.fromAsync(registry.storage.uploads("uploads/")), []);
});

test("tags go by retention, and what only they held with them", async () => {
  await using registry = await openTestRegistry();
  for (const tag of ["pr-1", "pr-2", "pr-3", "v1"]) await registry.pushImage("ci/app", tag, bytes(tag));
  const rules = { retention: [{ repositories: "ci/**", tags: "pr-*", keepLast: 1 }], untaggedMs: 0 };
  const report = await collectLater(registry.storage, rules);
  assert.equal(report.tags, 2);
  assert.deepEqual((await registry.ask("GET", "/v2/ci/app/tags/list")).json().tags, ["pr-3", "v1"]);
  const left = await blobsOf(registry.storage);
  assert.deepEqual(["pr-1", "pr-2", "pr-3", "v1"].map((layer) => left.has(sha256(layer))), [false, false, true, true]);
});

test("what is looked at, mounted or named again is young, and what is in the trash is found by who needs it", async () => {
  await using registry = await openTestRegistry();
  const { storage } = registry;
  const digest = await registry.pushBlob("a", bytes("old"));
  // As if a collection had been stopped between its two looks.
  await storage.move(`blobs/sha256/${digest.slice(7)}`, `trash/${digest.slice(7)}`);
  await registry.pushBlob("b", bytes("other"));
  assert.equal((await registry.ask("POST", `/v2/b/blobs/uploads/?mount=${digest}&from=a`)).status, 201);
  assert.ok(await has(registry, `a/blobs/${digest}`));
  await storage.move(`blobs/sha256/${digest.slice(7)}`, `trash/${digest.slice(7)}`);
  await collectLater(storage, {}, { hours: 0 });
  assert.ok(await has(registry, `a/blobs/${digest}`), "the next collection puts back what has a link");
});

test("a collection that died is made good: what came to need its links has them", async () => {
  await using registry = await openTestRegistry();
  const { storage } = registry;
  const digest = await registry.pushImage("a", "1", bytes("layer"));
  // Its note, and a link gone, while a push made a manifest that needs it.
  const key = `repositories/a/_blobs/sha256/${sha256("layer").slice(7)}`;
  await storage.put("collect/notes/a", bytes(JSON.stringify([{ key, content: "", version: "" }])));
  await storage.delete(key);
  await storage.put("collect/running", bytes("gone"));
  assert.equal(await collect(storage, testSettings.collect, { dryRun: false, log }), undefined, "somebody collects");
  await storage.delete("collect/running");
  await collectLater(storage);
  assert.ok(await has(registry, `a/blobs/${sha256("layer")}`));
  assert.ok(await has(registry, `a/manifests/${digest}`));
});

test("collections that run while many push and delete never take what a manifest needs", async () => {
  await using registry = await openTestRegistry();
  await using other = await openTestRegistry({ root: registry.root });
  const instances = [registry, other];
  let pushing = true;
  let collections = 0;
  // No grace: whatever nothing names at this moment goes. Pushes may fail by it (their blobs went), never what was acknowledged.
  const collecting = (async () => {
    while (pushing) {
      const report = await collect(registry.storage, { ...testSettings.collect, graceMs: 0, untaggedMs: 0 }, { dryRun: false, log });
      if (report !== undefined) collections++;
    }
  })();
  const acknowledged = new Map<string, { digest: Digest; layer: string }>();
  let failed = 0;
  const push = async (worker: number) => {
    for (let round = 0; round < 25; round++) {
      const to = instances[round % 2]!;
      // Few layers: the same bytes come and go all the time.
      const layer = `layer ${(worker + round) % 4}`;
      const tag = `t${worker}`;
      try {
        const digest = await to.pushImage(`repo${worker % 2}`, tag, bytes(layer));
        acknowledged.set(`repo${worker % 2}/manifests/${tag}`, { digest, layer });
      } catch (error) {
        assert.match(String(error), /MANIFEST_BLOB_UNKNOWN|a collection took it/);
        failed++;
      }
    }
  };
  await Promise.all(Array.from({ length: 6 }, (_, worker) => push(worker)));
  pushing = false;
  await collecting;
  assert.ok(collections > 1, `${collections} collections`);
  assert.ok(acknowledged.size > 0, `${failed} pushes failed`);
  for (const [path, { digest, layer }] of acknowledged) {
    const found = await registry.ask("GET", `/v2/${path}`);
    assert.equal(found.status, 200, path);
    // A push that failed after an acknowledged one leaves the tag as it was.
    assert.equal(found.headers["docker-content-digest"], digest, path);
    for (const { digest: needed } of [found.json().config, ...found.json().layers]) {
      assert.ok(await has(registry, `${path.split("/")[0]}/blobs/${needed}`), `${path} needs ${needed} (${layer})`);
    }
  }
});
