import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { constants, gzipSync, zstdCompressSync } from "node:zlib";
import { bzip2, xz } from "../../test/fixtures/compressed.ts";
import { Failure, fail } from "./errors.ts";
import { release } from "./memory.ts";
import { atMost, collect, CHUNK, decompress, detectCompression, gather, peek, tap } from "./streams.ts";

const LIMIT = 2 ** 30;
const data = Buffer.from(Array.from({ length: 300_000 }, (_, index) => `line ${index} of something that compresses\n`).join(""));
const formats = { gzip: gzipSync(data), zstd: zstdCompressSync(data, { params: { [constants.ZSTD_c_checksumFlag]: 1 } }) };

function* pieces(bytes: Buffer, size: number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function inflate(bytes: Buffer, size = 70_000, limit = LIMIT): Promise<Buffer> {
  const { stream } = await decompress(pieces(bytes, size), { what: "it", limit });
  return collect(stream, LIMIT, "it");
}

const refused = (message: RegExp) => (error: unknown) => error instanceof Failure && error.kind === "invalid" && message.test(error.message);

for (const [name, bytes] of Object.entries(formats)) {
  for (const size of [1000, 65536, bytes.length]) {
    test(`${name} in pieces of ${size} bytes`, async () => assert.ok((await inflate(bytes, size)).equals(data)));
  }
  test(`${name}: several members are one stream`, async () => {
    assert.equal((await inflate(Buffer.concat([bytes, bytes, bytes]))).length, 3 * data.length);
  });
  test(`${name}: zeros may follow (GZ-02)`, async () => {
    assert.equal((await inflate(Buffer.concat([bytes, Buffer.alloc(100_000)]), 1 << 20)).length, data.length);
    assert.equal((await inflate(Buffer.concat([bytes, Buffer.alloc(100_000)]), 1000)).length, data.length);
  });
  for (const [what, tail] of [["text", Buffer.from("trailing")], ["one byte", Buffer.from("x")], ["zeros and text", Buffer.concat([Buffer.alloc(5000), Buffer.from("x")])], ["text and zeros", Buffer.concat([Buffer.from("x"), Buffer.alloc(5000)])]] as const) {
    test(`${name}: ${what} may not follow (GZ-02)`, async () => {
      for (const size of [1000, 1 << 24]) await assert.rejects(inflate(Buffer.concat([bytes, tail]), size), refused(/damaged|after the end/));
    });
  }
  test(`${name}: cut short anywhere (GZ-04)`, async () => {
    for (let part = 1; part < 16; part++) {
      await assert.rejects(inflate(bytes.subarray(0, Math.max(9, Math.floor((bytes.length * part) / 16)))), refused(/damaged/));
    }
  });
  test(`${name}: a bit flipped in its data (GZ-04)`, async () => {
    for (let part = 1; part < 8; part++) {
      const flipped = Buffer.from(bytes);
      flipped[Math.floor((bytes.length * part) / 8)]! ^= 0x10;
      await assert.rejects(inflate(flipped), refused(/damaged/));
    }
  });
  test(`${name}: more than the limit (GZ-01)`, async () => {
    await assert.rejects(inflate(bytes, 65536, data.length - 1), refused(/more than the limit/));
    assert.equal((await inflate(bytes, 65536, data.length)).length, data.length);
  });
  test(`${name}: given up in the middle, the source is ended`, async () => {
    let ended = false;
    const source = async function* () {
      try {
        for (;;) yield* pieces(Buffer.concat([bytes, bytes]), 1000);
      } finally {
        ended = true;
      }
    };
    const { stream } = await decompress(source(), { what: "it", limit: LIMIT });
    for await (const _ of stream) break;
    while (!ended) await new Promise((resolve) => setImmediate(resolve));
  });
  test(`${name}: what the source throws is thrown`, async () => {
    const source = async function* () {
      yield bytes.subarray(0, 5000);
      throw new RangeError("the source is gone");
    };
    await assert.rejects(decompress(source(), { what: "it", limit: LIMIT }).then(({ stream }) => collect(stream, LIMIT, "it")), RangeError);
  });
  test(`${name}: consumed chunks are released, and only when they were read`, async () => {
    const source = function* () {
      for (const piece of pieces(bytes, 1 << 18)) {
        const own = Buffer.allocUnsafeSlow(Math.max(piece.length, 1 << 17));
        own.set(piece);
        yield own.subarray(0, piece.length);
      }
    };
    const { stream } = await decompress(source(), { what: "it", limit: LIMIT, consume: true });
    assert.ok((await collect(stream, LIMIT, "it")).equals(data));
  });
}

test("200,000 empty members hold up nothing (GZ-02)", async () => {
  const empty = gzipSync(Buffer.alloc(0));
  const many = Buffer.concat([...Array<Buffer>(200_000).fill(empty), formats.gzip]);
  assert.ok((await inflate(many)).equals(data));
});

test("a zstd window of 256 MiB is refused (GZ-01)", async () => {
  const wide = zstdCompressSync(Buffer.alloc(2 ** 28 + 10), { params: { [constants.ZSTD_c_windowLog]: 28 } });
  await assert.rejects(inflate(wide), refused(/damaged/));
});

test("what is not compressed passes", async () => {
  assert.equal((await decompress([Buffer.from("plain text")], { what: "it", limit: 100 })).compression, "none");
  assert.equal((await inflate(Buffer.from("plain text"))).toString(), "plain text");
  assert.equal((await inflate(Buffer.alloc(0))).length, 0);
});

for (const [name, packed] of [["xz", xz], ["bzip2", bzip2]] as const) {
  test(`${name}: read, bounded, refused when damaged`, async () => {
    assert.equal((await inflate(packed)).toString(), "x\n");
    await assert.rejects(inflate(packed.subarray(0, -6)), refused(new RegExp(`read it: it is no valid ${name} stream`)));
    const beyond = await decompress([packed], { what: "it", limit: 1 });
    await assert.rejects(Array.fromAsync(beyond.stream), refused(/more than the limit/));
    const many = Array.from({ length: 20 }, () => inflate(packed));
    assert.deepEqual((await Promise.all(many)).map(String), many.map(() => "x\n"));
  });
}

test("xz is decoded on another thread: this one goes on meanwhile", { skip: spawnSync("xz", ["--version"]).status === 0 ? false : "there is no xz" }, async () => {
  const packed = execFileSync("xz", ["-1", "-c"], { input: Buffer.concat(Array.from({ length: 8 }, (_, at) => randomBytes(2 ** 18).fill(at, 0, 2 ** 17))), maxBuffer: 2 ** 24 });
  const used = process.cpuUsage();
  const threads = process.threadCpuUsage();
  assert.equal((await inflate(packed)).length, 2 ** 21);
  const [all, own] = [process.cpuUsage(used), process.threadCpuUsage(threads)];
  assert.ok(own.user < all.user / 2, `${own.user} of ${all.user}`);
  const broken = async function* () {
    yield packed.subarray(0, 2 ** 19);
    throw fail("unavailable", "the source broke");
  };
  const { stream } = await decompress(broken(), { what: "it", limit: LIMIT });
  await assert.rejects(Array.fromAsync(stream), { kind: "unavailable", message: "the source broke" });
});

test("compression is told even when the first bytes come one by one", async () => {
  assert.equal((await decompress(pieces(formats.gzip, 1), { what: "it", limit: LIMIT })).compression, "gzip");
  assert.equal(detectCompression(Buffer.from([0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 7])), "zstd");
});

test("gather joins small chunks and keeps their order", async () => {
  const chunks: Buffer[] = [];
  for await (const chunk of gather(pieces(data, 1000), 4096)) chunks.push(chunk);
  assert.ok(chunks.slice(0, -1).every((chunk) => chunk.length >= 4096 && chunk.length < 4096 + 1000));
  assert.ok(Buffer.concat(chunks).equals(data));
});

test("peek shows the beginning and loses nothing", async () => {
  const { head, stream } = await peek(pieces(data, 10));
  assert.ok(head.length >= 10 && data.subarray(0, head.length).equals(head));
  assert.ok((await collect(stream, LIMIT, "it")).equals(data));
});

test("atMost lets through exactly the limit", async () => {
  await collect(tap([Buffer.alloc(10)], atMost(10, "it")), 10, "it");
  await assert.rejects(collect([Buffer.alloc(11)], 10, "it"), refused(/limit of 10 bytes/));
});

test("release empties a large chunk and leaves shared memory alone", () => {
  const large = Buffer.allocUnsafeSlow(CHUNK);
  const first = large.subarray(0, 100);
  release(first);
  assert.equal(large.length, CHUNK);
  release(large.subarray(100));
  assert.equal(large.length, 0);
  const small = Buffer.from("small");
  release(small);
  assert.equal(small.toString(), "small");
});
