/** Drafts become layers and snapshots in one go: whole or not at all, and the same for the same content. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { rmSync, statSync } from "node:fs";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { cell, cleanup, leftOvers, testFolder, testKernel } from "#core/core-fixture.ts";
import { openCore } from "#core/core.ts";
import { enterView } from "#core/tasks/view.ts";
import { tarArchive } from "#base/tar-write.ts";
import { readHostFacts } from "#runtime/facts.ts";
import type { Op } from "#linux/ops.ts";
import { chainIds } from "#spec/image.ts";
import type { FileAction } from "../graph.ts";
import type { Draft } from "./files.ts";
import { copyOf, dir, file, layerLines, openWorld, SCRATCH, symlink, type World } from "./files-fixture.ts";

const root = { skip: process.getuid?.() === 0 ? false : "trees are made by root" };
const signal = new AbortController().signal;

/** As a RUN would: in the draft's own root. */
async function inside({ core }: World, { mounts }: Draft, ops: readonly Op[]): Promise<void> {
  const view = enterView({ root: { kind: "snapshot", mounts }, mounts: [] }, { host: await readHostFacts(), staging: core.root });
  await core.kernel.perform([...view, ...ops], { forked: true });
}

const put = (path: string, data: string): Op => ({ op: "putFile", path, data, mode: 0o644, uid: 0, gid: 0, sec: 1000 });

for (const driver of ["overlay", "vfs"] as const) {
  test(`${driver}: what changed is the layer; what every container finds is not`, root, async (t) => {
    const world = await openWorld(t, driver);
    const base = await world.base([dir("etc"), file("etc/gone"), file("etc/kept"), dir("d"), file("d/old"), symlink("l", "d")]);
    await using draft = await world.files.drafts.begin(base, { init: true });
    await inside(world, draft, [
      { op: "stat", path: "etc/resolv.conf" }, { op: "stat", path: "dev/pts" },
      { op: "unlink", path: "etc/gone" }, { op: "removeTree", path: "d" }, put("z", "z"), put("a", "a"), put("etc/new", "n"), { op: "chmod", path: "etc/kept", mode: 0o600 },
    ]);
    const tree = await draft.commit(world.lease, { signal });
    const lines = await layerLines(world, tree);
    assert.deepEqual(lines.filter((line) => !/ etc$/.test(line)).toSorted(), [
      "f 0 0:0 .wh.d = ", "f 0 0:0 etc/.wh.gone = ", "f 600 0:0 etc/kept = etc/kept", "f 644 0:0 a = a", "f 644 0:0 etc/new = n", "f 644 0:0 z = z",
    ]);
    assert.equal(tree.snapshot, chainIds(tree.layers.map(({ diffId }) => diffId)).at(-1));
    assert.equal(world.core.snapshots.stat(tree.snapshot!)?.kind, "committed");
    assert.deepEqual(await problems(world), []);
  });

  test(`${driver}: the same content is the same layer, in whatever order it was made`, root, async (t) => {
    const world = await openWorld(t, driver);
    const names = Array.from({ length: 40 }, (_, index) => `f${(index * 17) % 40}`);
    const make = async (order: readonly string[]) => {
      await using draft = await world.files.drafts.begin(SCRATCH);
      await inside(world, draft, order.map((name) => put(name, name)));
      return await draft.commit(world.lease, { signal });
    };
    const [one, two] = [await make(names), await make(names.toReversed())];
    assert.equal(one.snapshot, two.snapshot);
    assert.deepEqual(await layerLines(world, one), names.toSorted().map((name) => `f 644 0:0 ${name} = ${name}`));
  });

  test(`${driver}: what is not committed leaves nothing`, root, async (t) => {
    const world = await openWorld(t, driver);
    const before = await leftOvers(world.core.root);
    await assert.rejects(async () => {
      await using draft = await world.files.drafts.begin(SCRATCH);
      await inside(world, draft, [put(".wh.x", "x")]);
      await draft.commit(world.lease, { signal });
    }, { kind: "invalid", message: /begins with "\.wh\."/ });
    assert.deepEqual(await leftOvers(world.core.root), before);
  });
}

test("a file that an earlier step made is another name of it, and outlives it", root, async (t) => {
  const world = await openWorld(t);
  const files = Array.from({ length: 200 }, (_, index) => file(`d/f${index}`, `content ${index}`));
  // Into what is there: a folder made on the way is of the second in which it is made.
  const copy = [copyOf(".", "/")];
  const one = await world.perform(copy, SCRATCH, await world.folder([dir("d"), ...files]));
  const changed = await world.folder([dir("d"), ...files.slice(1), file("d/f0", "changed")]);
  const two = await world.perform(copy, SCRATCH, changed);
  const at = (tree: typeof one, path: string) => statSync(`${world.core.snapshots.tree(tree.snapshot!)}/${path}`);
  assert.equal(at(two, "d/f7").ino, at(one, "d/f7").ino);
  assert.notEqual(at(two, "d/f0").ino, at(one, "d/f0").ino);
  const fresh = await otherWorld(t, changed.digest, files);
  const { usage } = world.core.snapshots.stat(two.snapshot!)!;
  assert.deepEqual([two.layers[0]!.diffId, usage], [fresh.layer, fresh.usage], "as if nothing had been there before");
  await world.core.snapshots.remove(one.snapshot!);
  assert.equal(at(two, "d/f7").nlink, 1);
  assert.deepEqual(await problems(world), []);

  // Where it cannot be linked it is made.
  rmSync(`${world.core.snapshots.tree(two.snapshot!)}/d/f9`);
  const three = await world.perform([...copy, { action: "mkdir", path: "/more", mode: 0o755, parents: true }], SCRATCH, changed);
  assert.equal(at(three, "d/f9").size, "content 9".length);
});

test("what replaced a file in the same step is not taken for it later", root, async (t) => {
  const world = await openWorld(t);
  const archive = tarArchive([{ name: "a", type: "file", data: "of the archive", mode: 0o644, sec: 1000 }]);
  const many = Array.from({ length: 200 }, (_, index) => file(`x/f${index}`, ""));
  const context = await world.folder([dir("x"), file("x/a", "of the context"), ...many, dir("y"), symlink("y/a", "/nothing"), file("z.tar", archive as unknown as string)]);
  const stage = await world.base([dir("x"), file("x/a", "of the stage")]);
  const copy = copyOf("x", "/w/");
  const others: FileAction[] = [copyOf("z.tar", "/w/", { unpack: true }), copyOf("y", "/w/"), copyOf("x", "/w/", { from: 2 }), { action: "mkfile", path: "/w/a", name: "a", data: "of a heredoc", mode: 0o644 }];
  for (const other of others) {
    await world.perform([copy, other], SCRATCH, context, stage);
    const lines = await layerLines(world, await world.perform([copy, { action: "mkdir", path: `/${others.indexOf(other)}`, mode: 0o755, parents: true }], SCRATCH, context, stage));
    assert.ok(lines.includes("f 644 0:0 w/a = of the context"), lines.join("\n"));
  }
});

test("few files, and those of /etc, have one name: cron reads no table that has more", root, async (t) => {
  const world = await openWorld(t);
  const many = Array.from({ length: 200 }, (_, index) => file(`f${index}`, ""));
  const context = await world.folder([dir("etc"), dir("etc/cron.d"), file("etc/cron.d/job", "* * * * * root true\n"), ...many]);
  for (const [copy, path, names] of [[copyOf(".", "/"), "f7", 2], [copyOf(".", "/"), "etc/cron.d/job", 1], [copyOf("etc/cron.d/job", "/job"), "job", 1]] as const) {
    await world.perform([copy], SCRATCH, context);
    const again = await world.perform([copy, { action: "mkdir", path: `/${path.length}`, mode: 0o755, parents: true }], SCRATCH, context);
    assert.equal(statSync(`${world.core.snapshots.tree(again.snapshot!)}/${path}`).nlink, names, path);
  }
});

async function otherWorld(t: TestContext, digest: string, files: ReturnType<typeof file>[]) {
  const world = await openWorld(t);
  const context = await world.folder([dir("d"), ...files.slice(1), file("d/f0", "changed")]);
  assert.equal(context.digest, digest);
  const tree = await world.perform([copyOf(".", "/")], SCRATCH, context);
  return { layer: tree.layers[0]!.diffId, usage: world.core.snapshots.stat(tree.snapshot!)!.usage };
}

async function problems({ core }: World): Promise<unknown[]> {
  const found = [];
  for await (const finding of core.check({ repair: false, signal })) if (finding.kind === "problem") found.push(finding.problem);
  return found;
}

const at = (path: string) => JSON.stringify(fileURLToPath(new URL(path, import.meta.url)));

const program = (folder: string, signal = "new AbortController().signal") => `
  import { openKernel } from ${at("../../linux/host.ts")};
  import { openCore } from ${at("../../core/core.ts")};
  import { openDrafts } from ${at("drafts.ts")};
  const kernel = await openKernel({ cell: ${JSON.stringify(cell)} });
  const core = await openCore({ root: ${JSON.stringify(folder)}, kernel });
  const draft = await openDrafts({ kernel, core }).begin({ kind: "layers", snapshot: undefined, layers: [] });
  await kernel.perform([{ op: "putFile", path: draft.tree + "/f", data: "x".repeat(100000), mode: 0o644, uid: 0, gid: 0 }]);
  const tree = await draft.commit(core.leases.open(), { signal: ${signal} });
  await core.kept.keep(["snapshot/" + tree.snapshot, "content/" + tree.layers[0].descriptor.digest], 1000);
  console.log("committed");
  process.kill(process.pid, "SIGKILL");`;

for (const point of ["content.write", "content.rename", "content.row", "builder.commit", "none"]) {
  test(`killed at ${point}: whole or not at all`, root, async (t) => {
    const folder = await testFolder(t);
    const run = spawnSync(process.execPath, ["--input-type=module", "-e", program(folder)], { encoding: "utf8", env: { GANTRY_FAILPOINTS: point === "none" ? "" : `${point}=kill` } });
    assert.equal(run.signal, "SIGKILL", run.stderr);
    const done = point === "none";
    assert.equal(run.stdout.trim(), done ? "committed" : "");
    cleanup(t).use(await openCore({ root: folder, kernel: await testKernel(t) }));
    const { blobs, ingests, snapshots } = await leftOvers(folder);
    assert.deepEqual([blobs.length, ingests.length, snapshots.length], done ? [1, 0, 1] : [0, 0, 0]);
  });
}

test("who gives up a commit does not wait for the disk", root, async (t) => {
  const folder = await testFolder(t);
  const run = spawnSync(process.execPath, ["--input-type=module", "-e", program(folder, "AbortSignal.timeout(1)")], { encoding: "utf8", timeout: 20_000, env: { GANTRY_FAILPOINTS: "builder.sync=delay:60000" } });
  assert.deepEqual([run.signal, run.status], [null, 1], run.stderr);
  assert.match(run.stderr, /TimeoutError/);
  cleanup(t).use(await openCore({ root: folder, kernel: await testKernel(t) }));
  const { ingests, snapshots } = await leftOvers(folder);
  assert.deepEqual([ingests.length, snapshots.length], [0, 0]);
});
