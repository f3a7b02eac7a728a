/** Names of repositories. Anyone can add a case. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseGitSource } from "./git-source.ts";

const CASES: readonly (readonly [text: string, expected: Partial<ReturnType<typeof parseGitSource>> | undefined])[] = [
  ["https://h/r.git", { url: "https://h/r.git", ref: "", subdir: "" }],
  ["https://h/r.git#v1:a/b/", { url: "https://h/r.git", ref: "v1", subdir: "a/b" }],
  ["https://h/r.git#:../../etc", { ref: "", subdir: "etc" }],
  ["https://h/r.git?tag=v1&subdir=x", { ref: "refs/tags/v1", subdir: "x" }],
  ["https://h/r.git?branch=main&keep-git-dir=1&submodules=0", { ref: "refs/heads/main", keepGitDir: true, submodules: false }],
  ["https://h/r.git?commit=abc", { checksum: "abc" }],
  ["git@h:a/r.git#main", { url: "git@h:a/r.git", ref: "main" }],
  ["ssh://git@h:22/r", { url: "ssh://git@h:22/r" }],
  ["git://h/r", { url: "git://h/r" }],
  ["https://h/r", undefined],
  ["https://h/r.tgz", undefined],
  ["./a.git", undefined],
  ["a:b", undefined],
  ["dir/me@x:y", undefined],
  ["file:///r.git", undefined],
];

for (const [text, expected] of CASES) {
  test(text, () => {
    const found = parseGitSource(text);
    if (expected === undefined) assert.equal(found, undefined);
    else assert.deepEqual({ ...found, ...expected }, found);
  });
}

test("what a query cannot say", () => {
  for (const [query, message] of [["tag=a&branch=b", /branch conflicts with tag/], ["ref=a#b", /ref conflicts: "b" vs "a"/], ["what=1", /unexpected query "what"/], ["tag=", /query "tag" has no value/], ["ref=a&ref=b", /multiple values/], ["submodules=maybe", /invalid submodules value/]] as const) {
    assert.throws(() => parseGitSource(`https://h/r.git?${query}`), message);
  }
});
