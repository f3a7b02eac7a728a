import assert from "node:assert/strict";
import { test } from "node:test";
import { kindOf } from "./errors.ts";
import { bigint64, bool, bytes, int32, int64, many, map, MAX_ITEMS, message, sub, text, uint32, type In } from "./protobuf.ts";

const inner = message("Inner", { name: text(1), size: int64(2) });
const outer = message("Outer", {
  name: text(1),
  data: bytes(2),
  yes: bool(3),
  small: uint32(4),
  signed: int32(5),
  large: int64(6),
  exact: bigint64(7),
  inner: sub(8, inner),
  names: many(text(9)),
  inners: many(sub(10, inner)),
  words: map(11, text(2)),
  blobs: map(12, bytes(2)),
  numbers: many(uint32(13)),
  byNumber: map(14, sub(2, inner), "int64"),
  far: text(100_000),
});

const hex = (value: In<typeof outer>): string => outer.encode(value).toString("hex");
const decodeHex = (value: string) => outer.decode(Buffer.from(value, "hex"));

/** By hand from the encoding's specification. */
const cases: readonly (readonly [what: string, value: In<typeof outer>, hex: string])[] = [
  ["nothing", {}, ""],
  ["what is zero is not written", { name: "", small: 0, yes: false, exact: 0n, names: [], words: {}, data: Buffer.alloc(0) }, ""],
  ["a text", { name: "testing" }, "0a0774657374696e67"],
  ["a text beyond ASCII", { name: "é€😀" }, "0a09c3a9e282acf09f9880"],
  ["a number of two bytes", { small: 150 }, "209601"],
  ["the largest uint32", { small: 0xffffffff }, "20ffffffff0f"],
  ["a negative int32 has ten bytes", { signed: -1 }, "28ffffffffffffffffff01"],
  ["int64", { large: 2 ** 53 - 1 }, "30ffffffffffffff0f"],
  ["a negative int64", { large: -2 }, "30feffffffffffffffff01"],
  ["exact int64", { exact: 2n ** 63n - 1n }, "38ffffffffffffffff7f"],
  ["exact negative int64", { exact: -(2n ** 63n) }, "3880808080808080808001"],
  ["an empty message is there", { inner: {} }, "4200"],
  ["a message", { inner: { name: "a", size: 1 } }, "42050a01611001"],
  ["a list keeps what is empty", { names: ["", "b"] }, "4a004a0162"],
  ["messages of a list", { inners: [{ name: "a" }, {}] }, "52030a01615200"],
  ["a map", { words: { k: "v" } }, "5a060a016b120176"],
  ["a map's empty value", { words: { k: "" } }, "5a050a016b1200"],
  ["a map by numbers", { byNumber: { "7": { size: 1 } } }, "720608071202 1001".replace(" ", "")],
  ["a field's number of three bytes", { far: "x" }, "82ea300178"],
];

for (const [what, value, expected] of cases) {
  test(`${what}: ${expected}`, () => {
    assert.equal(hex(value), expected);
    const decoded = outer.decode(outer.encode(value));
    assert.equal(hex(decoded), expected);
    for (const [key, given] of Object.entries(value)) assert.deepEqual(JSON.stringify(plain(decoded[key as keyof typeof decoded])), JSON.stringify(plain(given, decoded[key as keyof typeof decoded])));
  });
}

/** What was given, filled up with what decoding adds. */
function plain(value: unknown, like?: unknown): unknown {
  if (typeof value === "bigint") return String(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  if (Array.isArray(value)) return value.map((item, index) => plain(item, (like as unknown[] | undefined)?.[index]));
  if (typeof value !== "object" || value === null) return value;
  const filled: Record<string, unknown> = { ...(like as object | undefined), ...value };
  return Object.fromEntries(Object.keys(filled).toSorted().map((key) => [key, plain(filled[key], (like as Record<string, unknown> | undefined)?.[key])]));
}

test("lengths of one, two and three bytes", () => {
  for (const length of [0, 126, 127, 128, 129, 16_382, 16_383, 16_384, 70_000, 300_000]) {
    const name = "x".repeat(length);
    assert.equal(outer.decode(outer.encode({ inner: { name }, yes: true })).inner?.name.length, length);
    assert.equal(outer.decode(outer.encode({ inner: { name }, yes: true })).yes, true);
  }
});

test("headroom is left before the message", () => {
  const encoded = outer.encode({ name: "a" }, 5);
  assert.equal(encoded.subarray(5).toString("hex"), "0a0161");
});

test("numbers of a list may come packed; the last of a field counts; what is unknown is skipped", () => {
  assert.deepEqual(decodeHex("6a03010203").numbers, [1, 2, 3]);
  assert.deepEqual(decodeHex("68016802").numbers, [1, 2]);
  assert.equal(decodeHex("0a01610a0162").name, "b");
  assert.equal(decodeHex("f80701" + "fa0703616263" + "f9070000000000000000" + "fd0700000000" + "0a0162").name, "b");
});

test("a map's entry may lack its key or its value", () => {
  assert.deepEqual({ ...decodeHex("5a00").words }, { "": "" });
  assert.equal(decodeHex("7200").byNumber["0"]?.name, "");
});

test("a key like __proto__ is a key like any other", () => {
  const { words } = outer.decode(outer.encode({ words: JSON.parse('{"__proto__":"x"}') as Record<string, string> }));
  assert.deepEqual(Object.keys(words), ["__proto__"]);
});

const damaged = ["0a", "0a05616263", "08", "2080", "20ffffffffffffffffffffff01", "0801", "0b", "0c", "4205", "42020a05", "5a030a0561", "0a01ff", "0a03f09f98", "0affffffff0f", "fa07ff", "f907000000", "6a0280"];
for (const value of damaged) {
  test(`damaged: ${value}`, () => {
    assert.throws(() => decodeHex(value), (error) => kindOf(error) === "invalid");
  });
}

test("there is a limit to the entries of a message", () => {
  const many = Buffer.alloc(2 * (MAX_ITEMS + 1), Buffer.from([0x4a, 0]));
  assert.throws(() => outer.decode(many), /more than 200000 entries/);
});

test("whatever the bytes are, decoding ends with a value or with invalid", () => {
  let seed = 1;
  const random = () => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) / 2 ** 32;
  const real = outer.encode({ name: "name", inner: { name: "inner", size: 5 }, names: ["a", "b"], words: { a: "b" }, blobs: { a: Buffer.from("x") }, numbers: [1, 300], exact: 1n });
  let decoded = 0;
  for (let round = 0; round < 20_000; round++) {
    const bytes = round % 2 === 0 ? Buffer.from(real) : Buffer.alloc(Math.floor(random() * 40));
    const changes = round % 2 === 0 ? 1 + Math.floor(random() * 3) : bytes.length;
    for (let change = 0; change < changes; change++) bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
    try {
      outer.encode(outer.decode(bytes.subarray(0, Math.floor(random() * (bytes.length + 1)))));
      decoded++;
    } catch (error) {
      assert.equal(kindOf(error), "invalid", String(error));
    }
  }
  assert.ok(decoded > 1000, `${decoded}`);
});
