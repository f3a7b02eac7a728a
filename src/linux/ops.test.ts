import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { describeOp, describeProgram } from "./describe.ts";
import { encodeProgram, flatten, stringList } from "./encode.ts";
import { header } from "./generate-header.ts";
import { codeOf, OPS, type OpName, type Program } from "./ops.ts";

test("native/ops.h is what the table says", () => {
  assert.equal(readFileSync(new URL("../../native/ops.h", import.meta.url), "utf8"), header());
});

test("cell has a case for every op", () => {
  const source = readFileSync(new URL("../../native/perform.c", import.meta.url), "utf8");
  const missing = (Object.keys(OPS) as OpName[]).filter(
    (name) => !source.includes(`case OP_${name.replace(/[A-Z]/g, (letter) => "_" + letter).toUpperCase()}:`),
  );
  assert.deepEqual(missing, []);
});

test("no two ops have the same code", () => {
  const names = Object.keys(OPS) as OpName[];
  const codes = new Set(names.map(codeOf));
  assert.equal(codes.size, names.length, "rename one of them");
  for (const code of codes) assert.ok(code > 0 && code <= 0xffff);
});

test("no op has more fields than cell has room for", () => {
  for (const [name, { ints, strs }] of Object.entries(OPS)) assert.ok(ints.length <= 8 && strs.length <= 9, name);
});

const program: Program = [
  { op: "mkdir", path: "a", mode: 0o755, undo: [{ op: "unlink", path: "a", flags: 0x200 }] },
  { op: "setuser", uid: 0xffff_fffen, gid: 1 },
];

test("an undo follows its op and is counted", () => {
  assert.deepEqual(flatten(program).map((op) => op.op), ["mkdir", "unlink", "setuser"]);
  assert.equal(encodeProgram(program).readUInt32LE(4), 3);
});

test("a program is printed one line an op", () => {
  assert.deepEqual(describeProgram(program), [
    '  0  mkdir path="a" mode=0755',
    '  1  (undo) unlink path="a" flags=0x200',
    "  2  setuser uid=4294967294 gid=1",
  ]);
  assert.equal(describeOp({ op: "exec", candidates: stringList(["/a"]), argv: stringList(["a", "b c"]), note: "go" }), 'exec candidates="/a" argv="a" "b c"  # go');
  assert.equal(describeOp({ op: "netlink", proto: 0, acks: 1, data: Buffer.from([1, 0, 200]) }), "netlink data=<3 bytes> proto=0 acks=1");
});

test("a string list refuses NUL, and an unknown op is our mistake", () => {
  assert.throws(() => stringList(["a\0b"]), /NUL/);
  assert.throws(() => encodeProgram([{ op: "nosuch" } as never]), TypeError);
});
