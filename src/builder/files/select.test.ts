import assert from "node:assert/strict";
import { test } from "node:test";
import { select } from "./select.ts";
import type { Source, SourceEntry } from "./source.ts";

test("--parents of a directory with more files than fit on a stack", async () => {
  const entry = (path: string, type: SourceEntry["type"]): SourceEntry => ({ path, at: path, type, mode: 0o644, uid: 0, gid: 0, sec: 0, nsec: 0, size: 0 });
  const many = [entry("", "directory"), ...Array.from({ length: 150_000 }, (_, index) => entry(String(index), "file"))];
  const source: Source = { kind: "files", find: async (path) => ({ path, type: "directory" }), list: async (_, depth) => (depth < 0 ? many : many.slice(0, 1)), async *read() {} };
  const [match] = await select(source, "folder/./", { exclude: [], parents: true });
  assert.equal(match?.entries.length, 150_001);
  assert.equal(match?.entries.at(-1)?.path, "149999");
});
