import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { testContexts } from "#builder/contexts/contexts-fixture.ts";
import { makeTree } from "#builder/contexts/make-tree.ts";
import type { FileEntry } from "#builder/tree.ts";
import { openTrees } from "./trees.ts";

const FILES = 5000;

test("who goes away while a context's folder is made does not wait for it; the others get it, and for nobody it is not made", async (t) => {
  const { kernel, folder, contexts } = await testContexts(t);
  const trees = openTrees({ kernel, pool: contexts.pool, hold: contexts.hold, folder: `${folder}/trees` });
  const entry = { type: "file", mode: 0o644, uid: 0, gid: 0, mtime: 0n, size: 0 } as const;
  const tree = await makeTree(Array.from({ length: FILES }, (_, index): FileEntry => ({ ...entry, path: `f${index}` })));
  await trees.empty();
  const begin = () => {
    const build = new AbortController();
    const part = trees.use(tree, { source: "", signal: build.signal });
    return { part, leave: (why: string) => build.abort(new Error(why)) };
  };
  /** What it comes to without a turn of the event loop. */
  const now = (part: Promise<unknown>) => Promise.race([part.then(() => "made", (error: Error) => error.message), new Promise((resolve) => setImmediate(resolve, "waits"))]);

  const [first, second] = [begin(), begin()];
  first.leave("first left");
  assert.equal(await now(first.part), "first left");
  {
    using part = await second.part;
    assert.equal(readdirSync(part.from.path).length, FILES);
  }

  const other = openTrees({ kernel, pool: contexts.pool, hold: contexts.hold, folder: `${folder}/other` });
  await other.empty();
  const build = new AbortController();
  const part = other.use(tree, { source: "", signal: build.signal });
  while (!existsSync(`${folder}/other/1`)) await new Promise((resolve) => setImmediate(resolve));
  build.abort(new Error("all left"));
  assert.equal(await now(part), "all left");
  while (existsSync(`${folder}/other/1`)) await new Promise((resolve) => setImmediate(resolve));
  using again = await other.use(tree, { source: "", signal: new AbortController().signal });
  assert.equal(readdirSync(again.from.path).length, FILES);
});
