/**
 * What every snapshot driver promises. `mount` makes a snapshot's tree visible at a folder, the way the runtime would.
 *
 *     snapshotSuite("overlay");
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { Failure, type Kind } from "#base/errors.ts";
import { cleanup, leftOvers, storeLayer, testCore, testFolder } from "#core/core-fixture.ts";
import type { Core } from "#core/core.ts";
import type { Mounts } from "#core/snapshots/snapshots.ts";

const failure = (kind: Kind) => (error: unknown) => error instanceof Failure && error.kind === kind;

const base = [
  { name: "etc", type: "directory", mode: 0o700, uid: 5 },
  { name: "etc/passwd", type: "file", data: "root", mode: 0o640, uid: 7, gid: 8 },
  { name: "etc/mtab", type: "symlink", linkName: "../../../../../tmp/outside" },
  { name: "keep", type: "directory" },
  { name: "keep/old", type: "file", data: "old" },
  { name: "tmp", type: "directory", mode: 0o1777 },
] as const;

const upper = [
  { name: "etc/shadow", type: "file", data: "secret" },
  { name: "etc/.wh.passwd", type: "file" },
  { name: "keep/.wh..wh..opq", type: "file" },
  { name: "keep/new", type: "file", data: "new" },
] as const;

async function twoLayers(core: Core): Promise<string> {
  using lease = core.leases.open();
  const layers = [await storeLayer(core, lease, base), await storeLayer(core, lease, upper)];
  const top = await core.layers.unpack(lease, layers);
  // Held by a snapshot made on it, once the lease is gone.
  await core.snapshots.prepare("holder", top);
  return top;
}

/** Mounts below a folder of the test's, until its end. */
async function mount(t: TestContext, mounts: Mounts): Promise<string> {
  const at = join(await testFolder(t), "m");
  mkdirSync(at);
  if (mounts.type === "bind") execFileSync("mount", ["-o", mounts.readOnly ? "bind,ro" : "bind", mounts.source, at]);
  else {
    const options = [`lowerdir=${mounts.lower.join(":")}`, ...(mounts.upper === undefined ? [] : [`upperdir=${mounts.upper}`, `workdir=${mounts.work}`])];
    execFileSync("mount", ["-t", "overlay", "overlay", "-o", options.join(","), at]);
  }
  cleanup(t).defer(() => void execFileSync("umount", [at]));
  return at;
}

export function snapshotSuite(driver: "overlay" | "vfs"): void {
  test(`${driver}: layers lie over each other, with their deletions`, async (t) => {
    const core = await testCore(t, driver);
    const top = await twoLayers(core);
    const at = await mount(t, await core.snapshots.prepare("one", top));
    assert.deepEqual(readdirSync(join(at, "etc")).toSorted(), ["mtab", "shadow"]);
    assert.deepEqual(readdirSync(join(at, "keep")), ["new"]);
    assert.equal(statSync(join(at, "tmp")).mode & 0o7777, 0o1777);
    // The upper layer has no entry for etc itself: it is as the layer below made it.
    const etc = statSync(join(at, "etc"));
    assert.deepEqual([etc.mode & 0o7777, etc.uid], [0o700, 5]);
  });

  test(`${driver}: what is written in one snapshot is in no other`, async (t) => {
    const core = await testCore(t, driver);
    const top = await twoLayers(core);
    const one = await mount(t, await core.snapshots.prepare("one", top));
    writeFileSync(join(one, "mine"), "x");
    rmSync(join(one, "keep"), { recursive: true });
    const two = await mount(t, await core.snapshots.prepare("two", top));
    assert.deepEqual([existsSync(join(two, "mine")), readFileSync(join(two, "keep/new"), "utf8")], [false, "new"]);
    assert.ok(existsSync(join(await mount(t, core.snapshots.mounts("one")), "mine")));
  });

  test(`${driver}: a snapshot without a parent is empty, and its root is 0755`, async (t) => {
    const core = await testCore(t, driver);
    const at = await mount(t, await core.snapshots.prepare("bare", undefined));
    assert.deepEqual([readdirSync(at), statSync(at).mode & 0o7777], [[], 0o755]);
    writeFileSync(join(at, "x"), "y");
  });

  test(`${driver}: a container's snapshot has the init layer, whatever the image holds there`, async (t) => {
    const core = await testCore(t, driver);
    const top = await twoLayers(core);
    const at = await mount(t, await core.snapshots.prepare("c", top, { init: true }));
    for (const name of ["dev/pts", "dev/shm", "proc", "sys"]) assert.ok(lstatSync(join(at, name)).isDirectory(), name);
    for (const name of [".dockerenv", "dev/console", "etc/hostname", "etc/hosts", "etc/resolv.conf"]) assert.ok(lstatSync(join(at, name)).isFile(), name);
    assert.equal(execFileSync("readlink", [join(at, "etc/mtab")], { encoding: "utf8" }), "/proc/mounts\n");
    assert.equal(readFileSync(join(at, "etc/shadow"), "utf8"), "secret");
    const plain = await mount(t, await core.snapshots.prepare("p", top));
    assert.ok(!existsSync(join(plain, ".dockerenv")), "the layers themselves are untouched");
  });

  test(`${driver}: links of the image at the init layer's places lead nobody out`, async (t) => {
    const core = await testCore(t, driver);
    const outside = await testFolder(t);
    writeFileSync(join(outside, "canary"), "unbroken");
    using lease = core.leases.open();
    const hostile = await storeLayer(core, lease, [
      { name: "etc", type: "symlink", linkName: outside },
      { name: "proc", type: "symlink", linkName: outside },
      { name: "dev", type: "directory" },
      { name: "dev/console", type: "symlink", linkName: join(outside, "canary") },
    ]);
    const top = await core.layers.unpack(lease, [hostile]);
    const mounts = await core.snapshots.prepare("c", top, { init: true });
    assert.deepEqual(readdirSync(outside), ["canary"]);
    assert.equal(readFileSync(join(outside, "canary"), "utf8"), "unbroken");
    if (mounts.type === "overlay") {
      const at = await mount(t, mounts);
      assert.ok(lstatSync(join(at, "etc")).isDirectory());
      assert.ok(lstatSync(join(at, "dev/console")).isFile());
    }
  });

  test(`${driver}: a view shows a layer and takes no writes`, async (t) => {
    const core = await testCore(t, driver);
    const at = await mount(t, await core.snapshots.view("v", await twoLayers(core)));
    assert.deepEqual(readdirSync(join(at, "keep")), ["new"]);
    assert.throws(() => writeFileSync(join(at, "x"), ""), { code: "EROFS" });
    assert.deepEqual(await core.snapshots.usage("v"), { bytes: 0, inodes: 0 });
  });

  test(`${driver}: names are taken once, parents must be committed, and stay while they have children`, async (t) => {
    const core = await testCore(t, driver);
    const top = await twoLayers(core);
    const { snapshots } = core;
    await snapshots.prepare("one", top);
    await assert.rejects(snapshots.prepare("one", top), failure("already-exists"));
    await assert.rejects(snapshots.view("one", top), failure("already-exists"));
    await assert.rejects(snapshots.prepare("two", "sha256:none"), failure("not-found"));
    await assert.rejects(snapshots.prepare("two", "one"), failure("invalid"));
    await assert.rejects(snapshots.remove(top), failure("conflict"));
    assert.throws(() => snapshots.mounts("two"), failure("not-found"));
    assert.equal(snapshots.list().length, 4);
    assert.equal((await leftOvers(core.root)).snapshots.length, 4, "what was refused left no folder");
  });

  test(`${driver}: ten at once under one name: one of them is made`, async (t) => {
    const core = await testCore(t, driver);
    const ends = await Promise.allSettled(Array.from({ length: 10 }, () => core.snapshots.prepare("same", undefined)));
    assert.equal(ends.filter((end) => end.status === "fulfilled").length, 1);
    assert.equal((await leftOvers(core.root)).snapshots.length, 1);
  });

  test(`${driver}: usage counts what was written`, async (t) => {
    const core = await testCore(t, driver);
    const at = await mount(t, await core.snapshots.prepare("one", undefined));
    const before = await core.snapshots.usage("one");
    writeFileSync(join(at, "big"), Buffer.alloc(1_000_000, "x"));
    const after = await core.snapshots.usage("one");
    assert.ok(after.bytes - before.bytes >= 1_000_000 && after.bytes - before.bytes < 1_100_000);
    assert.equal(after.inodes - before.inodes, 1);
  });

  test(`${driver}: removing takes the folder, and twice is fine`, async (t) => {
    const core = await testCore(t, driver);
    const { snapshots } = core;
    const mounts = await snapshots.prepare("one", undefined);
    const tree = mounts.type === "bind" ? mounts.source : mounts.upper!;
    symlinkSync("/etc", join(tree, "link"));
    writeFileSync(join(tree, "file"), "");
    await snapshots.remove("one");
    await snapshots.remove("one");
    assert.deepEqual((await leftOvers(core.root)).snapshots, []);
    assert.ok(existsSync("/etc/passwd"));
  });

  test(`${driver}: folders are closed to everybody but root`, async (t) => {
    const core = await testCore(t, driver);
    const tree = core.snapshots.tree((await core.snapshots.prepare("one", undefined), "one"));
    assert.equal(statSync(join(tree, "..")).mode & 0o777, 0o710);
    assert.equal(statSync(tree).mode & 0o777, 0o755);
    assert.equal(statSync(join(core.root, "snapshots")).mode & 0o777, 0o710);
  });

  test(`${driver}: sweeping removes folders that no row names, and nothing else`, async (t) => {
    const core = await testCore(t, driver);
    await core.snapshots.prepare("one", undefined);
    const stray = join(core.root, "snapshots", "4711");
    mkdirSync(join(stray, "fs", "deep"), { recursive: true });
    await core.snapshots.sweep();
    const { snapshots } = await leftOvers(core.root);
    assert.equal(snapshots.length, 1);
    assert.ok(!snapshots.includes("4711"));
  });
}
