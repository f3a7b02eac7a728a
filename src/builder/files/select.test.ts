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

test("files that wildcards find are not looked at one by one: links and directories are", async () => {
  const entry = (path: string, type: SourceEntry["type"]): SourceEntry => ({ path, at: `d/${path}`, type, mode: 0o644, uid: 0, gid: 0, sec: 0, nsec: 0, size: 0 });
  const asked: string[] = [];
  const source: Source = {
    kind: "layers",
    find: async (path) => (asked.push(`find ${path}`), { path: path === "d/f-link" ? "d/f2" : path, type: path === "d" ? "directory" : "file" }),
    list: async (path, depth) => {
      asked.push(`list ${path} ${depth}`);
      return path === "d" ? [entry("", "directory"), entry("e", "file"), entry("f-link", "symlink"), entry("f1", "file"), entry("f2", "file")] : [{ ...entry("", "file"), at: path }];
    },
    async *read() {},
  };
  const matches = await select(source, "d/f*", { exclude: [], parents: false });
  assert.deepEqual(asked, ["find d", "list d 1", "find d/f-link", "list d/f2 -1"]);
  assert.deepEqual(matches.map(({ name, entries }) => [name, entries.map(({ path, at }) => [path, at])]), [["d/f-link", [["", "d/f2"]]], ["d/f1", [["", "d/f1"]]], ["d/f2", [["", "d/f2"]]]]);
});
