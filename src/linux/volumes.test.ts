/** The ops of volumes. CELL=build/cell-asan runs them under the sanitizers. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statfsSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { AT, CLONE, MS, O, OPEN_TREE_CLONE } from "./constants.ts";
import { openKernel } from "./host.ts";
import type { Op } from "./ops.ts";

const skip = process.getuid?.() === 0 ? false : "owners need root";
const kernel = await openKernel({ cell: fileURLToPath(new URL(`../../${process.env["CELL"] ?? "build/cell"}`, import.meta.url)) });
const root = mkdtempSync("/tmp/gantry-volumes-");
after(async () => {
  await kernel[Symbol.asyncDispose]();
  rmSync(root, { recursive: true, force: true });
});

const open = (slot: number, name: string): Op => ({ op: "open", slot, path: join(root, name), flags: O.RDONLY | O.DIRECTORY });
const pour = (from: string, to: string) => kernel.perform([open(0, from), open(1, to), { op: "pourTree", from: 0, slot: 1 }]);

test("a tree is poured into an empty directory, which becomes like it", { skip }, async () => {
  mkdirSync(join(root, "from/sub"), { recursive: true });
  mkdirSync(join(root, "to"));
  writeFileSync(join(root, "from/file"), "file");
  writeFileSync(join(root, "from/sub/inner"), "inner");
  chownSync(join(root, "from"), 12, 34);
  chmodSync(join(root, "from"), 0o1750);
  await pour("from", "to");
  assert.deepEqual(readdirSync(join(root, "to"), { recursive: true, encoding: "utf8" }).sort(), ["file", "sub", "sub/inner"]);
  assert.deepEqual(readdirSync(join(root, "from")), []);
  const { uid, gid, mode } = statSync(join(root, "to"));
  assert.deepEqual([uid, gid, mode & 0o7777], [12, 34, 0o1750]);
});

test("what has the name already stays, and so does the rest of it", { skip }, async () => {
  mkdirSync(join(root, "again"));
  mkdirSync(join(root, "half"));
  for (const [name, text] of [["again/one", "new"], ["again/two", "new"], ["half/one", "old"]] as const) writeFileSync(join(root, name), text);
  chownSync(join(root, "again"), 12, 34);
  await pour("again", "half");
  assert.deepEqual(["half/one", "half/two"].map((name) => readFileSync(join(root, name), "utf8")), ["old", "new"]);
  assert.deepEqual(readdirSync(join(root, "again")), ["one"]);
  assert.equal(statSync(join(root, "half")).uid, 0, "it was not empty: it belongs to whom it belonged to");
});

test("a directory in which there is something is refused", async () => {
  mkdirSync(join(root, "full/sub"), { recursive: true });
  mkdirSync(join(root, "empty"));
  await assert.rejects(kernel.perform([{ op: "forbid", path: join(root, "full"), flags: 4 }]), { code: "ENOTEMPTY" });
  await kernel.perform([{ op: "forbid", path: join(root, "empty"), flags: 4 }]);
  await assert.rejects(kernel.perform([{ op: "forbid", path: join(root, "none"), flags: 4 }]), { code: "ENOENT" });
});

/** ext4, XFS, Btrfs: they have mapped ids since Linux 5.12 and 5.15; others may not. */
const MAPPING = new Set([0xef53, 0x58465342, 0x9123683e]);

test("a table of ids maps the owners of a mount", { skip }, async (context) => {
  mkdirSync(join(root, "owned"));
  writeFileSync(join(root, "owned/file"), "");
  chownSync(join(root, "owned/file"), 1000, 2000);
  const program: Op[] = [
    { op: "unshare", flags: CLONE.NEWNS },
    { op: "mountSetattr", path: "/", flags: AT.RECURSIVE, propagation: MS.PRIVATE },
    { op: "openTree", slot: 0, path: join(root, "owned"), flags: OPEN_TREE_CLONE },
    { op: "userNs", slot: 1, uids: "1000 5 1\n", gids: "2000 6 1\n" },
    { op: "mountSetattr", dir: 0, flags: AT.EMPTY_PATH, set: 0x100000, userns: 1, note: "map" },
    { op: "stat", dir: 0, path: "file" },
  ];
  await assert.rejects(kernel.perform([{ op: "userNs", slot: 1, uids: "nonsense", gids: "0 0 1\n" }]), { code: "EINVAL" });
  if (!MAPPING.has(statfsSync(root).type)) return context.skip("not known to map ids: the file system of /tmp");
  const output = [...(await kernel.perform(program, { forked: true })).values()].at(-1)!;
  assert.deepEqual([output.readBigUInt64LE(8), output.readBigUInt64LE(16)], [5n, 6n]);
});

test("a quota, or the plain word that there is none", { skip }, async () => {
  mkdirSync(join(root, "limited"));
  const limit = (bytes: number) => kernel.perform([{ op: "projectQuota", path: join(root, "limited"), bytes }]).then(() => "limited", (error: { errno: number }) => error.errno);
  const found = await limit(1 << 20);
  assert.ok(found === "limited" || found === 95, String(found));
  if (found !== "limited") return;
  // Root may write beyond it where it has CAP_SYS_RESOURCE, which containers have not.
  chmodSync(root, 0o755);
  chmodSync(join(root, "limited"), 0o777);
  assert.notEqual(spawnSync("dd", ["if=/dev/zero", `of=${join(root, "limited/large")}`, "bs=1M", "count=2"], { uid: 65534, gid: 65534 }).status, 0);
  await limit(0);
});
