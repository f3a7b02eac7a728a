import assert from "node:assert/strict";
import { test } from "node:test";
import { sha256 } from "#base/digest.ts";
import { MEDIA } from "#spec/image.ts";
import { openTestRegistry } from "../registry-fixture.ts";

test("referrers with much to say come in pages of bounded bytes, all of them", async () => {
  await using registry = await openTestRegistry();
  const subject = sha256("subject");
  const digests = Array.from({ length: 12 }, (_, index) => sha256(`referrer ${index}`));
  for (const digest of digests) {
    const descriptor = { mediaType: MEDIA.ociManifest, digest, size: 1, annotations: { long: "x".repeat(1_000_000) } };
    await registry.storage.put(`repositories/a/_referrers/sha256/${subject.slice(7)}/${digest.slice(7)}`, Buffer.from(JSON.stringify(descriptor)));
  }
  const found: string[] = [];
  let pages = 0;
  for (let path: string | undefined = `/v2/a/referrers/${subject}`; path !== undefined; pages++) {
    const page = await registry.ask("GET", path);
    assert.ok(page.body.length < 6_000_000, `${page.body.length} bytes`);
    found.push(...page.json().manifests.map(({ digest }: { digest: string }) => digest));
    path = /^<(.*)>; rel="next"$/.exec(String(page.headers.link ?? ""))?.[1];
  }
  assert.ok(pages > 1);
  assert.deepEqual(found, digests.toSorted());
});
