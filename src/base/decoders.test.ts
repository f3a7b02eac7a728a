/** xz and bzip2 read: what the programs of these names wrote; and what is broken is said to be, whatever is broken in it. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { bzip2, bzip2Archive, xz, xzArchive } from "../../test/fixtures/compressed.ts";
import { readBzip2 } from "./bzip2.ts";
import { Failure } from "./errors.ts";
import { readXz } from "./xz.ts";

type Read = typeof readXz;

async function decode(read: Read, bytes: Buffer, piece = 1000): Promise<Buffer> {
  const parts: Buffer[] = [];
  const source = async function* () {
    for (let at = 0; at < bytes.length; at += piece) yield bytes.subarray(at, at + piece);
  };
  for await (const part of read(source(), "a test")) parts.push(part);
  return Buffer.concat(parts);
}

const formats: readonly (readonly [string, Read, Buffer, Buffer])[] = [["xz", readXz, xz, xzArchive], ["bzip2", readBzip2, bzip2, bzip2Archive]];

/** The same each time: text that repeats, runs of all lengths, and what cannot be compressed. */
function content(size: number): Buffer {
  const noise = Array.from({ length: Math.ceil(size / 96) }, (_, index) => createHash("sha256").update(String(index)).digest());
  const runs = Array.from({ length: 600 }, (_, index) => Buffer.alloc(index, index));
  return Buffer.concat([...noise, Buffer.from("and again ".repeat(size / 30)), ...runs]);
}

for (const [program, read, small, archive] of formats) {
  test(`${program}: what was written is read`, async () => {
    assert.equal((await decode(read, small)).toString(), "x\n");
    assert.equal((await decode(read, Buffer.concat([small, small]), 7)).toString(), "x\nx\n");
    assert.equal((await decode(read, archive, 1)).toString("latin1", 0, 6), "packed");
  });

  test(`${program}: what the program writes`, { skip: spawnSync(program, ["--version"], { input: "" }).status === 0 ? false : `there is no ${program}` }, async () => {
    const options = program === "xz" ? [["-0"], ["-9", "--check=sha256"], ["--check=crc32", "--block-size=20000"], ["--check=none", "--lzma2=lc=1,lp=2,pb=4"]] : [["-1"], ["-9"]];
    for (const size of [0, 100, 300_000]) {
      for (const flags of options) {
        const bytes = size === 0 ? Buffer.alloc(0) : content(size);
        const { stdout } = spawnSync(program, [...flags, "-c"], { input: bytes, maxBuffer: 2 ** 26 });
        assert.ok((await decode(read, stdout, 50_000)).equals(bytes), `${flags.join(" ")} of ${size}`);
      }
    }
  });

  test(`${program}: what is cut short or changed is no valid stream`, async () => {
    const invalid = (error: unknown) => error instanceof Failure && error.kind === "invalid";
    for (let length = 1; length < archive.length; length++) await assert.rejects(decode(read, archive.subarray(0, length)), invalid, `cut at ${length}`);
    for (let at = 0; at < archive.length * 8; at += 3) {
      const broken = Buffer.from(archive);
      broken[at >> 3]! ^= 1 << (at & 7);
      const result = await decode(read, broken).catch((error: unknown) => error);
      // A bit that says nothing may change.
      assert.ok(Buffer.isBuffer(result) ? result.equals(await decode(read, archive)) : invalid(result), `bit ${at}: ${String(result)}`);
    }
  });
}
