/** Trees as archives, and what differs between two. CELL=build/cell-asan runs them under the sanitizers. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { openKernel } from "./host.ts";
import type { Op } from "./ops.ts";

const kernel = await openKernel({ cell: fileURLToPath(new URL(`../../${process.env["CELL"] ?? "build/cell"}`, import.meta.url)) });
const root = mkdtempSync("/tmp/gantry-trees-");
after(async () => {
  await kernel[Symbol.asyncDispose]();
  rmSync(root, { recursive: true, force: true });
});

const DIRECTORY = 0o200000 | 0o10000000;
const open = (slot: number, path: string): Op => ({ op: "open", slot, path, flags: DIRECTORY });

async function bytesOf(program: readonly Op[]): Promise<Buffer> {
  const parts: Buffer[] = [];
  await using reader = await kernel.read(program);
  for await (const piece of reader.bytes) parts.push(Buffer.from(piece));
  return Buffer.concat(parts);
}

const archive = (path: string, name: string, more: Partial<Op> = {}) => bytesOf([open(1, root), { op: "archive", dir: 1, path, name, ...more } as Op]);
const listed = (bytes: Buffer): string[] => execFileSync("tar", ["-t", "--quoting-style=escape"], { input: bytes, encoding: "latin1" }).split("\n").filter((line) => line !== "").toSorted();
const changes = async (fresh: string, old: string, flags = 0) =>
  (await bytesOf([open(1, join(root, fresh)), open(2, join(root, old)), { op: "changes", slot: 1, from: 2, flags }])).toString().split("\0").slice(0, -1).toSorted();

function make(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, data] of Object.entries(files)) {
    mkdirSync(join(root, folder, name, ".."), { recursive: true });
    writeFileSync(join(root, folder, name), data);
    utimesSync(join(root, folder, name), 1000, 1000);
  }
}

test("what tar brings out is what was there", async () => {
  const long = "n".repeat(250);
  make("tree", { a: "hard", "sub/b": "x".repeat(70_000), "sub/empty": "", [`${long}/${long}`]: "long" });
  linkSync(join(root, "tree/a"), join(root, "tree/sub/link"));
  symlinkSync(`/${long}`, join(root, "tree/soft"));
  writeFileSync(join(root, "tree/hole"), "begin");
  truncateSync(join(root, "tree/hole"), 3_000_000);
  writeFileSync(join(root, "tree/large"), Buffer.alloc(2_500_000, "large"));
  execFileSync("mkfifo", [join(root, "tree/fifo")]);
  mkdirSync(join(root, "out"));
  execFileSync("tar", ["-xC", join(root, "out")], { input: await archive("tree", "named") });
  execFileSync("diff", ["-r", "--no-dereference", "--exclude=fifo", join(root, "tree"), join(root, "out/named")]);
  assert.ok(listed(await archive("tree", "")).includes("sub/b"));
  assert.deepEqual(listed(await archive("tree/a", "one")), ["one"]);
  assert.deepEqual(listed(await archive("tree/soft", "soft")), ["soft"]);
});

test("a path that is not there is an error, before any bytes", async () => {
  await assert.rejects(archive("nothing", "x"), { code: "ENOENT" });
});

test("what differs between two trees, and how", async () => {
  make("old", { same: "1", changed: "1", gone: "1", "dir/gone": "1", "deep/er/same": "1", kind: "1", "lost/one": "1" });
  make("new", { same: "1", changed: "22", added: "1", "dir/new": "1", "deep/er/same": "1", "kind/now": "1", "fresh/one": "1" });
  assert.deepEqual(await changes("new", "old"), ["Aadded", "Adir/new", "Afresh", "Afresh/one", "Akind/now", "Cchanged", "Cdir", "Ckind", "Ddir/gone", "Dgone", "Dlost"]);
});

test("an overlay's upper directory: marks, opaque directories", { skip: process.getuid?.() === 0 ? false : "marks need root" }, async () => {
  make("lower", { "a/kept": "1", "b/hidden": "1", removed: "1" });
  make("upper", { "a/new": "1", "b/only": "1" });
  execFileSync("mknod", [join(root, "upper/removed"), "c", "0", "0"]);
  await kernel.perform([{ op: "setxattr", path: join(root, "upper/b"), name: "trusted.overlay.opaque", data: "y" }]);
  assert.deepEqual(await changes("upper", "lower", 1), ["Aa/new", "Ab/only", "Ca", "Cb", "Db/hidden", "Dremoved"]);
  assert.deepEqual(listed(await archive("upper", "", { flags: 3 } as Partial<Op>)), [".wh.removed", "a/", "a/new", "b/", "b/.wh..wh..opq", "b/only"]);
});

test("a layer of what differs; what is excepted counts as unchanged", async () => {
  const bytes = await bytesOf([open(1, join(root, "new")), open(2, join(root, "old")), { op: "archive", dir: 1, path: ".", name: "", from: 2, flags: 2, except: "fresh\0fresh/one\0" }]);
  assert.deepEqual(listed(bytes), [".wh.gone", ".wh.lost", "added", "changed", "dir/", "dir/.wh.gone", "dir/new", "kind/", "kind/now"]);
});

test("leaving an endless archive ends what makes it, and the next one goes on", async () => {
  writeFileSync(join(root, "endless"), "");
  truncateSync(join(root, "endless"), 2 ** 40);
  const reader = await kernel.read([open(1, root), { op: "archive", dir: 1, path: "endless", name: "endless" }]);
  for await (const piece of reader.bytes) {
    assert.ok(piece.length > 0);
    break;
  }
  assert.deepEqual(listed(await archive("tree/a", "one")), ["one"]);
});

test("forbid and expect", async () => {
  const forbid = (path: string, flags: number) => kernel.perform([open(1, root), { op: "forbid", dir: 1, path, flags }]);
  await forbid("nothing", 3);
  await forbid("old", 2);
  await forbid("old/same", 1);
  await assert.rejects(forbid("old", 1), { code: "EISDIR" });
  await assert.rejects(forbid("old/same", 2), { code: "ENOTDIR" });
  await kernel.perform([{ op: "expect", path: join(root, "new/changed"), data: "22" }]);
  await assert.rejects(kernel.perform([{ op: "expect", path: join(root, "new/changed"), data: "no" }]), { code: "ESRCH" });
});

test("directories laid apart are made as others are, below missing ones too, and nobody's flags are changed", async () => {
  mkdirSync(join(root, "apart/there"), { recursive: true });
  writeFileSync(join(root, "apart/there/kept"), "kept");
  symlinkSync("there", join(root, "apart/link"));
  const put = (path: string, mode: number): Op => ({ op: "putDir", path, mode, uid: 7, gid: 8, apart: 1 });
  const program = [open(1, join(root, "apart")), { op: "fchdir", slot: 1 } as const, put("new", 0o1770), put("new/in", 0o700), put("a/b/c", 0o750), put("there", 0o711), put("link/in", 0o755), put("link", 0o705), put(".", 0o701)];
  await kernel.perform(program, { forked: true });
  const made = execFileSync("find", [".", "-printf", "%p %y%m %U:%G\n"], { cwd: join(root, "apart"), encoding: "utf8" }).trim().split("\n").toSorted();
  assert.deepEqual(made, [
    ". d701 7:8", "./a d755 0:0", "./a/b d755 0:0", "./a/b/c d750 7:8", "./link d705 7:8", "./new d1770 7:8", "./new/in d700 7:8",
    "./there d711 7:8", "./there/in d755 7:8", "./there/kept f644 0:0",
  ]);
  // On file systems without such flags there is nothing to see.
  const flags = spawnSync("lsattr", ["-d", ".", "new", "a/b", "there"], { cwd: join(root, "apart"), encoding: "utf8" });
  assert.doesNotMatch(flags.stdout ?? "", /^\S*T/m);
});
