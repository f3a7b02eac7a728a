/** Files of builds that mean harm: row BLD-08 of the catalogue, and trees whose links lead to the host. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { tarArchive } from "#base/tar-write.ts";
import type { FileAction } from "#builder/graph.ts";
import { copyOf, dir, type Entry, file, layerLines, openWorld, symlink, type World } from "#builder/files/files-fixture.ts";
import { enterView } from "#core/tasks/view.ts";
import type { Op } from "#linux/ops.ts";
import { readHostFacts } from "#runtime/facts.ts";

const SECRET = "the host's own";
const root = { skip: process.getuid?.() === 0 ? false : "trees are made by root" };

type Scene = World & { readonly canary: string };

function attack(name: string, run: (scene: Scene) => Promise<void>): void {
  for (const driver of ["overlay", "vfs"] as const) {
    test(`${name} (${driver})`, root, async (t: TestContext) => {
      const canary = mkdtempSync("/tmp/gantry-canary-");
      t.after(() => rmSync(canary, { recursive: true, force: true }));
      writeFileSync(join(canary, "file"), SECRET, { mode: 0o600 });
      const before = statSync(canary).mtimeMs;
      await run({ ...(await openWorld(t, driver)), canary });
      assert.deepEqual([readdirSync(canary), readFileSync(join(canary, "file"), "utf8"), statSync(canary).mtimeMs, statSync(join(canary, "file")).mode & 0o777], [["file"], SECRET, before, 0o600], "the host was changed");
    });
  }
}

/** What the layer holds, or the failure; the secret is in neither. */
async function outcome(scene: Scene, actions: readonly FileAction[], ...trees: Parameters<World["perform"]>[1][]): Promise<string[]> {
  const lines = await scene.perform(actions, trees[0]!, ...trees.slice(1)).then((tree) => layerLines(scene, tree), (error: unknown) => [String(error)]);
  assert.ok(!lines.join("\n").includes(SECRET), "read from the host");
  return lines;
}

attack("BLD-08 dots lead no further than the operation's root", async (scene) => {
  const base = await scene.base([dir("a"), file("a/own")]);
  const context = await scene.folder([file("f", "f")]);
  const up = "/../../../../../../../../..";
  for (const path of [`${up}${scene.canary}/x`, `/a${up}${scene.canary}/x`, `/a/../..${scene.canary}/x`]) {
    const inside = scene.canary.slice(1).split("/").map((_, index, all) => `d 755 0:0 ${all.slice(0, index + 1).join("/")}`);
    assert.deepEqual(await outcome(scene, [{ action: "mkdir", path, mode: 0o755, parents: true }], base), [...inside, `d 755 0:0 ${scene.canary.slice(1)}/x`]);
    assert.deepEqual((await outcome(scene, [copyOf("f", path)], base, context as never)).at(-1), `f 644 0:0 ${scene.canary.slice(1)}/x = f`);
  }
  for (const source of [`${up}${scene.canary}/file`, `..${up}/etc/passwd`, `a/../../../../..${scene.canary}`]) {
    assert.match((await outcome(scene, [copyOf(source, "/x")], base, base))[0]!, /not found/);
    assert.match((await outcome(scene, [copyOf(source, "/x")], base, context as never))[0]!, /not found/);
  }
  assert.deepEqual(await outcome(scene, [{ action: "mkdir", path: "/..", mode: 0o777, parents: true }, { action: "mkdir", path: "/a/../../..", mode: 0o777, parents: true }], base), []);
});

attack("links of the base lead no further than its root", async (scene) => {
  const links: Entry[] = [symlink("abs", scene.canary), symlink("up", `../../../../../../..${scene.canary}`), symlink("slash", "/"), symlink("dots", "../../../.."), symlink("f", `${scene.canary}/file`), symlink("two", "slash/abs"), symlink("etc", "/slash/proc/self/root")];
  const base = await scene.base(links);
  const context = await scene.folder([file("file", "evil", { mode: 0o777 }), dir("d"), file("d/file", "evil")]);
  for (const name of ["abs", "up", "two", "slash/abs", "dots/abs"]) {
    assert.equal((await outcome(scene, [copyOf("file", `/${name}/`)], base, context as never)).at(-1), `f 777 0:0 ${scene.canary.slice(1)}/file = evil`);
    assert.equal((await outcome(scene, [copyOf("d", `/${name}`)], base, context as never)).at(-1), `f 644 0:0 ${scene.canary.slice(1)}/file = evil`);
    assert.equal((await outcome(scene, [{ action: "mkfile", path: `/${name}/file`, name: "x", data: "evil", mode: 0o777 }], base)).at(-1), `f 777 0:0 ${scene.canary.slice(1)}/file = evil`);
  }
  assert.equal((await outcome(scene, [copyOf("file", "/f")], base, context as never)).at(-1), `f 777 0:0 ${scene.canary.slice(1)}/file = evil`);
  assert.match((await outcome(scene, [copyOf("file", "/x", { owner: "root" })], base, context as never))[0]!, /no such user|ENOENT|ELOOP/, "the host's passwd is not the image's");
});

attack("links of a source lead no further than its root", async (scene) => {
  const evil = [dir("s"), symlink("s/abs", scene.canary), symlink("s/up", `../../../../..${scene.canary}`), symlink("s/f", `${scene.canary}/file`), symlink("s/proc", "/proc/self/root"), symlink("top", scene.canary), symlink("s/slash", "/")];
  const base = await scene.base([dir("w")]);
  for (const tree of [await scene.base(evil), (await scene.folder(evil)) as never]) {
    for (const source of ["s/abs", "s/up", "s/f", "s/abs/file", "top", "top/file", "s/proc/etc/passwd", "s/slash/top/file", `s/slash${scene.canary}/file`]) {
      assert.match((await outcome(scene, [copyOf(source, "/w/")], base, tree))[0]!, /not found/, source);
    }
    await outcome(scene, [copyOf("*", "/w/")], base, tree);
    const whole = await outcome(scene, [copyOf("s", "/w")], base, tree);
    assert.ok(whole.includes(`l 0:0 w/abs -> ${scene.canary}`), "as a link");
    await assert.rejects(scene.files.selection(tree, ["s/f"], { exclude: [], signal: scene.context.signal }), { kind: "not-found" });
    await outcome(scene, [copyOf("s/abs/file", "/w/", { parents: true })], base, tree);
  }
});

attack("archives lead no further than where they are unpacked", async (scene) => {
  const depth = "../".repeat(12);
  const bytes = tarArchive([
    symlink("abs", scene.canary), file("abs/planted", "evil"), symlink("up", `${depth}${scene.canary.slice(1)}`), file("up/planted", "evil"), file(`${depth}${scene.canary.slice(1)}/planted`, "evil"),
    file(`${scene.canary}/planted`, "evil"), { name: "hard", type: "link", linkName: `${scene.canary}/planted` }, dir("abs", 0o777),
  ]);
  const base = await scene.base([symlink("ln", scene.canary), dir("w")]);
  const context = await scene.folder([file("ar.tar", bytes as unknown as string)]);
  for (const destination of ["/w", "/ln", "/"]) {
    const lines = await outcome(scene, [copyOf("ar.tar", destination, { unpack: true })], base, context as never);
    assert.ok(lines.some((line) => line.endsWith(" = evil")), lines.join("\n"));
  }
  const hostile = await scene.folder([file("x.tar", tarArchive([{ name: "hard", type: "link", linkName: `${scene.canary}/file` }]) as unknown as string)]);
  await outcome(scene, [copyOf("x.tar", "/w/", { unpack: true })], base, hostile as never);
});

attack("a mark of overlay's is no file that could be copied", async (scene) => {
  const base = await scene.base([dir("d"), file("d/kept", "k")]);
  const context = await scene.folder([{ name: "kept", type: "char", major: 0, minor: 0, mode: 0o600 }, file("x", "x", { xattrs: { "trusted.overlay.opaque": "y", "trusted.overlay.redirect": "/etc" } })]);
  assert.match((await outcome(scene, [copyOf("kept", "/d/kept")], base, context as never))[0]!, /device 0:0 cannot be copied/);
  assert.deepEqual((await outcome(scene, [copyOf("x", "/d/")], base, context as never)).at(-1), "f 644 0:0 d/x = x");
});

attack("what another stage's command does to its tree changes nothing of what is copied from there", async (scene) => {
  const names = Array.from({ length: 300 }, (_, index) => `d/f${index}`);
  const stage = await scene.base([dir("d"), ...names.map((name) => file(name, name))]);
  const place = { host: await readHostFacts(), staging: scene.core.root };
  await using other = await scene.files.drafts.begin(stage);
  const view = enterView({ root: { kind: "snapshot", mounts: other.mounts }, mounts: [] }, place);
  const swaps = names.flatMap((name): Op[] => [{ op: "unlink", path: name }, { op: "symlink", path: name, target: `${scene.canary}/file` }]);
  const [lines] = await Promise.all([
    outcome(scene, [copyOf("d", "/copied")], await scene.base([dir("x")]), stage),
    scene.core.kernel.perform([...view, ...swaps, { op: "removeTree", path: "d" }, { op: "symlink", path: "d", target: scene.canary }], { forked: true }),
  ]);
  assert.equal(lines.length, names.length + 1);
  assert.deepEqual(lines.slice(1).toSorted(), names.map((name) => `f 644 0:0 copied/${name.slice(2)} = ${name}`).toSorted());
});
