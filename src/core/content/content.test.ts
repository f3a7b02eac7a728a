import assert from "node:assert/strict";
import { readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { sha256 } from "#base/digest.ts";
import { Failure, type Kind } from "#base/errors.ts";
import { collect } from "#base/streams.ts";
import { digits } from "#spec/digest.ts";
import { leftOvers, testCore } from "../core-fixture.ts";

const failure = (kind: Kind, message: RegExp) => (error: unknown) => error instanceof Failure && error.kind === kind && message.test(error.message);
const bytes = Buffer.from("some content, ".repeat(100_000));
const digest = sha256(bytes);

function* pieces(all: Buffer, size: number): Generator<Buffer> {
  for (let at = 0; at < all.length; at += size) yield all.subarray(at, at + size);
}

test("what goes in comes out, whatever its pieces", async (t) => {
  const { content, leases, root } = await testCore(t);
  using lease = leases.open();
  for (const size of [1000, 65536, bytes.length]) assert.deepEqual(await content.ingest(lease, pieces(bytes, size), { digest, size: bytes.length }), { digest, size: bytes.length });
  assert.deepEqual(await leftOvers(root), { blobs: [digits(digest)], ingests: [], snapshots: [] });
  assert.equal(statSync(join(root, "content/blobs/sha256", digits(digest))).mode & 0o777, 0o600);
  assert.ok((await collect(content.stream(digest), 2 ** 30, "it")).equals(bytes));
  assert.ok((await content.read(digest)).equals(bytes));
  const empty = await content.ingest(lease, []);
  assert.deepEqual([empty.size, (await content.read(empty.digest)).length], [0, 0]);
});

for (const [what, expected, message] of [
  ["another digest (IMG-08)", { digest: sha256("other") }, /has the digest/],
  ["fewer bytes than announced", { size: bytes.length + 1 }, /bytes came/],
  ["more bytes than announced", { size: bytes.length - 1 }, /more than/],
  ["more than the limit", { limit: 1000 }, /more than 1000/],
] as const) {
  test(`refuses ${what}, and keeps nothing`, async (t) => {
    const { content, leases, root } = await testCore(t);
    using lease = leases.open();
    await assert.rejects(content.ingest(lease, pieces(bytes, 65536), expected), failure("invalid", message));
    assert.deepEqual(await leftOvers(root), { blobs: [], ingests: [], snapshots: [] });
    assert.deepEqual(content.list(), []);
  });
}

test("a source that fails leaves nothing, and its error comes through", async (t) => {
  const { content, leases, root } = await testCore(t);
  using lease = leases.open();
  const source = async function* () {
    yield bytes;
    throw new RangeError("gone");
  };
  await assert.rejects(content.ingest(lease, source()), RangeError);
  assert.deepEqual((await leftOvers(root)).ingests, []);
});

test("fifty at once of the same are one blob", async (t) => {
  const { content, leases, root } = await testCore(t);
  using lease = leases.open();
  const all = await Promise.all(Array.from({ length: 50 }, () => content.ingest(lease, pieces(bytes, 65536))));
  assert.ok(all.every((blob) => blob.digest === digest));
  assert.deepEqual(await leftOvers(root), { blobs: [digits(digest)], ingests: [], snapshots: [] });
});

test("a writer that is given up leaves nothing; twice is fine", async (t) => {
  const { content, leases, root } = await testCore(t);
  using lease = leases.open();
  const writer = await content.writer(lease);
  await writer.write(bytes);
  await writer.abort();
  await writer.abort();
  assert.deepEqual((await leftOvers(root)).ingests, []);
});

test("what is not there is not found; what is too long is not read whole", async (t) => {
  const { content, leases } = await testCore(t);
  using lease = leases.open();
  await assert.rejects(content.read(digest), failure("not-found", /not found/));
  assert.throws(() => content.stream(digest), failure("not-found", /not found/));
  assert.equal(content.find(lease, digest), undefined);
  await content.ingest(lease, [bytes]);
  await assert.rejects(content.read(digest, 1000), failure("invalid", /limit of 1000/));
});

test("a blob that was damaged or lost on the disk is not given out (F-12)", async (t) => {
  const { content, leases, root } = await testCore(t);
  using lease = leases.open();
  await content.ingest(lease, [bytes]);
  const path = join(root, "content/blobs/sha256", digits(digest));
  const damaged = readFileSync(path);
  damaged[5]! ^= 1;
  writeFileSync(path, damaged);
  await assert.rejects(content.read(digest), failure("internal", /damaged/));
  truncateSync(path, 100);
  await assert.rejects(content.read(digest), failure("internal", /damaged/));
  rmSync(path);
  await assert.rejects(content.read(digest), failure("not-found", /not found/));
});
