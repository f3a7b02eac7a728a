import assert from "node:assert/strict";
import { test } from "node:test";
import { Failure } from "#base/errors.ts";
import { type NewEntry, tarArchive } from "#base/tar-write.ts";
import { tarReader } from "#base/tar.ts";
import type { Op } from "#linux/ops.ts";
import { cleanName, nameBytes, readWhiteout } from "./name.ts";
import { planLayer } from "./plan.ts";

for (const [name, clean] of [
  ["a", "a"], ["a/b", "a/b"], ["./a", "a"], ["/a", "a"], ["a/", "a"], ["a//b", "a/b"], ["a/./b", "a/b"], ["a/../b", "b"], ["../a", "a"], ["a/../../b", "b"],
  ["", "."], [".", "."], ["./", "."], ["/", "."], ["..", "."], ["a/..", "."], ["...", "..."], ["a/...", "a/..."], [".a", ".a"], ["..a/b", "..a/b"], ["a/b..", "a/b.."], [" ", " "],
  ["a\\..\\b", "a\\..\\b"], ["x".repeat(255), "x".repeat(255)],
] as const) {
  test(`the name ${JSON.stringify(name.slice(0, 20))} is ${JSON.stringify(clean.slice(0, 20))}`, () => assert.equal(cleanName(Buffer.from(name)), clean));
}

test("a name that is no UTF-8 survives", () => {
  const bytes = Buffer.from([0x61, 0xff, 0xfe, 0x2f, 0x80]);
  assert.deepEqual(nameBytes(cleanName(bytes)), bytes);
});

for (const [what, name] of [["256 bytes", "x".repeat(256)], ["a component of 256 bytes", `a/${"x".repeat(256)}/b`], ["1,025 components", "a/".repeat(1025)], ["5,000 bytes", "ab/".repeat(1700)]] as const) {
  test(`a name of ${what} is refused`, () => assert.throws(() => cleanName(Buffer.from(name)), (error) => error instanceof Failure && error.kind === "invalid"));
}

test("a long name is judged quickly", () => {
  for (const name of ["a/".repeat(50_000), "../".repeat(50_000), ".".repeat(200), "./".repeat(100), "a".repeat(254) + "/"]) {
    try {
      cleanName(Buffer.from(name));
    } catch (error) {
      assert.ok(error instanceof Failure);
    }
  }
});

for (const [name, meaning] of [
  ["a", undefined], [".wh", undefined], ["x.wh.a", undefined], [".wh.d/f", undefined],
  [".wh.a", { kind: "removed", path: "a" }], ["d/.wh.a", { kind: "removed", path: "d/a" }], [".wh.a.wh.b", { kind: "removed", path: "a.wh.b" }], [".wh....", { kind: "removed", path: "..." }],
  [".wh..wh..opq", { kind: "opaque", directory: "." }], ["d/e/.wh..wh..opq", { kind: "opaque", directory: "d/e" }],
  [".wh..wh.aufs", "skip"], ["d/.wh..wh.orph", "skip"],
] as const) {
  test(`the whiteout ${name}`, () => assert.deepEqual(readWhiteout(name), meaning));
}
for (const name of [".wh.", ".wh..", ".wh...", "d/.wh.", "d/.wh..", "d/.wh..."]) {
  test(`the whiteout ${name} is refused`, () => assert.throws(() => readWhiteout(name), Failure));
}

type Entry = NewEntry & { data?: string };

function plan(entries: Entry[], whiteouts: "marks" | "removal" = "marks", pieces = 1 << 20) {
  const layer = planLayer(whiteouts);
  const reader = tarReader();
  const ops: Op[] = [];
  const archive = tarArchive(entries);
  for (let at = 0; at < archive.length; at += pieces) for (const event of reader.push(archive.subarray(at, at + pieces))) layer.add(event, ops);
  return { layer, ops: [...ops, ...layer.finish()].map(words) };
}

const words = (op: Op): string =>
  Object.entries(op).map(([key, value]) => (key === "op" ? String(value) : `${key}=${value instanceof Uint8Array ? Buffer.from(value).toString().slice(0, 12) : Number.isInteger(value) && key === "mode" ? (value as number).toString(8) : String(value)}`)).join(" ");

test("what each kind of entry becomes", () => {
  const { ops } = plan([
    { name: "d/", type: "directory", mode: 0o750, uid: 1, gid: 2, sec: 7, nsec: 8 },
    { name: "d/f", type: "file", mode: 0o4755, uid: 3, data: "body", sec: 9, xattrs: { "user.k": "v", "trusted.x": "no", "security.capability": "cap" } },
    { name: "d/l", type: "symlink", linkName: "/etc/x", uid: 4, xattrs: { "user.k": "v" } },
    { name: "h", type: "link", linkName: "/d/f" },
    { name: "n", type: "char", major: 1, minor: 3, mode: 0o666 },
    { name: "p", type: "fifo", mode: 0o600 },
  ]);
  assert.deepEqual(ops, [
    "putDir path=d mode=750 uid=1 gid=2",
    "putFile slot=-1 path=d/f mode=4755 uid=3 gid=0 sec=9 nsec=0 data=body",
    "setxattr path=d/f name=user.k data=v tolerate=95",
    "setxattr path=d/f name=security.cap data=cap tolerate=95",
    "makeRoom path=d/l", "symlink path=d/l target=/etc/x uid=4 gid=0", "utimes path=d/l sec=0 nsec=0",
    "makeRoom path=h", "link path=h fromPath=d/f",
    "makeRoom path=n", "mknod path=n mode=20666 major=1 minor=3 uid=0 gid=0", "utimes path=n sec=0 nsec=0",
    "makeRoom path=p", "mknod path=p mode=10600 major=0 minor=0 uid=0 gid=0", "utimes path=p sec=0 nsec=0",
    "utimes path=d sec=7 nsec=8 tolerate=2",
  ]);
});

test("a body that comes in pieces is written as it comes, its attributes last", () => {
  const { ops } = plan([{ name: "f", type: "file", data: "x".repeat(1200), sec: 5, xattrs: { "user.k": "v" } }], "marks", 1024);
  assert.deepEqual(ops.map((op) => op.split(" ")[0]), ["putFile", "write", "close", "setxattr", "utimes"]);
  assert.match(ops[0]!, /slot=3/);
});

test("deletions are marks, or removals", () => {
  const entries: Entry[] = [{ name: "d/.wh.gone", type: "file" }, { name: "d/.wh..wh..opq", type: "file" }, { name: "w", type: "char", major: 0, minor: 0 }];
  assert.deepEqual(plan(entries).ops, [
    "makeRoom path=d/gone", "mknod path=d/gone mode=20000 major=0 minor=0",
    "makeRoom path=d/.wh..wh..o", "setxattr path=d name=trusted.overlay.opaque data=y",
    "makeRoom path=w", "mknod path=w mode=20000 major=0 minor=0",
  ]);
  const removal = plan(entries, "removal");
  assert.deepEqual(removal.ops, ["makeRoom path=d/gone", "makeRoom path=w"]);
  assert.deepEqual(removal.layer.opaque(), ["d"]);
});

test("directories without an entry of their own are known", () => {
  const { layer } = plan([{ name: "a/b/c/f", type: "file" }, { name: "a/b", type: "directory" }, { name: "x", type: "directory" }, { name: "x/y/z", type: "file" }, { name: "q/.wh.r", type: "file" }]);
  assert.deepEqual(layer.implied().toSorted(), ["a", "a/b/c", "q", "x/y"]);
});

test("a directory that became something else has no time to be set", () => {
  const { ops } = plan([{ name: "d", type: "directory" }, { name: "d", type: "symlink", linkName: "e" }]);
  assert.equal(ops.filter((op) => op.startsWith("utimes path=d")).length, 1);
});
