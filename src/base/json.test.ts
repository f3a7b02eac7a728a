import assert from "node:assert/strict";
import { test } from "node:test";
import { Failure } from "./errors.ts";
import { parseJson } from "./json.ts";

const plain = (value: unknown) => JSON.parse(JSON.stringify(value));

for (const text of [
  "null", "true", "false", "0", "-1", "1.5", "1e3", "-0.25E-2", '""', '"a\\n\\u00e9\\"\\\\/"', "[]", "{}", " [ 1 , 2 ] ",
  '{"a":{"b":[1,{"c":null}]}}', '{"a":1,"A":2}', "9007199254740991", '"\u00e9\u{1f600}"', '{"":1}',
]) {
  test(`reads ${text}`, () => assert.deepEqual(plain(parseJson(text)), JSON.parse(text)));
}

for (const [text, what] of [
  ["", "EOF"], ["  ", "EOF"], ["{", "end"], ["[1,", "end"], ["[1,]", "unexpected"], ["{\"a\":1,}", "string"], ["{a:1}", "string"],
  ["01", "after JSON"], ["1 2", "after JSON"], ["{} {}", "after JSON"], ["nul", "unexpected"], ["NaN", "unexpected"],
  ["Infinity", "unexpected"], ["\ufeff{}", "unexpected"], ['"a\nb"', "string"], ['"\\x"', "string"], ['"\\u12"', "string"],
  ["+1", "unexpected"], [".5", "unexpected"], ["9007199254740993", "2^53"], ["1e400", "too large"], ["1e300", "2^53"],
  ['{"a":1,"a":2}', "duplicate"], ['{"\\u0061":1,"a":2}', "duplicate"], ['"open', "string"], ["'a'", "unexpected"],
  ["[".repeat(66) + "]".repeat(66), "deeper"], ["[".repeat(1_000_000), "deeper"], ['{"a":'.repeat(100_000), "deeper"],
] as const) {
  test(`refuses ${JSON.stringify(text.slice(0, 40))}`, () =>
    assert.throws(() => parseJson(text), (e) => e instanceof Failure && e.kind === "invalid" && e.message.includes(what)));
}

test("objects have no prototype to pollute", () => {
  const value = parseJson('{"__proto__":{"polluted":1},"constructor":2}') as Record<string, unknown>;
  assert.equal(Object.getPrototypeOf(value), null);
  assert.deepEqual(Object.keys(value), ["__proto__", "constructor"]);
  assert.equal(({} as { polluted?: number }).polluted, undefined);
});

test("lone surrogates become the replacement character", () => assert.equal(parseJson('"\\ud800"'), "\ufffd"));

test("a string of a million escapes does not overflow", () =>
  assert.equal((parseJson(`"${"\\n".repeat(1_000_000)}"`) as string).length, 1_000_000));
