/**
 * Archives that try to get out of their layer, or to confuse what is made of them (security TAR-01 to TAR-05). Each is
 * unpacked by both drivers: in one archive, and as a layer over another. Names of the first group are containerd's.
 */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Failure } from "#base/errors.ts";
import type { NewEntry } from "#base/tar-write.ts";
import type { Kernel } from "#linux/linux.ts";
import type { Op } from "#linux/ops.ts";
import { storeLayer, testCore, testFolder } from "../core-fixture.ts";

type Entry = NewEntry & { data?: string };
const dir = (name: string, mode = 0o755): Entry => ({ name, type: "directory", mode });
const file = (name: string, data = "", mode = 0o644): Entry => ({ name, type: "file", data, mode });
const symlink = (linkName: string, name: string): Entry => ({ name, type: "symlink", linkName });
const link = (linkName: string, name: string): Entry => ({ name, type: "link", linkName });

type Look = {
  /** Content of the file a path leads to inside the tree; undefined if nothing. */
  read(path: string): Promise<string | undefined>;
  /** The inode a path leads to inside the tree. */
  inode(path: string): Promise<bigint>;
  target(path: string): Promise<string>;
};
type Check = (look: Look) => Promise<void>;
type Case = { name: string; before?: Entry[]; entries: Entry[]; check?: Check; refused?: true };

const holds = (path: string, text: string | undefined): Check => async (look) => assert.equal(await look.read(path), text, path);
const same = (a: string, b: string): Check => async (look) => assert.equal(await look.inode(a), await look.inode(b));
const differ = (a: string, b: string): Check => async (look) => assert.notEqual(await look.inode(a), await look.inode(b));
const all = (...checks: Check[]): Check => async (look) => {
  for (const check of checks) await check(look);
};

const etc = [dir("etc", 0o770), file("/etc/passwd", "inside")];
const etcAndLink = [...etc, symlink("/etc", "localetc")];

const cases: Case[] = [
  { name: "SymlinkAbsolute", entries: [dir("etc"), symlink("/etc", "localetc"), file("/localetc/unbroken", "unbroken")], check: holds("etc/unbroken", "unbroken") },
  { name: "SymlinkUpAndOut", entries: [dir("etc"), dir("dummy"), symlink("/dummy/../etc", "localetc"), file("/localetc/unbroken", "unbroken")], check: holds("etc/unbroken", "unbroken") },
  { name: "SymlinkMultipleAbsolute", entries: [dir("etc"), dir("dummy"), symlink("/etc", "/dummy/etc"), symlink("/dummy/etc", "localetc"), file("/dummy/etc/unbroken", "unbroken")], check: holds("etc/unbroken", "unbroken") },
  { name: "SymlinkMultipleRelative", entries: [dir("etc"), dir("dummy"), symlink("/etc", "/dummy/etc"), symlink("./dummy/etc", "localetc"), file("/dummy/etc/unbroken", "unbroken")], check: holds("etc/unbroken", "unbroken") },
  { name: "SymlinkEmptyFile", entries: [dir("etc"), file("etc/emptied", "notempty"), symlink("/etc", "localetc"), file("/localetc/emptied")], check: holds("etc/emptied", "") },
  { name: "HardlinkRelative", entries: [...etc, dir("breakouts"), symlink("../../etc", "breakouts/d1"), link("/breakouts/d1/passwd", "breakouts/mypasswd")], check: same("breakouts/mypasswd", "etc/passwd") },
  { name: "HardlinkDownAndOut", entries: [...etc, dir("breakouts"), dir("downandout"), symlink("../downandout/../../etc", "breakouts/d1"), link("/breakouts/d1/passwd", "breakouts/mypasswd")], check: same("breakouts/mypasswd", "etc/passwd") },
  { name: "HardlinkAbsolute", entries: [...etc, symlink("/etc", "localetc"), link("/localetc/passwd", "localpasswd")], check: same("localpasswd", "etc/passwd") },
  { name: "HardlinkRelativeLong", entries: [...etc, symlink("../../../../../../../etc", "localetc"), link("/localetc/passwd", "localpasswd")], check: same("localpasswd", "etc/passwd") },
  { name: "HardlinkDirectRelative", entries: [...etc, link("../../../../../etc/passwd", "localpasswd")], check: same("localpasswd", "etc/passwd") },
  { name: "HardlinkDirectAbsolute", entries: [...etc, link("/etc/passwd", "localpasswd")], check: same("localpasswd", "etc/passwd") },
  { name: "SymlinkParentDirectory", entries: [...etc, symlink("/etc/", ".."), link("/etc/passwd", "localpasswd")], check: same("localpasswd", "etc/passwd") },
  { name: "SymlinkEmptyFilename", entries: [...etc, symlink("/etc/", ""), link("/etc/passwd", "localpasswd")], check: same("localpasswd", "etc/passwd") },
  { name: "SymlinkParentRelative", entries: [...etc, symlink("/etc/", "localetc/sub/.."), link("/etc/passwd", "/localetc/localpasswd")], check: same("localetc/localpasswd", "etc/passwd") },
  { name: "SymlinkSlashEnded", entries: [...etc, dir("localetc/", 0o770), link("/etc/passwd", "/localetc/localpasswd")], check: same("localetc/localpasswd", "etc/passwd") },
  { name: "SymlinkOverrideDirectory", before: [...etc, dir("localetc")], entries: [symlink("/etc", "localetc"), link("/etc/passwd", "/localetc/localpasswd")], check: same("localetc/localpasswd", "etc/passwd") },
  { name: "SymlinkOverrideDirectoryRelative", before: [...etc, dir("localetc")], entries: [symlink("../../etc", "localetc"), link("/etc/passwd", "/localetc/localpasswd")], check: same("localetc/localpasswd", "etc/passwd") },
  { name: "DirectoryOverrideSymlink", before: etcAndLink, entries: [dir("/localetc/"), link("/etc/passwd", "/localetc/localpasswd")], check: same("localetc/localpasswd", "etc/passwd") },
  { name: "DirectoryOverrideSymlinkAndHardlink", before: [...etcAndLink, link("/etc/passwd", "/localetc/localpasswd")], entries: [dir("/localetc/"), file("/localetc/localpasswd", "different")], check: differ("localetc/localpasswd", "etc/passwd") },
  { name: "HardlinkSymlinkBeforeCreateTarget", entries: [dir("etc", 0o770), symlink("/etc/passwd", "localpasswd"), link("localpasswd", "localpasswd-dup"), file("/etc/passwd", "after")], check: same("localpasswd-dup", "etc/passwd") },
  {
    name: "HardlinkSymlinkRelative",
    entries: [...etc, symlink("../../../../../etc/passwd", "passwdlink"), link("/passwdlink", "localpasswd")],
    check: all(same("localpasswd", "etc/passwd"), async (look) => assert.equal(await look.target("localpasswd"), await look.target("passwdlink"))),
  },
  {
    name: "HardlinkSymlinkAbsolute",
    entries: [...etc, symlink("/etc/passwd", "passwdlink"), link("/passwdlink", "localpasswd")],
    check: all(same("localpasswd", "etc/passwd"), async (look) => assert.equal(await look.target("localpasswd"), "/etc/passwd")),
  },
  { name: "HardlinkSymlinkChmod", entries: [symlink("CANARY", "also"), link("also", "sketchy"), { ...file("sketchy/x"), mode: 0o777 }], refused: true },
  { name: "WhiteoutRootParent", before: etc, entries: [file(".wh...")], refused: true },
  { name: "WhiteoutParent", before: etc, entries: [file("etc/.wh...")], refused: true },
  { name: "WhiteoutRoot", before: etc, entries: [file(".wh..")], refused: true },
  { name: "WhiteoutCurrentDirectory", before: etc, entries: [file("etc/.wh..")], refused: true },
  { name: "WhiteoutEmpty", before: etc, entries: [file("etc/.wh.")], refused: true },
  { name: "WhiteoutSymlink", before: etcAndLink, entries: [file(".wh.localetc")], check: all(holds("etc/passwd", "inside"), holds("localetc/passwd", undefined)) },
  { name: "WhiteoutDirectoryName", before: etc, entries: [file(".wh.etc/somefile", "non-empty")], check: all(holds("etc/passwd", "inside"), holds(".wh.etc/somefile", "non-empty")) },
  { name: "WhiteoutRelativePath", before: etc, entries: [file("dne/../.wh.etc")], check: holds("etc/passwd", undefined) },
  { name: "WhiteoutWithBody", before: etc, entries: [file(".wh.etc", "a body that is no file's"), file("after", "x")], check: all(holds("etc/passwd", undefined), holds("after", "x")) },
  { name: "WhiteoutAufsMark", before: etc, entries: [file(".wh..wh.plnk", "x"), file("after", "x")], check: all(holds("etc/passwd", "inside"), holds(".wh..wh.plnk", undefined), holds("after", "x")) },
  { name: "OpaqueRoot", before: etc, entries: [file(".wh..wh..opq"), file("only", "x")], check: all(holds("etc/passwd", undefined), holds("only", "x")) },

  { name: "names are clamped at the root", entries: [file("../../../up", "1"), file("/abs", "2"), file("a/../../b", "3"), file("./c//d/./e/", "4")], check: all(holds("up", "1"), holds("abs", "2"), holds("b", "3"), holds("c/d/e", "4")) },
  { name: "a file through a link to the outside stays inside", entries: [symlink("OUTSIDE", "out"), file("out/planted", "x")], refused: true },
  { name: "a directory replaced by a link, then used (TAR-04)", entries: [dir("d"), file("d/one", "1"), symlink("OUTSIDE", "d"), file("d/planted", "x")], refused: true },
  { name: "a link replaced by a file", entries: [symlink("CANARY", "f"), file("f", "mine")], check: holds("f", "mine") },
  { name: "a link replaced by a directory", entries: [symlink("OUTSIDE", "d"), dir("d", 0o777), file("d/planted", "x")], check: holds("d/planted", "x") },
  { name: "a hard link to a link, then its mode and owner (TAR-02)", entries: [symlink("CANARY", "l"), link("l", "h"), { ...file("h", "new"), mode: 0o777, uid: 9 }], check: holds("h", "new") },
  { name: "a link of a link to the outside, followed", entries: [symlink("OUTSIDE", "a"), symlink("a", "b"), symlink("b/..", "c"), file("c/planted", "x")], refused: true },
  { name: "a hard link to what is outside", entries: [link("CANARY", "mine")], refused: true },
  { name: "a hard link to nothing", entries: [link("", "mine")], refused: true },
  { name: "a symbolic link to nothing", entries: [symlink("", "mine")], refused: true },
  { name: "a hard link to itself", entries: [file("f", "x"), link("f", "f")], refused: true },
  { name: "a file as a directory", entries: [file("f", "x"), file("f/g", "y")], refused: true },
  { name: "a link in a circle as a directory", entries: [symlink("b", "a"), symlink("a", "b"), file("a/x", "y")], refused: true },
  { name: "a directory replaced by a file", entries: [dir("d"), file("d/x", "1"), file("d", "2")], check: holds("d", "2") },
  { name: "names that look alike (TAR-04)", entries: [file("\u00e9", "1"), file("e\u0301", "2"), file("stra\u00dfe", "3"), file("strasse", "4"), file("C:..\\x", "5")], check: all(holds("\u00e9", "1"), holds("e\u0301", "2"), holds("stra\u00dfe", "3"), holds("strasse", "4"), holds("C:..\\x", "5")) },
  { name: "a name of 256 bytes", entries: [file("n".repeat(256))], refused: true },
  { name: "a path of 1,500 components (TAR-07)", entries: [file("a/".repeat(1500) + "x")], refused: true },
  { name: "forged overlay marks (TAR-08)", entries: [{ ...dir("d"), xattrs: { "trusted.overlay.redirect": "/etc" } }], refused: true },
  { name: "forged overlay marks of a user (TAR-08)", entries: [{ ...file("d"), xattrs: { "user.overlay.opaque": "y" } }], refused: true },
  { name: "other trusted attributes are left out (TAR-08)", entries: [{ ...file("f", "x"), xattrs: { "trusted.other": "y", "user.mine": "z", "security.selinux": "q" } }], check: holds("f", "x") },
];

test("every name is there once", () => assert.equal(new Set(cases.map(({ name }) => name)).size, cases.length));

for (const one of cases) {
  for (const [driver, layered] of [["overlay", false], ["vfs", false], ["vfs", true]] as const) {
    // Marks do not act on what is in the same archive.
    const marks = one.entries.some((entry) => /(^|\/)\.wh\./.test(String(entry.name)));
    if ((layered && one.before === undefined) || (!layered && one.before !== undefined && marks && one.refused === undefined)) continue;
    test(`${one.name} (${driver}${layered ? ", over another layer" : ""})`, async (t) => {
      const core = await testCore(t, driver);
      const outside = await testFolder(t);
      const canary = join(outside, "canary");
      writeFileSync(canary, "unbroken");
      chmodSync(canary, 0o400);
      mkdirSync(join(outside, "folder"));
      const before = snapshotOf(outside);
      const place = (entries: Entry[]) => entries.map((entry) => ({ ...entry, ...(entry.linkName === "CANARY" && { linkName: canary }), ...(entry.linkName === "OUTSIDE" && { linkName: join(outside, "folder") }) }));
      const first = place(one.before ?? []);
      const archives = layered ? [first, place(one.entries)] : [[...first, ...place(one.entries)]];
      using lease = core.leases.open();
      const layers = [];
      for (const entries of archives) layers.push(await storeLayer(core, lease, entries));
      const unpacked = core.layers.unpack(lease, layers);
      if (one.refused) {
        await assert.rejects(unpacked, (error) => error instanceof Failure && error.kind === "invalid" && /unpack|archive/.test(error.message));
        // Of the layers below, what was whole may stay.
        assert.deepEqual(core.snapshots.list().map(({ parent }) => parent), layered ? [undefined] : []);
      } else {
        await one.check!(looker(core.kernel, core.snapshots.tree(await unpacked)));
      }
      assert.deepEqual(snapshotOf(outside), before, "what is outside was touched");
    });
  }
}

const snapshotOf = (folder: string) => ({
  names: readdirSync(folder, { recursive: true }),
  canary: readFileSync(join(folder, "canary"), "utf8"),
  mode: statSync(join(folder, "canary")).mode,
  owner: statSync(join(folder, "canary")).uid,
  links: statSync(join(folder, "canary")).nlink,
});

/** Looks as a process would whose root the tree is. */
function looker(kernel: Kernel, tree: string): Look {
  const inside = async (op: Op) => (await kernel.perform([{ op: "open", slot: 1, path: tree, flags: 0o200000 | 0o10000000 }, op])).get(1)!;
  return {
    read: async (path) => {
      try {
        return (await inside({ op: "readFile", dir: 1, path, resolve: 0x10, max: 1000 })).toString();
      } catch (error) {
        assert.match((error as { code: string }).code, /^(ENOENT|ENOTDIR)$/);
        return undefined;
      }
    },
    inode: async (path) => (await inside({ op: "stat", dir: 1, path, resolve: 0x10 })).readBigUInt64LE(64),
    target: async (path) => (await inside({ op: "readLink", dir: 1, path })).toString(),
  };
}
