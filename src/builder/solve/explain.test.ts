import assert from "node:assert/strict";
import { test } from "node:test";
import type { FileTree } from "../tree.ts";
import { openRecentTrees } from "../contexts/recent-trees.ts";
import { changedFiles } from "./changed-files.ts";
import { explainMiss } from "./explain.ts";
import { type Files, fileTree } from "./world-fixture.ts";

const before = fileTree({ "src/a.c": "1", "src/b.c": "1", "src/sub/c.c": "1", "doc/d": "1" });
const cases: [string, Files, string[], string | undefined][] = [
  ["nothing", { "src/a.c": "1", "src/b.c": "1", "src/sub/c.c": "1", "doc/d": "1" }, ["."], undefined],
  ["one changed", { "src/a.c": "2", "src/b.c": "1", "src/sub/c.c": "1", "doc/d": "1" }, ["src"], "src/a.c changed"],
  ["new, gone", { "src/a.c": "1", "src/new": "1", "src/sub/c.c": "1", "doc/d": "1" }, ["src/"], "src/new new, src/b.c gone"],
  ["another folder", { "src/a.c": "1", "src/b.c": "1", "src/sub/c.c": "1", "doc/d": "2" }, ["src"], undefined],
  ["wildcards", { "src/a.c": "2", "src/b.c": "1", "src/sub/c.c": "2", "doc/d": "2" }, ["src/*.c"], "src/a.c changed"],
  ["everything, many", Object.fromEntries(["1", "2", "3", "4", "5", "6", "7"].map((name) => [name, name])), ["."], "1 new, 2 new, 3 new, 4 new, 5 new, 6 more"],
];
for (const [name, now, sources, expected] of cases) test(`changed files: ${name}`, () => assert.equal(changedFiles(before, fileTree(now), sources), expected));

test("a miss is explained by the earlier record that is most like it", () => {
  const recent = openRecentTrees();
  recent.remember(before);
  const now = fileTree({ "src/a.c": "2" });
  const explain = (parts: Record<string, string>, earlier: Parameters<typeof explainMiss>[1]) => explainMiss({ parts, files: new Map([["files of src", { tree: now, sources: ["src/a.c"], digestOf: (tree: FileTree) => (tree.digest === before.digest ? "selected" : undefined) }]]) }, earlier, recent);
  const parts = { "files of src": "x", base: "b", "env A": "1", command: '["/bin/sh","-c","make all"]' };
  assert.deepEqual(explain(parts, []), ["it is not known to have been made before"]);
  assert.deepEqual(explain(parts, [{ parts, trees: {} }]), ["it was made before, but its result is not kept any more"]);
  assert.deepEqual(explain(parts, [{ parts: Object.fromEntries(Object.entries(parts).reverse()), trees: {} }]), ["its variables are in another order"]);
  const other = { parts: { ...parts, "files of src": "y", base: "other", command: '["/bin/sh","-c","make"]' }, trees: {} };
  assert.deepEqual(explain(parts, [other, { parts: { ...parts, "files of src": "y" }, trees: { "files of src": before.digest } }]), ["files of src: src/a.c changed"]);
  // Made of a tree that nobody remembers; of another one the same was selected.
  assert.deepEqual(explain(parts, [{ parts: { ...parts, "files of src": "selected" }, trees: { "files of src": "forgotten" } }]), ["files of src: src/a.c changed"]);
  assert.deepEqual(explain(parts, [other]), ["files of src: changed", "what it is made on changed", 'command: was "make", is "make all"']);
  assert.deepEqual(explain({ ...parts, "env B": "2" }, [{ parts: { ...parts, "env C": "3" }, trees: {} }]), ['env B: new, "2"', "env C: gone"]);
});

test("only so many trees are remembered, the newest, and not the values themselves, whose files would be kept", () => {
  const recent = openRecentTrees(10);
  const trees = [1, 2, 3, 4].map((round): FileTree => fileTree(Object.fromEntries([1, 2, 3, 4].map((name) => [`${name}`, `${round}`]))));
  for (const tree of trees) recent.remember(tree);
  assert.deepEqual(trees.map((tree) => recent.get(tree.digest)), [undefined, undefined, trees[2], trees[3]]);
  assert.ok(trees.every((tree) => recent.get(tree.digest) !== tree));
});
