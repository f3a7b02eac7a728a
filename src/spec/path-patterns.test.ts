/** What an ignore file takes out of a context. A row a case: the patterns; paths that match; paths that do not. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { compilePatterns, parseIgnore } from "./path-patterns.ts";

const cases: readonly (readonly [patterns: string, matches: readonly string[], others: readonly string[]])[] = [
  ["", [], ["a"]],
  ["a", ["a", "a/b", "a/b/c"], ["b", "ab", "b/a"]],
  ["/a", ["a"], ["b/a"]],
  ["a/", ["a", "a/b"], ["b/a"]],
  ["./a//b/../c", ["a/c", "a/c/d"], ["a", "a/b"]],
  ["# a\n \nb", ["b"], ["a", "# a"]],
  ["\ufeffa", ["a"], []],
  ["*.md", ["x.md", ".md", "x.md/y"], ["a/x.md", "x.mdx"]],
  ["*/*.md", ["a/x.md"], ["x.md", "a/b/x.md"]],
  ["**/*.md", ["x.md", "a/x.md", "a/b/x.md"], ["a/x"]],
  ["**/node_modules", ["node_modules", "a/node_modules/b"], ["node_modules2"]],
  ["**foo", ["foo", "xfoo", "a/xfoo"], ["foox"]],
  ["foo**", ["foo", "foox", "foox/y"], ["xfoo"]],
  ["foo/**", ["foo/a", "foo/a/b"], ["foo", "foox"]],
  ["a/**/z", ["a/z", "a/b/z", "a/b/c/z/d"], ["a/bz", "z"]],
  ["**", ["a", "a/b"], []],
  ["a?c", ["abc"], ["ac", "a/c", "abbc"]],
  ["a[b-d]e", ["abe", "ade"], ["aee", "ae"]],
  ["a[^b]c", ["axc"], ["abc"]],
  ["a\\*b", ["a*b"], ["axb"]],
  ["a.c", ["a.c"], ["abc"]],
  ["a+(b)|{c}$^", ["a+(b)|{c}$^"], ["aab"]],
  ["*\n!a", ["b", "b/a"], ["a", "a/b"]],
  ["*.md\n!README.md", ["x.md"], ["README.md"]],
  ["*.md\n!README*.md\nREADME-secret.md", ["x.md", "README-secret.md"], ["README.md", "README-public.md"]],
  ["a\n!a/b", ["a", "a/c"], ["a/b", "a/b/c"]],
  ["!a\na", ["a"], []],
  [" a  ", ["a"], []],
  ["日*", ["日本"], ["本日"]],
  ["..", [], ["a"]],
];

for (const [patterns, matching, others] of cases) {
  test(`${JSON.stringify(patterns)} matches what it should`, () => {
    const { matches } = compilePatterns(parseIgnore(patterns));
    assert.deepEqual(matching.filter((path) => !matches(path)), []);
    assert.deepEqual(others.filter(matches), []);
  });
}

test("a directory is passed over when no exception can be in it", () => {
  const passes = (patterns: string, directory: string): boolean => compilePatterns(parseIgnore(patterns)).skips(directory);
  assert.equal(passes("a", "a"), true);
  assert.equal(passes("a\n!b", "a"), true);
  assert.equal(passes("a\n!a/b", "a"), false);
  assert.equal(passes("a\n!a/b/c", "a/b"), false);
  assert.equal(passes("a\n!a/b", "a/c"), true);
  assert.equal(passes("a\n!**/b", "a"), false);
  assert.equal(passes("a\n!*/b", "a"), false);
  assert.equal(passes("a\n!a*", "a"), false);
  assert.equal(passes("b", "a"), false);
});

test("patterns that are none are refused", () => {
  for (const pattern of ["[", "a[", "[]", "[a-]", "a\\", "[^"]) assert.throws(() => compilePatterns([pattern]), { kind: "invalid" }, pattern);
  assert.throws(() => compilePatterns(["!"]), { message: 'illegal exclusion pattern: "!"' });
});
