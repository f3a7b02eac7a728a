import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { Readable } from "node:stream";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { tarArchive } from "#base/tar-write.ts";
import { cleanup } from "#core/core-fixture.ts";
import type { FileEntry, FileTree } from "../tree.ts";
import { type Contexts, openContexts } from "./contexts.ts";
import { never, pathsOf, testContexts, textOf } from "./contexts-fixture.ts";

setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc") as () => void;

/** A folder of a client: path → content (undefined: a directory; "→ x": a link). */
type Folder = Record<string, string | undefined>;

const entryOf = (path: string, content: string | undefined, more: Partial<FileEntry> = {}): FileEntry => {
  const common = { path, mode: 0o644, uid: 0, gid: 0, mtime: 5n, size: 0 };
  if (content === undefined) return { ...common, type: "directory", ...more };
  if (content.startsWith("→ ")) return { ...common, type: "symlink", link: content.slice(2), ...more };
  return { ...common, type: "file", size: Buffer.byteLength(content), ...more };
};

/** As a client would: tells, and sends what it is asked for. Resolves to the tree and what was asked for. */
async function send(contexts: Contexts, folder: Folder, more: Record<string, Partial<FileEntry>> = {}): Promise<{ tree: FileTree; asked: string[] }> {
  await using sync = await contexts.begin({ key: "folder", signal: never });
  const told = Object.entries(folder).map(([path, content]) => entryOf(path, content, more[path]));
  const needed = told.flatMap((entry, id) => (sync.entry(entry) ? [{ id, path: entry.path }] : []));
  // Pieces of all files mixed.
  const pieces = needed.flatMap(({ id, path }) => [...Buffer.from(folder[path]!)].map((byte, at) => ({ id, at, byte }))).sort((a, b) => a.at - b.at);
  for (const { id, byte } of pieces) await sync.data(id, Buffer.from([byte]));
  for (const { id } of needed) await sync.end(id);
  return { tree: await sync.finish(), asked: needed.map(({ path }) => path) };
}

const FOLDER: Folder = { Dockerfile: "FROM scratch", empty: "", src: undefined, "src/a": "aaa", "src/b": "bb", "to-a": "→ src/a" };

test("what a folder was before an exchange is remembered, by the next engine too", async (t) => {
  const { contexts, folder, kernel } = await testContexts(t);
  const { tree } = await send(contexts, FOLDER);
  await contexts[Symbol.asyncDispose]();
  const again = cleanup(t).use(await openContexts({ root: `${folder}/contexts`, kernel }));
  await send(again, { ...FOLDER, "src/a": "other" });
  assert.deepEqual(again.recent.get(tree.digest)?.entries.map(({ path }) => path), pathsOf(tree));
});

test("what did not change is not asked for, and is the same tree", async (t) => {
  const { contexts } = await testContexts(t);
  const first = await send(contexts, FOLDER);
  assert.deepEqual(first.asked, ["Dockerfile", "src/a", "src/b"]);
  assert.equal(await textOf(contexts, first.tree, "src/b"), "bb");
  const second = await send(contexts, FOLDER);
  assert.deepEqual(second.asked, []);
  assert.equal(second.tree, first.tree);
  const touched = await send(contexts, FOLDER, { "src/a": { mtime: 6n } });
  assert.deepEqual(touched.asked, ["src/a"]);
  assert.notEqual(touched.tree, first.tree);
  assert.equal(touched.tree.digest, first.tree.digest, "times are not part of the digest");
  for (const change of [{ mode: 0o755 }, { uid: 1 }, { gid: 1 }]) {
    const changed = await send(contexts, FOLDER, { "src/a": { mtime: 6n, ...change } });
    assert.deepEqual(changed.asked, ["src/a"]);
    assert.notEqual(changed.tree.digest, first.tree.digest);
    await send(contexts, FOLDER, { "src/a": { mtime: 6n } });
  }
  const { "src/b": _, ...less } = FOLDER;
  assert.deepEqual(pathsOf((await send(contexts, less, { "src/a": { mtime: 6n } })).tree), ["Dockerfile", "empty", "src", "src/a", "to-a"]);
});

test("what an engine had is found by the next one, also after a kill, and by one of another start of the machine if it was synced", async (t) => {
  const { contexts, kernel, folder } = await testContexts(t, { boot: "one" });
  const root = `${folder}/contexts`;
  const { tree } = await send(contexts, FOLDER);
  await contexts.keep(tree);
  // A second one over the same files, as if the first had been killed; what it wrote last is half a record.
  const index = `${root}/pool/1.index`;
  writeFileSync(index, Buffer.concat([readFileSync(index), Buffer.alloc(17)]));
  const after = await openContexts({ root, kernel, boot: "one" });
  assert.deepEqual((await send(after, FOLDER)).asked, []);
  assert.equal((await after.recall(tree.digest))?.digest, tree.digest);
  // Nothing was synced: another start of the machine believes nothing.
  const lost = await openContexts({ root, kernel, boot: "two" });
  assert.equal((await lost.usage()).files, 0);
  assert.equal(await lost.recall(tree.digest), undefined);
  assert.deepEqual((await send(lost, FOLDER)).asked, ["Dockerfile", "src/a", "src/b"]);
  await lost.keep(tree);
  // Closing syncs.
  await lost[Symbol.asyncDispose]();
  const kept = cleanup(t).use(await openContexts({ root, kernel, boot: "three" }));
  assert.deepEqual((await send(kept, FOLDER)).asked, []);
  assert.equal((await kept.recall(tree.digest))?.digest, tree.digest);
});

test("what nobody has goes, what is held, kept or reachable stays, and packs that are mostly dead are written anew", async (t) => {
  const { contexts, folder } = await testContexts(t, { limit: 1000 });
  const archive = async (name: string, content: string) => await contexts.fromArchive(Readable.from([tarArchive([{ name, type: "file", data: content }])]), { signal: never });
  const pack = () => readdirSync(`${folder}/contexts/pool`).filter((name) => name.endsWith(".pack")).reduce((sum, name) => sum + statSync(`${folder}/contexts/pool/${name}`).size, 0);
  const held = await archive("held", "h".repeat(100));
  const place = contexts.pool.place(held.entries[0]!.digest!);
  const hold = contexts.hold(held);
  await contexts.keep(await archive("kept", "k".repeat(100)));
  await (async () => archive("gone", "g".repeat(600)))();
  // The tree that nobody has can be collected from here on.
  for (let turn = 0; turn < 50 && pack() > 500; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
    gc();
    await contexts.collect();
  }
  assert.equal((await contexts.usage()).files, 2);
  assert.equal(readFileSync(place.path).subarray(place.offset, place.offset + place.length).toString(), "h".repeat(100), "what was told a holder stays there");
  assert.equal(await textOf(contexts, held, "held"), "h".repeat(100));
  hold[Symbol.dispose]();
  await contexts.collect();
  assert.equal(pack(), 200);
});

test("what is remembered is listed by tree, with what goes with it; forgotten, it goes at once, but for what is held", async (t) => {
  const { contexts } = await testContexts(t);
  await contexts.note("a download", await contexts.fromFile("f", Readable.from([Buffer.from("downloaded")]), { signal: never }));
  const first = (await send(contexts, { a: "one", b: "shared" })).tree;
  await contexts.fromArchive(Readable.from([tarArchive([{ name: "lost", type: "file", data: "nothing leads here" }])]), { signal: never });
  const listed = async () => (await contexts.list()).map(({ digest, kind, files, bytes, inUse }) => [digest, kind, files, bytes, inUse]);
  const rows = await contexts.list();
  assert.deepEqual(rows.map(({ kind, files, inUse }) => [kind, files, inUse]).sort(), [["folder", 0, false], ["folder", 2, false], ["source", 1, false]]);
  assert.ok(rows.every(({ used }) => Date.now() - used < 60_000 && used <= Date.now() + 1000));
  const hold = contexts.hold(first);
  assert.deepEqual((await listed()).find(([digest]) => digest === first.digest), [first.digest, "folder", 2, 0, true]);
  const { bytes } = await contexts.forget(rows.flatMap(({ names }) => names));
  assert.deepEqual([bytes, (await contexts.usage()).files], [0, 2], "nothing is told as freed that the disk has not got back: a holder may be reading there");
  assert.equal(await textOf(contexts, first, "b"), "shared");
  hold[Symbol.dispose]();
});

test("what nobody holds is forgotten, also while it is remembered in memory", async (t) => {
  const { contexts } = await testContexts(t);
  const sent = async () => void (await send(contexts, { a: "one" }));
  await sent();
  const rows = await contexts.list();
  assert.deepEqual(rows.map(({ kind, bytes }) => [kind, bytes > 0]), [["folder", true]]);
  await contexts.forget(rows.flatMap(({ names }) => names));
  assert.deepEqual([await contexts.list(), (await contexts.usage()).files], [[], 0]);
});

test("filter: patterns of COPY with the links on their way, and what .dockerignore takes out", async (t) => {
  const { contexts } = await testContexts(t);
  const { tree } = await send(contexts, {
    ".dockerignore": "", "[x]": "1", a: undefined, "a/b": undefined, "a/b/c.md": "1", "a/b/c.txt": "1", current: "→ versions/2", "docs": "→ /a/b", loop: "→ loop",
    versions: undefined, "versions/1": undefined, "versions/1/bin": "1", "versions/2": "→ ../versions/1",
  });
  const names = async (include: string[], exclude: string[] = []) => pathsOf(await contexts.filter(tree, { include, exclude }));
  assert.equal(await contexts.filter(tree, {}), tree);
  assert.equal(await contexts.filter(tree, { include: ["."] }), tree);
  assert.deepEqual(await names(["a/b/*.md"]), ["a", "a/b", "a/b/c.md"]);
  assert.deepEqual(await names(["/a"], ["**/*.txt"]), ["a", "a/b", "a/b/c.md"]);
  assert.deepEqual(await names(["a"], ["a", "!a/b/c.txt"]), ["a", "a/b", "a/b/c.txt"]);
  assert.deepEqual(await names(["current/bin"]), ["current", "versions", "versions/1", "versions/1/bin", "versions/2"]);
  assert.deepEqual(await names(["docs/*.md"]), ["a", "a/b", "a/b/c.md", "docs"]);
  assert.deepEqual(await names(["cur*"]), ["current", "versions", "versions/1", "versions/1/bin", "versions/2"]);
  assert.deepEqual(await names(["loop/x"]), ["loop"]);
  assert.deepEqual(await names(["[[]x]"]), ["[x]"]);
  assert.deepEqual(await names(["nothing"]), []);
  assert.equal(await contexts.filter(tree, { include: ["a"] }), await contexts.filter(tree, { include: ["a"] }), "the same again is the same");
  assert.deepEqual(pathsOf(await contexts.below(tree, "a/b")), ["c.md", "c.txt"]);
});

test("a client that says what it may not say is refused (BLD-09)", async (t) => {
  const { contexts } = await testContexts(t);
  const tell = async (...told: FileEntry[]) => {
    await using sync = await contexts.begin({ key: "k", signal: never });
    for (const entry of told) sync.entry(entry);
    return await sync.finish();
  };
  for (const path of ["", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/.", "./a", "a\0b", "\ud800"]) {
    await assert.rejects(tell(entryOf("a", undefined), entryOf(path, undefined)), { kind: "invalid" }, JSON.stringify(path));
  }
  await assert.rejects(tell(entryOf("a/b", undefined)), { message: /"a" is not a directory that was told before/ });
  await assert.rejects(tell(entryOf("a", "→ /etc"), entryOf("a/passwd", "x")), { message: /"a" is not a directory/ });
  await assert.rejects(tell(entryOf("a", undefined), entryOf("a", undefined)), { message: /told twice/ });
  await assert.rejects(tell(entryOf("a", "", { type: "hardlink", link: "b" })), { message: /was not told before/ });
  await assert.rejects(tell(entryOf("a", undefined, { type: "symlink", link: "x/".repeat(3000) })), { message: /says 6000 bytes: file name too long/ });
  await assert.rejects(tell(entryOf("a", "x")), { message: /did not come/ });
  await using sync = await contexts.begin({ key: "k", signal: never });
  assert.throws(() => sync.data(0, Buffer.from("x")), { message: /not asked for/ });
});

test("two exchanges of one folder at once do not disturb one another", async (t) => {
  const { contexts } = await testContexts(t);
  const results = await Promise.all([send(contexts, FOLDER), send(contexts, { ...FOLDER, "src/a": "other" }), send(contexts, FOLDER)]);
  assert.deepEqual(await Promise.all(results.map(({ tree }) => textOf(contexts, tree, "src/a"))), ["aaa", "other", "aaa"]);
  assert.equal(results[0]!.tree.digest, results[2]!.tree.digest);
});

test("a large file that cannot be written fails its exchange, and nothing else", async (t) => {
  const { contexts, folder } = await testContexts(t);
  await using sync = await contexts.begin({ key: "k", signal: never });
  const size = 5 * 2 ** 20;
  assert.equal(sync.entry(entryOf("large", "x", { size })), true);
  rmSync(`${folder}/contexts/pool`, { recursive: true });
  await assert.rejects(async () => {
    // Gathered until it is known to be large, then written at once.
    for (let at = 0; at < size; at += 2 ** 18) await sync.data(0, Buffer.alloc(2 ** 18));
    await sync.end(0);
  }, { kind: "internal", message: /^take in a context: ENOENT/ });
});
