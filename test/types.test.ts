import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "./sources.ts";

test("the types are right", async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  execFile(join(root, "node_modules/.bin/tsc"), ["-p", root], (error, stdout, stderr) => resolve(error === null ? "" : stdout + stderr || String(error)));
  assert.equal(await promise, "");
});
