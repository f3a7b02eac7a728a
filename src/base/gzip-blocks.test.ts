import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { gzipBlocks } from "./gzip-blocks.ts";

async function zipped(...chunks: Buffer[]): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of gzipBlocks(chunks)) parts.push(part);
  return Buffer.concat(parts);
}

test("what comes out of any gzip reader is what went in", async () => {
  const text = Buffer.alloc(3_500_000, "some words, again and again; ");
  const noise = randomBytes(2_500_000);
  for (const chunks of [[], [Buffer.alloc(0)], [Buffer.from("x")], [text], [noise], [text, noise, text.subarray(0, 7), noise.subarray(5)], Array.from({ length: 70 }, () => noise.subarray(0, 65_536))]) {
    assert.ok(gunzipSync(await zipped(...chunks)).equals(Buffer.concat(chunks)));
  }
});

test("what can be compressed is, and what cannot is stored", async () => {
  assert.ok((await zipped(Buffer.alloc(4_000_000, "compressible "))).length < 100_000);
  const stored = (await zipped(randomBytes(4_000_000))).length;
  assert.ok(stored > 4_000_000 && stored < 4_010_000, String(stored));
});
