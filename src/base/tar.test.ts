import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Failure } from "./errors.ts";
import { TAR_END, tarArchive, tarHeader, tarPadding } from "./tar-write.ts";
import { type TarEntry, tarReader, type TarLimits } from "./tar.ts";

type Read = TarEntry & { body: string };

/** Reads an archive given in pieces of `size` bytes. */
function read(archive: Buffer, size = archive.length, limits: Partial<TarLimits> = {}): Read[] {
  const reader = tarReader(limits);
  const entries: Read[] = [];
  let lastSeen = true;
  for (let at = 0; at < archive.length; at += size) {
    // A copy that is wiped afterwards: whatever the reader kept of it would be seen.
    const chunk = Buffer.from(archive.subarray(at, at + size));
    for (const event of reader.push(chunk)) {
      if (event.kind === "entry") {
        assert.ok(lastSeen, "an entry begins before the last one ended");
        entries.push({ ...event.entry, body: "" });
        lastSeen = event.entry.size === 0;
      } else {
        entries.at(-1)!.body += event.bytes.toString("latin1");
        lastSeen = event.last;
      }
    }
    chunk.fill(0xff);
  }
  reader.end();
  assert.ok(lastSeen);
  return entries;
}

const brief = (entries: Read[]) => entries.map(({ type, name, linkName, mode, body }) => [type, name.toString(), linkName.toString(), mode, body]);
const LONG = "d/".repeat(60) + "é".repeat(40);

const sample = tarArchive([
  { name: "dir/", type: "directory", mode: 0o1755, sec: 1_000_000_000 },
  { name: "dir/file", type: "file", mode: 0o4640, uid: 1000, gid: 3_000_000, data: "x".repeat(1000), sec: 1, nsec: 2 },
  { name: "empty", type: "file" },
  { name: "link", type: "symlink", linkName: "../" + LONG, mode: 0o777 },
  { name: "hard", type: "link", linkName: "dir/file" },
  { name: LONG, type: "file", data: "long", xattrs: { "user.a": "1", "security.capability": Buffer.from([1, 0, 10, 255]) } },
  { name: "a/".repeat(70) + "n", type: "file", sec: -5, nsec: 250_000_000 },
  { name: "null", type: "char", major: 1, minor: 3, mode: 0o666 },
  { name: "disk", type: "block", major: 8, minor: 1 },
  { name: "pipe", type: "fifo" },
]);

for (const size of [1, 7, 511, 512, 513, 1000, 4096, sample.length]) {
  test(`reads the same in pieces of ${size} bytes`, () => {
    const whole = read(sample);
    assert.equal(whole.length, 10);
    assert.deepEqual(read(sample, size), whole);
  });
}

test("reads back every field that was written", () => {
  const [dir, file, empty, link, hard, long, old, char, block, fifo] = read(sample);
  assert.deepEqual([dir!.type, dir!.name.toString(), dir!.mode, dir!.sec], ["directory", "dir/", 0o1755, 1_000_000_000]);
  assert.deepEqual([file!.mode, file!.uid, file!.gid, file!.size, file!.sec, file!.nsec], [0o4640, 1000, 3_000_000, 1000, 1, 2]);
  assert.equal(file!.body, "x".repeat(1000));
  assert.deepEqual([empty!.size, empty!.type], [0, "file"]);
  assert.equal(link!.linkName.toString(), "../" + LONG);
  assert.equal(hard!.linkName.toString(), "dir/file");
  assert.equal(long!.name.toString(), LONG);
  assert.deepEqual(long!.xattrs.map(([k, v]) => [k.toString(), v.toString("hex")]), [["user.a", "31"], ["security.capability", "01000aff"]]);
  assert.deepEqual([old!.sec, old!.nsec, old!.name.length], [-5, 250_000_000, 141]);
  assert.deepEqual([char!.type, char!.major, char!.minor], ["char", 1, 3]);
  assert.deepEqual([block!.major, block!.minor, fifo!.type], [8, 1, "fifo"]);
});

for (const format of ["gnu", "pax", "ustar", "v7", "oldgnu"]) {
  test(`reads what tar writes as ${format}`, (t) => {
    const root = mkdtempSync("/tmp/gantry-tar-");
    t.after(() => rmSync(root, { recursive: true }));
    const deep = format === "ustar" || format === "v7" ? "deep" : "deep-".repeat(40).slice(0, 180);
    mkdirSync(join(root, "t", deep), { recursive: true });
    writeFileSync(join(root, "t", deep, "f"), "body");
    utimesSync(join(root, "t", deep, "f"), 1234, 1234);
    linkSync(join(root, "t", deep, "f"), join(root, "t", "hard"));
    symlinkSync(deep, join(root, "t", "soft"));
    const archive = execFileSync("tar", [`--format=${format}`, "--sort=name", "-cC", root, "t"]);
    const entries = read(archive, 100);
    assert.deepEqual(brief(entries).map(([type, name, link]) => [type, name, link]), [
      ["directory", "t/", ""],
      ["directory", `t/${deep}/`, ""],
      ["file", `t/${deep}/f`, ""],
      ["link", "t/hard", `t/${deep}/f`],
      ["symlink", "t/soft", deep],
    ]);
    assert.deepEqual([entries[2]!.body, entries[2]!.sec], ["body", 1234]);
  });
}

test("tar reads what is written", (t) => {
  const root = mkdtempSync("/tmp/gantry-tar-");
  t.after(() => rmSync(root, { recursive: true }));
  writeFileSync(join(root, "a.tar"), sample);
  const lines = execFileSync("tar", ["--numeric-owner", "--quoting-style=literal", "-tvf", join(root, "a.tar")], { encoding: "utf8" }).trim().split("\n");
  assert.equal(lines.length, 10);
  assert.match(lines[1]!, /^-rwSr----- 1000\/3000000 +1000 .* dir\/file$/);
  assert.ok(lines[5]!.endsWith(LONG), lines[5]!);
  assert.match(lines[7]!, /^crw-rw-rw- .* 1,3 .* null$/);
});

/** A header whose fields are set as text, with a right checksum. */
function header(fields: { name?: string; flag?: string; size?: Buffer | string; uid?: Buffer | string; time?: Buffer | string; magic?: string; major?: string }): Buffer {
  const block = tarHeader({ name: fields.name ?? "x", type: "file" });
  const put = (at: number, text: Buffer | string | undefined) => (typeof text === "string" ? Buffer.from(text, "latin1") : text)?.copy(block, at);
  put(156, fields.flag);
  put(124, fields.size);
  put(108, fields.uid);
  put(136, fields.time);
  put(257, fields.magic);
  put(329, fields.major);
  block.fill(32, 148, 156);
  block.write(block.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, "0") + "\0 ", 148, "latin1");
  return block;
}

const wide = (value: bigint, length: number): Buffer => {
  const bytes = Buffer.alloc(length);
  for (let at = length - 1; at >= 0; at--, value >>= 8n) bytes[at] = Number(value & 255n);
  bytes[0]! |= 0x80;
  return bytes;
};

const withBody = (head: Buffer, body: string) => Buffer.concat([head, Buffer.from(body), tarPadding(body.length), TAR_END]);
const pax = (body: string, flag = "x") => Buffer.concat([header({ flag, size: body.length.toString(8).padStart(11, "0") }), Buffer.from(body), tarPadding(body.length)]);

test("reads numbers in base 256, negative times too", () => {
  const [entry] = read(withBody(header({ uid: wide(70_000n, 8), time: wide(-3n, 12) }), ""));
  assert.deepEqual([entry!.uid, entry!.sec], [70_000, -3]);
});

test("a global header is read past", () => {
  const archive = Buffer.concat([pax("19 path=elsewhere\n\n".slice(0, 18) + "\n", "g").subarray(0, 512), Buffer.from("18 path=elsewhere\n"), Buffer.alloc(494), header({ name: "own" }), TAR_END]);
  archive.write("00000000022", 124, "latin1");
  archive.fill(32, 148, 156);
  const sum = archive.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  archive.write(sum.toString(8).padStart(6, "0") + "\0 ", 148, "latin1");
  assert.deepEqual(brief(read(archive)).map(([, name]) => name), ["own"]);
});

test("a link that claims a body has none", () => {
  const archive = Buffer.concat([header({ flag: "1", size: "00000001000" }), header({ name: "next" }), TAR_END]);
  assert.deepEqual(read(archive).map(({ name, size }) => [name.toString(), size]), [["x", 0], ["next", 0]]);
});

test("an archive may end without its end mark, at an entry's end", () => {
  assert.equal(read(sample.subarray(0, sample.length - 1024)).length, 10);
  assert.equal(read(Buffer.alloc(0)).length, 0);
});

test("what follows the end mark is not read", () => {
  assert.equal(read(Buffer.concat([sample, Buffer.from("anything at all")])).length, 10);
});

const refused: [string, Buffer, RegExp, Partial<TarLimits>?][] = [
  ["random bytes", Buffer.from("no archive, ".repeat(100)), /checksum/],
  ["a flipped bit", Buffer.concat([sample.subarray(0, 5), Buffer.from([sample[5]! ^ 1]), sample.subarray(6)]), /checksum/],
  ["a size that is none", withBody(header({ size: "9zz" }), ""), /size is out of range/],
  ["a negative size", withBody(header({ size: wide(-1n, 12) }), ""), /size is out of range/],
  ["a size of 8 EiB", withBody(header({ size: wide(1n << 63n, 12) }), ""), /size is out of range/],
  ["a user ID of -1", withBody(header({ uid: wide((1n << 32n) - 1n, 8) }), ""), /user ID is out of range/],
  ["a device number that would be another device (TAR-09)", withBody(header({ flag: "3", major: "0010000" }), ""), /device number is out of range/],
  ["an old GNU sparse file", withBody(header({ flag: "S" }), ""), /sparse/],
  ["a PAX sparse file", Buffer.concat([pax("22 GNU.sparse.major=1\n"), header({}), TAR_END]), /sparse/],
  ["an unknown type", withBody(header({ flag: "V" }), ""), /unknown type "V"/],
  ["a long name of 1 GiB", withBody(header({ flag: "L", size: "10000000000" }), ""), /extended header of 1073741824 bytes/],
  ["a PAX header of 1 GiB", withBody(header({ flag: "x", size: "10000000000" }), ""), /extended header of 1073741824 bytes/],
  ["a long link of 2 MiB", withBody(header({ flag: "K", size: "00010000000" }), ""), /extended header of 2097152 bytes/],
  ["a name of 5,000 bytes", Buffer.concat([pax(`5010 path=${"n".repeat(4999)}\n`), header({}), TAR_END]), /name of 4999 bytes/],
  ["a name with a NUL", Buffer.concat([pax("12 path=a\0b\n"), header({}), TAR_END]), /NUL/],
  ["a PAX length too long", Buffer.concat([pax("99 path=a\n"), header({}), TAR_END]), /malformed/],
  ["a PAX length too short", Buffer.concat([pax("5 path=a\n"), header({}), TAR_END]), /malformed/],
  ["a PAX record without =", Buffer.concat([pax("8 hello\n"), header({}), TAR_END]), /malformed/],
  ["a PAX size that is none", Buffer.concat([pax("11 size=-1\n"), header({}), TAR_END]), /malformed/],
  ["a PAX time that is none", Buffer.concat([pax("15 mtime=1e100\n"), header({}), TAR_END]), /malformed/],
  ["a PAX size beyond 2^53", Buffer.concat([pax("25 size=9007199254740993\n"), header({}), TAR_END]), /malformed/],
  ["more entries than allowed", sample, /more than 5 entries/, { entries: 5 }],
  ["an entry after one zero block", Buffer.concat([Buffer.alloc(512), header({}), TAR_END]), /after the end mark/],
  ["an end in a header", sample.subarray(0, 700), /cut short/],
  ["an end in a body", sample.subarray(0, 512 + 1024 + 512 + 600), /cut short/],
  ["an end after a record", pax("9 path=a\n\n".slice(0, 9)), /cut short/],
];

for (const [what, archive, message, limits] of refused) {
  test(`refuses ${what}`, () => {
    assert.throws(() => read(archive, archive.length || 1, limits), (error: unknown) => error instanceof Failure && error.kind === "invalid" && message.test(error.message));
  });
}

test("cut anywhere, it is read as far as whole entries, or refused", () => {
  for (let length = 0; length <= sample.length; length += 97) {
    try {
      assert.ok(read(sample.subarray(0, length)).length <= 10);
    } catch (error) {
      assert.ok(error instanceof Failure, String(error));
    }
  }
});

test("any byte changed, it is read or refused, never anything else", () => {
  for (let at = 0; at < sample.length; at += 61) {
    const changed = Buffer.from(sample);
    changed[at]! ^= 0x41;
    try {
      read(changed);
    } catch (error) {
      assert.ok(error instanceof Failure, `byte ${at}: ${String(error)}`);
    }
  }
});
