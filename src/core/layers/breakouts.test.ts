/**
 * Archives that try to get out of their layer, or to confuse what is made of them (security TAR-01 to TAR-08). Each is
 * unpacked by both drivers: in one archive, and as a layer over another. Names in one word are containerd's.
 *
 * That they are attacks is shown by an extractor as one writes it without knowing of them (`naive`): those that say
 * `escapes` get out of it.
 */
import assert from "node:assert/strict";
import { chmodSync, chownSync, linkSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { test } from "node:test";
import { Failure } from "#base/errors.ts";
import type { NewEntry } from "#base/tar-write.ts";
import type { Kernel } from "#linux/linux.ts";
import type { Op } from "#linux/ops.ts";
import { attributesOf } from "../../../test/fixtures/attributes.ts";
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
type Case = { name: string; before?: Entry[]; entries: Entry[]; check?: Check; refused?: true; escapes?: true };

const holds = (path: string, text: string | undefined): Check => async (look) => assert.equal(await look.read(path), text, path);
const same = (a: string, b: string): Check => async (look) => assert.equal(await look.inode(a), await look.inode(b));
const differ = (a: string, b: string): Check => async (look) => assert.notEqual(await look.inode(a), await look.inode(b));
const all = (...checks: Check[]): Check => async (look) => {
  for (const check of checks) await check(look);
};

const etc = [dir("etc", 0o770), file("/etc/passwd", "inside")];
const etcAndLink = [...etc, symlink("/etc", "localetc")];

const cases: Case[] = [
  { name: "TAR-01 SymlinkAbsolute", entries: [dir("etc"), symlink("/etc", "localetc"), file("/localetc/unbroken", "unbroken")], check: holds("etc/unbroken", "unbroken") },
  { name: "TAR-01 SymlinkUpAndOut", entries: [dir("etc"), dir("dummy"), symlink("/dummy/../etc", "localetc"), file("/localetc/unbroken", "unbroken")], check: holds("etc/unbroken", "unbroken") },
  { name: "TAR-01 SymlinkMultipleAbsolute", entries: [dir("etc"), dir("dummy"), symlink("/etc", "/dummy/etc"), symlink("/dummy/etc", "localetc"), file("/dummy/etc/unbroken", "unbroken")], check: holds("etc/unbroken", "unbroken") },
  { name: "TAR-01 SymlinkMultipleRelative", entries: [dir("etc"), dir("dummy"), symlink("/etc", "/dummy/etc"), symlink("./dummy/etc", "localetc"), file("/dummy/etc/unbroken", "unbroken")], check: holds("etc/unbroken", "unbroken") },
  { name: "TAR-01 SymlinkEmptyFile", entries: [dir("etc"), file("etc/emptied", "notempty"), symlink("/etc", "localetc"), file("/localetc/emptied")], check: holds("etc/emptied", "") },
  { name: "TAR-01 HardlinkRelative", entries: [...etc, dir("breakouts"), symlink("../../etc", "breakouts/d1"), link("/breakouts/d1/passwd", "breakouts/mypasswd")], check: same("breakouts/mypasswd", "etc/passwd") },
  { name: "TAR-01 HardlinkDownAndOut", entries: [...etc, dir("breakouts"), dir("downandout"), symlink("../downandout/../../etc", "breakouts/d1"), link("/breakouts/d1/passwd", "breakouts/mypasswd")], check: same("breakouts/mypasswd", "etc/passwd") },
  { name: "TAR-01 HardlinkAbsolute", entries: [...etc, symlink("/etc", "localetc"), link("/localetc/passwd", "localpasswd")], check: same("localpasswd", "etc/passwd") },
  { name: "TAR-01 HardlinkRelativeLong", entries: [...etc, symlink("../../../../../../../etc", "localetc"), link("/localetc/passwd", "localpasswd")], check: same("localpasswd", "etc/passwd") },
  // As the kernel has it, and Docker: "upandout" is not there. containerd resolves by text.
  { name: "TAR-01 HardlinkRelativeUpAndOut", entries: [...etc, symlink("upandout/../../../etc", "localetc"), link("/localetc/passwd", "localpasswd")], refused: true },
  { name: "TAR-01 HardlinkDirectRelative", entries: [...etc, link("../../../../../etc/passwd", "localpasswd")], check: same("localpasswd", "etc/passwd") },
  { name: "TAR-01 HardlinkDirectAbsolute", entries: [...etc, link("/etc/passwd", "localpasswd")], check: same("localpasswd", "etc/passwd") },
  { name: "TAR-01 SymlinkParentDirectory", entries: [...etc, symlink("/etc/", ".."), link("/etc/passwd", "localpasswd")], check: same("localpasswd", "etc/passwd") },
  { name: "TAR-01 SymlinkEmptyFilename", entries: [...etc, symlink("/etc/", ""), link("/etc/passwd", "localpasswd")], check: same("localpasswd", "etc/passwd") },
  { name: "TAR-01 SymlinkParentRelative", entries: [...etc, symlink("/etc/", "localetc/sub/.."), link("/etc/passwd", "/localetc/localpasswd")], check: same("localetc/localpasswd", "etc/passwd") },
  { name: "TAR-01 SymlinkSlashEnded", entries: [...etc, dir("localetc/", 0o770), link("/etc/passwd", "/localetc/localpasswd")], check: same("localetc/localpasswd", "etc/passwd") },
  { name: "TAR-01 SymlinkOverrideDirectory", before: [...etc, dir("localetc")], entries: [symlink("/etc", "localetc"), link("/etc/passwd", "/localetc/localpasswd")], check: same("localetc/localpasswd", "etc/passwd") },
  { name: "TAR-01 SymlinkOverrideDirectoryRelative", before: [...etc, dir("localetc")], entries: [symlink("../../etc", "localetc"), link("/etc/passwd", "/localetc/localpasswd")], check: same("localetc/localpasswd", "etc/passwd") },
  { name: "TAR-01 DirectoryOverrideSymlink", before: etcAndLink, entries: [dir("/localetc/"), link("/etc/passwd", "/localetc/localpasswd")], check: same("localetc/localpasswd", "etc/passwd") },
  { name: "TAR-01 DirectoryOverrideSymlinkAndHardlink", before: [...etcAndLink, link("/etc/passwd", "/localetc/localpasswd")], entries: [dir("/localetc/"), file("/localetc/localpasswd", "different")], check: differ("localetc/localpasswd", "etc/passwd") },
  { name: "TAR-01 HardlinkSymlinkBeforeCreateTarget", entries: [dir("etc", 0o770), symlink("/etc/passwd", "localpasswd"), link("localpasswd", "localpasswd-dup"), file("/etc/passwd", "after")], check: same("localpasswd-dup", "etc/passwd") },
  {
    name: "TAR-01 HardlinkSymlinkRelative",
    entries: [...etc, symlink("../../../../../etc/passwd", "passwdlink"), link("/passwdlink", "localpasswd")],
    check: all(same("localpasswd", "etc/passwd"), async (look) => assert.equal(await look.target("localpasswd"), await look.target("passwdlink"))),
  },
  {
    name: "TAR-01 HardlinkSymlinkAbsolute",
    entries: [...etc, symlink("/etc/passwd", "passwdlink"), link("/passwdlink", "localpasswd")],
    check: all(same("localpasswd", "etc/passwd"), async (look) => assert.equal(await look.target("localpasswd"), "/etc/passwd")),
  },
  { name: "TAR-01 HardlinkSymlinkChmod", entries: [symlink("CANARY", "also"), link("also", "sketchy"), { ...file("sketchy/x"), mode: 0o777 }], check: holds("sketchy/x", ""), escapes: true },
  { name: "TAR-05 WhiteoutRootParent", before: etc, entries: [file(".wh...")], refused: true },
  { name: "TAR-05 WhiteoutParent", before: etc, entries: [file("etc/.wh...")], refused: true },
  { name: "TAR-05 WhiteoutRoot", before: etc, entries: [file(".wh..")], refused: true },
  { name: "TAR-05 WhiteoutCurrentDirectory", before: etc, entries: [file("etc/.wh..")], refused: true },
  { name: "TAR-05 WhiteoutEmpty", before: etc, entries: [file("etc/.wh.")], refused: true },
  { name: "TAR-05 WhiteoutSymlink", before: etcAndLink, entries: [file(".wh.localetc")], check: all(holds("etc/passwd", "inside"), holds("localetc/passwd", undefined)) },
  { name: "TAR-05 WhiteoutSymlinkPath", before: [...etcAndLink, file("etc/whitedout", "x")], entries: [file("localetc/.wh.whitedout")], check: all(holds("etc/passwd", "inside"), holds("etc/whitedout", undefined)) },
  { name: "TAR-05 WhiteoutDeadSymlinkParent", before: [...etc, symlink("/dne", "localetc")], entries: [file("localetc/.wh.etc")], check: holds("etc/passwd", "inside") },
  { name: "TAR-05 WhiteoutSymlinkOutside", before: [...etc, symlink("OUTSIDE", "out")], entries: [file("out/.wh.victim")], check: holds("etc/passwd", "inside") },
  { name: "TAR-05 OpaqueSymlinkOutside", before: [...etc, symlink("OUTSIDE", "out")], entries: [file("out/.wh..wh..opq"), file("out/x", "x")], check: holds("out/x", "x") },
  { name: "TAR-05 WhiteoutDirectoryNameEmpty", before: etc, entries: [file(".wh./x", "non-empty")], check: all(holds("etc/passwd", "inside"), holds(".wh./x", "non-empty")) },
  { name: "TAR-05 WhiteoutDirectoryName", before: etc, entries: [file(".wh.etc/somefile", "non-empty")], check: all(holds("etc/passwd", "inside"), holds(".wh.etc/somefile", "non-empty")) },
  { name: "TAR-05 WhiteoutRelativePath", before: etc, entries: [file("dne/../.wh.etc")], check: holds("etc/passwd", undefined) },
  { name: "TAR-05 WhiteoutWithBody", before: etc, entries: [file(".wh.etc", "a body that is no file's"), file("after", "x")], check: all(holds("etc/passwd", undefined), holds("after", "x")) },
  { name: "TAR-05 WhiteoutAufsMark", before: etc, entries: [file(".wh..wh.plnk", "x"), file("after", "x")], check: all(holds("etc/passwd", "inside"), holds(".wh..wh.plnk", undefined), holds("after", "x")) },
  { name: "TAR-05 OpaqueRoot", before: etc, entries: [file(".wh..wh..opq"), file("only", "x")], check: all(holds("etc/passwd", undefined), holds("only", "x")) },

  { name: "TAR-01 names are clamped at the root", entries: [file("../../../up", "1"), file("/abs", "2"), file("a/../../b", "3"), file("./c//d/./e/", "4")], check: all(holds("up", "1"), holds("abs", "2"), holds("b", "3"), holds("c/d/e", "4")), escapes: true },
  // As containerd: what a link to nothing names is made, inside.
  { name: "TAR-01 a link to nothing as a directory", entries: [symlink("usr/lib", "lib"), file("lib/one", "1"), dir("lib/two"), symlink("/var/run", "run"), file("run/x/y", "2")], check: all(holds("usr/lib/one", "1"), holds("lib/one", "1"), holds("var/run/x/y", "2")) },
  { name: "TAR-01 links to nothing, one after another", entries: [...Array.from({ length: 40 }, (_, at) => symlink(`l${at + 1}`, `l${at}`)), file("l0/x", "x")], refused: true },
  { name: "TAR-01 a file through a link to the outside stays inside", entries: [symlink("OUTSIDE", "out"), file("out/planted", "x")], check: holds("out/planted", "x"), escapes: true },
  { name: "TAR-04 a directory replaced by a link, then used", entries: [dir("d"), file("d/one", "1"), symlink("OUTSIDE", "d"), file("d/planted", "x")], check: holds("d/planted", "x"), escapes: true },
  { name: "TAR-01 a link replaced by a file", entries: [symlink("CANARY", "f"), file("f", "mine")], check: holds("f", "mine"), escapes: true },
  { name: "TAR-01 a link replaced by a directory", entries: [symlink("OUTSIDE", "d"), dir("d", 0o777), file("d/planted", "x")], check: holds("d/planted", "x"), escapes: true },
  { name: "TAR-02 a hard link to a link, then its mode and owner", entries: [symlink("CANARY", "l"), link("l", "h"), { ...file("h", "new"), mode: 0o777, uid: 9 }], check: holds("h", "new"), escapes: true },
  { name: "TAR-01 a link of a link to the outside, followed", entries: [symlink("OUTSIDE", "a"), symlink("a", "b"), symlink("b/..", "c"), file("c/planted", "x")], check: holds("c/planted", "x"), escapes: true },
  { name: "TAR-01 a hard link to what is outside", entries: [link("CANARY", "mine")], refused: true, escapes: true },
  { name: "TAR-01 a hard link to nothing", entries: [link("", "mine")], refused: true },
  { name: "TAR-01 a symbolic link to nothing", entries: [symlink("", "mine")], refused: true },
  { name: "TAR-01 a hard link to itself", entries: [file("f", "x"), link("f", "f")], refused: true },
  { name: "TAR-01 a file as a directory", entries: [file("f", "x"), file("f/g", "y")], refused: true },
  { name: "TAR-01 a link in a circle as a directory", entries: [symlink("b", "a"), symlink("a", "b"), file("a/x", "y")], refused: true },
  { name: "TAR-01 a directory replaced by a file", entries: [dir("d"), file("d/x", "1"), file("d", "2")], check: holds("d", "2") },
  { name: "TAR-04 a name that begins like the root's own", entries: [file("../root-evil/x", "x")], check: holds("root-evil/x", "x"), escapes: true },
  { name: "TAR-04 a chain of hard links that ends at a link", entries: [symlink("OUTSIDE", "a"), link("a", "b"), link("b", "c"), file("c/planted", "x")], check: holds("c/planted", "x"), escapes: true },
  { name: "TAR-02 a hard link to a link, with a mode, an owner, attributes and a time of its own", entries: [symlink("CANARY", "l"), { ...link("l", "h"), mode: 0o777, uid: 9, sec: 1, xattrs: { "user.x": "y" } }, file("after", "x")], check: holds("after", "x"), escapes: true },
  { name: "TAR-02 a symbolic link with a mode, an owner and a time", entries: [{ ...symlink("CANARY", "l"), mode: 0o777, uid: 9, sec: 1 }, file("after", "x")], check: holds("after", "x"), escapes: true },
  { name: "TAR-04 names that look alike", entries: [file("\u00e9", "1"), file("e\u0301", "2"), file("stra\u00dfe", "3"), file("strasse", "4"), file("C:..\\x", "5")], check: all(holds("\u00e9", "1"), holds("e\u0301", "2"), holds("stra\u00dfe", "3"), holds("strasse", "4"), holds("C:..\\x", "5")) },
  { name: "TAR-01 a name of 256 bytes", entries: [file("n".repeat(256))], refused: true },
  { name: "TAR-07 a path of 1,500 components", entries: [file("a/".repeat(1500) + "x")], refused: true },
  { name: "TAR-08 forged overlay marks", entries: [{ ...dir("d"), xattrs: { "trusted.overlay.redirect": "/etc" } }], refused: true },
  { name: "TAR-08 forged overlay marks of a user", entries: [{ ...file("d"), xattrs: { "user.overlay.opaque": "y" } }], refused: true },
  { name: "TAR-08 other trusted attributes are left out", entries: [{ ...file("f", "x"), xattrs: { "trusted.other": "y", "user.mine": "z", "security.selinux": "q" } }], check: holds("f", "x") },
];

test("every name is there once", () => assert.equal(new Set(cases.map(({ name }) => name)).size, cases.length));

for (const one of cases) {
  for (const [driver, layered] of [["overlay", false], ["vfs", false], ["vfs", true]] as const) {
    // Marks do not act on what is in the same archive.
    const marks = one.entries.some((entry) => /(^|\/)\.wh\./.test(String(entry.name)));
    if ((layered && one.before === undefined) || (!layered && one.before !== undefined && marks && one.refused === undefined)) continue;
    test(`${one.name} (${driver}${layered ? ", over another layer" : ""})`, async (t) => {
      const core = await testCore(t, driver);
      const outside = canaryIn(await testFolder(t));
      const before = snapshotOf(outside);
      const place = placing(outside);
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

test("an extractor that knows nothing of this lets the same archives out (TAR-01, TAR-02, TAR-04)", async (t) => {
  for (const { name, before = [], entries } of cases.filter(({ escapes }) => escapes)) {
    const outside = canaryIn(await testFolder(t));
    const root = join(outside, "w/x/y/root");
    mkdirSync(root, { recursive: true });
    const seen = snapshotOf(outside, root);
    for (const entry of placing(outside)([...before, ...entries])) naive(root, entry);
    assert.notDeepEqual(snapshotOf(outside, root), seen, `${name}: no attack`);
  }
});

/** Joins names to the root, as text, and lets the kernel follow what it finds. */
function naive(root: string, { type, name, linkName = "", data = "", mode = 0o644, uid = 0, sec = 0 }: Entry): void {
  const path = join(root, String(name));
  try {
    mkdirSync(dirname(path), { recursive: true });
    if (type === "directory") mkdirSync(path, { recursive: true });
    else if (type === "file") writeFileSync(path, data);
    else {
      rmSync(path, { recursive: true, force: true });
      if (type === "symlink") symlinkSync(String(linkName), path);
      else linkSync(resolve(root, String(linkName)), path);
    }
    chmodSync(path, mode);
    chownSync(path, uid, 0);
    utimesSync(path, sec, sec);
  } catch (error) {
    assert.ok((error as NodeJS.ErrnoException).code, String(error));
  }
}

function canaryIn(outside: string): string {
  writeFileSync(join(outside, "canary"), "unbroken");
  chmodSync(join(outside, "canary"), 0o400);
  mkdirSync(join(outside, "folder"));
  writeFileSync(join(outside, "folder/victim"), "alive");
  return outside;
}

const placing = (outside: string) => (entries: readonly Entry[]): Entry[] =>
  entries.map((entry) => ({ ...entry, ...(entry.linkName === "CANARY" && { linkName: join(outside, "canary") }), ...(entry.linkName === "OUTSIDE" && { linkName: join(outside, "folder") }) }));

function snapshotOf(folder: string, but = "/"): object {
  const { mode, uid, nlink, mtimeMs, ino } = statSync(join(folder, "canary"));
  return {
    names: readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => but === "/" || !`${join(folder, name)}/`.startsWith(`${but}/`)),
    canary: readFileSync(join(folder, "canary"), "utf8"),
    attributes: attributesOf(join(folder, "canary")),
    ...{ mode, uid, nlink, mtimeMs, ino },
  };
}

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
