import assert from "node:assert/strict";
import { test } from "node:test";
import { compileMode } from "./chmod.ts";
import { compileWildcard } from "./match.ts";
import { cleanPath, decodeName, encodeName } from "./names.ts";

test("names: every sequence of bytes is a string of its own, and comes back", () => {
  const samples = [[0x61], [0xc3, 0xb6], [0xff], [0x61, 0xff, 0xc3, 0xb6, 0xc3], [0xed, 0xa0, 0x80], [0xf0, 0x9f, 0x90, 0xb3, 0x80], [0xef, 0xbb, 0xbf, 0x61]].map((bytes) => Buffer.from(bytes));
  const names = samples.map(decodeName);
  assert.equal(new Set(names).size, samples.length);
  names.forEach((name, index) => assert.deepEqual(encodeName(name), samples[index]));
});

test("names: clean paths end at the root", () => {
  const paths = { "/a//b/../c/": "a/c", "../../x": "x", "/": "", ".": "", "a/..": "", "a/./b": "a/b" };
  for (const [path, clean] of Object.entries(paths)) assert.equal(cleanPath(path), clean, path);
});

/** Pattern, what it matches, what it does not: Go's filepath.Match. */
const wildcards: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  ["abc", ["abc"], ["ab", "abcd"]],
  ["*", ["", "abc", ".x"], ["a/b"]],
  ["*c", ["abc", "c"], ["ab"]],
  ["a*/b", ["a/b", "abc/b"], ["a/c/b"]],
  ["a*b*c*d*e*/f", ["axbxcxdxe/f", "axbxcxdxexxx/f"], ["axbxcxdxexxx/fff", "axbxcxdxe/xxx/f"]],
  ["a*b?c*x", ["abxbbxdbxebxczzx"], ["abxbbxdbxebxczzy"]],
  ["ab[c]", ["abc"], []],
  ["ab[b-d]", ["abc"], ["abe"]],
  ["ab[^c]", ["abd"], ["abc"]],
  ["ab[^b-d]", ["abe"], ["abc"]],
  ["a\\*b", ["a*b"], ["ab"]],
  ["a?b", ["a☺b"], ["a/b"]],
  ["a[^a]b", ["a☺b"], ["aab"]],
  ["[\\]a]", ["]", "a"], ["b"]],
  ["[\\-x]", ["x", "-"], ["z"]],
  ["[a-ζ]*", ["α"], ["A"]],
  ["**", ["ab"], ["a/b"]],
  ["[]a]", [], ["]", "a"]],
  ["[-x]", [], ["x", "-"]],
  ["[x-]", [], ["x"]],
  ["[a-b-c]", [], ["a"]],
  ["[", [], ["a", "["]],
  ["a[", [], ["a", "ab"]],
  ["\\", [], ["\\"]],
  ["*x", ["xxx"], []],
];

test("wildcards, as Go has them", () => {
  for (const [pattern, yes, no] of wildcards) {
    for (const path of yes) assert.equal(compileWildcard(pattern).matches(path), true, `${pattern} ${path}`);
    for (const path of no) assert.equal(compileWildcard(pattern).matches(path), false, `${pattern} ${path}`);
  }
});

test("wildcards: many stars take no longer than both lengths", () => {
  assert.equal(compileWildcard(`${"a*".repeat(2000)}b`).matches("a".repeat(20_000)), false);
});

/** chmod's words, the mode before, and after; of a directory where it says so. */
const modes: readonly (readonly [number | string, number, number, boolean?])[] = [
  [0o640, 0o777, 0o640],
  [0o4755, 0o644, 0o4755],
  ["u+x", 0o644, 0o744],
  ["a+x", 0o644, 0o755],
  ["+x", 0o644, 0o755],
  ["go-rwx", 0o755, 0o700],
  ["u=rw,g=r,o=", 0o777, 0o640],
  ["a=rX", 0o644, 0o444],
  ["a=rX", 0o744, 0o555],
  ["a=rX", 0o644, 0o555, true],
  ["u=rwx,go=rX", 0o644, 0o744],
  ["a-x+X", 0o755, 0o755],
  ["g=u", 0o750, 0o770],
  ["o=g", 0o750, 0o755],
  ["u+s", 0o755, 0o4755],
  ["g+s,+t", 0o755, 0o3755],
  ["u=rwx,go=", 0o4644, 0o700],
  ["u+r-x", 0o355, 0o655],
];

test("modes in words", () => {
  for (const [mode, before, after, isDirectory = false] of modes) assert.equal(compileMode(mode)(before, isDirectory).toString(8), after.toString(8), `${mode} of ${before.toString(8)}`);
  for (const wrong of ["x", "u~x", "u+y", "z=r", "", "u=r,"]) assert.throws(() => compileMode(wrong), { kind: "invalid" }, wrong);
});
