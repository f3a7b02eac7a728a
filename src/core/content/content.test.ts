import assert from "node:assert/strict";
import { readFileSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { sha256 } from "#base/digest.ts";
import { Failure, type Kind } from "#base/errors.ts";
import { collect } from "#base/streams.ts";
import { digits } from "#spec/digest.ts";
import { leftOvers, testCore } from "../core-fixture.ts";
import type { ContentStore } from "./store.ts";

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

test("a blob that comes in several attempts: what is there is replayed, hashed, and gone on from", async (t) => {
  const { content, leases, root } = await testCore(t);
  using lease = leases.open();
  const first = await content.resume(lease, { digest, size: bytes.length });
  assert.equal(first.offset, 0);
  await assert.rejects(content.resume(lease, { digest, size: bytes.length }), failure("conflict", /already/));
  await first.write(bytes.subarray(0, 500_000));
  await first.suspend();
  assert.deepEqual((await content.partials()).map(({ digest, size }) => [digest, size]), [[digest, 500_000]]);
  assert.equal(content.stat(digest), undefined);
  const second = await content.resume(lease, { digest, size: bytes.length });
  assert.equal(second.offset, 500_000);
  assert.ok((await collect(second.replay(), 2 ** 30, "it")).equals(bytes.subarray(0, 500_000)));
  await second.write(bytes.subarray(500_000));
  assert.deepEqual(await second.commit(), { digest, size: bytes.length });
  await second.suspend();
  assert.ok((await content.read(digest)).equals(bytes));
  assert.deepEqual(await content.partials(), []);
  assert.deepEqual((await leftOvers(root)).ingests, []);
});

test("an attempt that turns out to be wrong, too long or empty keeps nothing", async (t) => {
  const { content, leases } = await testCore(t);
  using lease = leases.open();
  const wrong = await content.resume(lease, { digest: sha256("other"), size: 10 });
  await wrong.write(bytes.subarray(0, 10));
  await assert.rejects(wrong.commit(), failure("invalid", /has the digest/));
  const long = await content.resume(lease, { digest, size: 10 });
  await assert.rejects(long.write(bytes), failure("invalid", /more than 10/));
  await long.suspend();
  const empty = await content.resume(lease, { digest, size: 10 });
  await empty.suspend();
  assert.deepEqual(await content.partials(), []);
});

test("what attempts left is dropped when it is old, when it is asked for, and never while one is under way", async (t) => {
  const { content, leases, root } = await testCore(t);
  using lease = leases.open();
  for (const [index, days] of [[1, 8], [2, 1], [3, 0]] as const) {
    const writer = await content.resume(lease, { digest: sha256(`${index}`), size: 100 });
    await writer.write(bytes.subarray(0, index));
    await writer.suspend();
    const time = new Date(Date.now() - days * 86_400_000);
    utimesSync(join(root, "content/partial", digits(sha256(`${index}`))), time, time);
  }
  writeFileSync(join(root, "content/partial/no digest"), "x");
  await (content as ContentStore).sweep();
  assert.deepEqual((await content.partials()).map(({ size }) => size).toSorted(), [2, 3]);
  const busy = await content.resume(lease, { digest: sha256("2"), size: 100 });
  assert.deepEqual(await content.dropPartials(), { bytes: 3 });
  await busy.suspend();
  assert.deepEqual(await content.dropPartials(new Date(Date.now() - 2 * 86_400_000)), { bytes: 0 });
  assert.deepEqual(await content.dropPartials(), { bytes: 2 });
});
