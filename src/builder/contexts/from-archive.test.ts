/** What archives mean: a table that anyone can extend. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { sha256 } from "#base/digest.ts";
import { tarArchive } from "#base/tar-write.ts";
import type { FileTree } from "../tree.ts";
import { never, testContexts, textOf } from "./contexts-fixture.ts";

type Entries = Parameters<typeof tarArchive>[0];
const dir = (name: string, mode = 0o755) => ({ name, type: "directory", mode }) as const;
const file = (name: string, data = "") => ({ name, type: "file", mode: 0o644, data }) as const;
const link = (name: string, linkName: string) => ({ name, type: "symlink", linkName }) as const;
const hard = (name: string, linkName: string) => ({ name, type: "link", linkName }) as const;

/** "path type[ → link][ = size]" */
const show = ({ entries }: FileTree): string[] =>
  entries.map(({ path, type, link: to, size }) => `${path} ${type}${to === undefined ? "" : ` → ${to}`}${type === "file" ? ` = ${size}` : ""}`);

const cases: readonly { readonly name: string; readonly entries: Entries; readonly tree?: readonly string[]; readonly refused?: RegExp }[] = [
  { name: "nothing", entries: [], tree: [] },
  { name: "names are cleaned", entries: [dir("./"), file("./a/./b", "1"), file("/c//d"), file("e/../f")], tree: ["a directory", "a/b file = 1", "c directory", "c/d file = 0", "f file = 0"] },
  { name: "what is in a directory follows it", entries: [file("a-b"), file("a/b"), file("a.c"), dir("a")], tree: ["a directory", "a/b file = 0", "a-b file = 0", "a.c file = 0"] },
  { name: "the last of a name counts", entries: [file("a", "1"), file("a", "22")], tree: ["a file = 2"] },
  { name: "a file takes the place of a directory", entries: [file("a/b/c"), file("a/b", "1")], tree: ["a directory", "a/b file = 1"] },
  { name: "a directory keeps what is in it", entries: [file("a/b"), dir("a", 0o700)], tree: ["a directory", "a/b file = 0"] },
  { name: "a directory takes the place of a file", entries: [file("a"), dir("a"), file("a/b")], tree: ["a directory", "a/b file = 0"] },
  { name: "whiteouts are names", entries: [file(".wh.a"), file(".wh..wh..opq")], tree: [".wh..wh..opq file = 0", ".wh.a file = 0"] },
  { name: "case is kept apart", entries: [file("A"), file("a")], tree: ["A file = 0", "a file = 0"] },
  { name: "links say what they say", entries: [link("a", "/etc/passwd"), link("b", "../../x")], tree: ["a symlink → /etc/passwd", "b symlink → ../../x"] },
  { name: "of two names the first is the file", entries: [file("z", "12"), hard("a", "z"), hard("m", "./a")], tree: ["a file = 2", "m hardlink → a", "z hardlink → a"] },
  { name: "a name that goes hands the file on", entries: [file("a", "12"), hard("b", "a"), hard("c", "a"), file("a", "1")], tree: ["a file = 1", "b file = 2", "c hardlink → b"] },
  { name: "a hard link to a link is one more link", entries: [link("a", "x"), hard("b", "a")], tree: ["a symlink → x", "b symlink → x"] },
  { name: "a name takes the place of the directory that the file was in", entries: [file("a/b", "12"), hard("a", "a/b")], tree: ["a file = 2"] },
  { name: "a name of what has a name already", entries: [file("a", "12"), hard("b", "a"), hard("b", "a"), hard("a", "b")], tree: ["a file = 2", "b hardlink → a"] },
  { name: "a hard link to itself", entries: [file("a", "1"), hard("a", "a")], tree: ["a file = 1"] },
  { name: "..", entries: [file("../x")], refused: /"\.\.\/x" is outside of it/ },
  { name: "a/../..", entries: [file("a/../../x")], refused: /outside of it/ },
  { name: "a link as a parent", entries: [link("a", "/etc"), file("a/passwd")], refused: /"a" is not a directory/ },
  { name: "a file as a parent", entries: [file("a"), file("a/b")], refused: /"a" is not a directory/ },
  { name: "a hard link to outside", entries: [hard("a", "../../etc/passwd")], refused: /outside of it/ },
  { name: "a hard link to nothing", entries: [hard("a", "etc/passwd")], refused: /is no file of the context/ },
  { name: "a hard link to a directory", entries: [dir("a"), hard("b", "a")], refused: /is no file of the context/ },
  { name: "no UTF-8", entries: [{ name: Buffer.from([0x61, 0xff]), type: "file" }], refused: /is not UTF-8/ },
  { name: "a name that is too long", entries: [file("x".repeat(256))], refused: /file name too long/ },
  { name: "a file as the context", entries: [file(".")], refused: /takes the place of the context itself/ },
];

test("what archives mean", async (t) => {
  const { contexts } = await testContexts(t);
  for (const { name, entries, tree, refused } of cases) {
    await t.test(name, async () => {
      const taken = contexts.fromArchive(oneByOne(tarArchive(entries), 700), { signal: never });
      if (refused !== undefined) await assert.rejects(taken, { kind: "invalid", message: refused });
      else assert.deepEqual(show(await taken), tree);
    });
  }
});

test("what is in the files is what was in the archive, large or small, however it comes and is compressed", async (t) => {
  const { contexts } = await testContexts(t);
  const large = Buffer.alloc(5 * 2 ** 20, "0123456789");
  const entries = [file("small", "s"), { name: "large", type: "file", data: large } as const, file("empty"), { name: "xattr", type: "file", xattrs: { "user.a": "1" }, mode: 0o4755, uid: 7, gid: 8, sec: -2, nsec: 5 } as const];
  const archive = tarArchive(entries);
  const plain = await contexts.fromArchive(oneByOne(archive, 65_536), { signal: never });
  for (const bytes of [archive, gzipSync(archive, { level: 1 }), zstdCompressSync(archive)]) {
    assert.equal((await contexts.fromArchive(oneByOne(bytes, 300_000), { signal: never })).digest, plain.digest);
  }
  assert.equal(await textOf(contexts, plain, "small"), "s");
  assert.equal(await textOf(contexts, plain, "empty"), "");
  const stored = plain.entries.find(({ path }) => path === "large")!;
  assert.ok((await contexts.pool.read(stored, 2 ** 24)).equals(large));
  await assert.rejects(contexts.pool.read(stored, 100), { kind: "invalid", message: /more than the limit of 100/ });
  const { mode, uid, gid, mtime, xattrs } = plain.entries.find(({ path }) => path === "xattr")!;
  assert.deepEqual([mode, uid, gid, mtime, Buffer.from(xattrs!["user.a"]!).toString()], [0o4755, 7, 8, -1_999_999_995n, "1"]);
  assert.equal((await contexts.usage()).files, 3, "the same bytes lie there once");
});

test("a large file that is as it was is not written again; one that differs somewhere is another one", async (t) => {
  const { contexts, folder } = await testContexts(t);
  const packs = () => readdirSync(`${folder}/contexts/pool`).filter((name) => name.endsWith(".pack")).length;
  const first = Buffer.alloc(9 * 2 ** 20 + 17, "0123456789abcdef!");
  const take = async (data: Buffer) => (await contexts.fromArchive(oneByOne(tarArchive([{ name: "large", type: "file", data }]), 400_000), { signal: never })).entries[0]!;
  const one = await take(first);
  assert.deepEqual([await take(first), packs()], [one, 1]);
  for (const at of [0, 5 * 2 ** 20, first.length - 1]) {
    const changed = Buffer.from(first);
    changed[at] = 0;
    const other = await take(changed);
    assert.equal(other.digest, sha256(changed));
    assert.ok((await contexts.pool.read(other, 2 ** 24)).equals(changed));
    assert.deepEqual(await take(changed), other);
    assert.deepEqual(await take(first), one, "the pool has it, whatever it was compared with");
  }
  assert.equal(packs(), 4);
});

test("an archive that is cut short, damaged or none is refused, and takes nothing with it", async (t) => {
  const { contexts } = await testContexts(t);
  const archive = tarArchive([file("a", "x".repeat(5000))]);
  for (const bytes of [archive.subarray(0, 3000), Buffer.from("no archive at all".repeat(100)), gzipSync(archive).subarray(0, 60)]) {
    await assert.rejects(contexts.fromArchive(oneByOne(bytes, 512), { signal: never }), { kind: "invalid" });
  }
  const stop = AbortSignal.abort();
  await assert.rejects(contexts.fromArchive(oneByOne(archive, 512), { signal: stop }), { name: "AbortError" });
  assert.equal((await contexts.fromArchive(oneByOne(archive, 512), { signal: never })).entries.length, 1);
});

test("a file of very many names that go one after another is no work that grows with their square", { timeout: 20_000 }, async (t) => {
  const { contexts } = await testContexts(t);
  const names = Array.from({ length: 20_000 }, (_, at) => `n${at}`);
  const entries = [file("n", "12"), ...names.map((name) => hard(name, "n")), file("n", "1"), ...names.slice(1).map((name) => file(name))];
  const tree = await contexts.fromArchive(oneByOne(tarArchive(entries), 2 ** 20), { signal: never });
  assert.equal(tree.entries.filter(({ size }) => size === 2).map(({ path, type }) => `${path} ${type}`).join(), "n0 file");
});

async function* oneByOne(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
