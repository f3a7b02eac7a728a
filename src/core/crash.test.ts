/**
 * The engine dies at each step of taking an image in, naming it, and throwing it away. Opened again, the core is whole:
 * what was acknowledged is there, what was not is gone without a trace, and doing it again works.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { cell, cleanup, leftOvers, testFolder, testKernel } from "./core-fixture.ts";
import { openCore } from "./core.ts";

const at = (path: string) => JSON.stringify(fileURLToPath(new URL(path, import.meta.url)));

/** Stores and unpacks a layer, names it, makes a container's snapshot, and takes all of it away again. */
const program = (root: string) => `
  import { openKernel } from ${at("../linux/host.ts")};
  import { openCore } from ${at("core.ts")};
  import { storeLayer } from ${at("core-fixture.ts")};
  const kernel = await openKernel({ cell: ${JSON.stringify(cell)} });
  const core = await openCore({ root: ${JSON.stringify(root)}, kernel, driver: process.env.DRIVER });
  const lease = core.leases.open();
  const layer = await storeLayer(core, lease, [{ name: "d", type: "directory" }, { name: "d/f", type: "file", data: "x".repeat(100000) }]);
  const top = await core.layers.unpack(lease, [layer]);
  const name = "docker.io/library/x:1";
  await core.link("content/" + layer.descriptor.digest, ["snapshot/" + top]);
  await core.images.put([{ name, target: layer.descriptor }]);
  console.log("named");
  lease[Symbol.dispose]();
  await core.snapshots.prepare("c", top, { init: true });
  console.log("prepared");
  await core.snapshots.remove("c");
  console.log("removed");
  await core.images.remove([name]);
  console.log("unnamed");
  await core.collect();
  console.log("collected");
  await core[Symbol.asyncDispose]();
  await kernel[Symbol.asyncDispose]();`;

function run(root: string, driver: string, points: string) {
  return spawnSync(process.execPath, ["--input-type=module", "-e", program(root)], {
    encoding: "utf8",
    env: { DRIVER: driver, GANTRY_FAILPOINTS: points },
  });
}

/** Each point, and what was acknowledged before it. */
const points: [string, string[]][] = [
  ["content.write", []],
  ["content.rename", []],
  ["content.row", []],
  ["layers.commit", []],
  ["images.put", []],
  ["snapshots.row", ["named"]],
  ["snapshots.folder", ["named", "prepared"]],
  ["gc.files", ["named", "prepared", "removed", "unnamed"]],
];

for (const driver of ["overlay", "vfs"] as const) {
  test(`${driver}: without a failure it runs through`, async (t) => {
    const { stdout, status, stderr } = run(await testFolder(t), driver, "");
    assert.deepEqual([status, stdout.trim().split("\n")], [0, ["named", "prepared", "removed", "unnamed", "collected"]], stderr);
  });

  for (const [point, acknowledged] of points) {
    test(`${driver}: killed at ${point}`, async (t) => {
      const root = await testFolder(t);
      const killed = run(root, driver, `${point}=kill`);
      assert.equal(killed.signal, "SIGKILL", killed.stderr);
      const told = killed.stdout.trim().split("\n").filter((line) => line !== "");
      assert.deepEqual(told, acknowledged);

      const core = cleanup(t).use(await openCore({ root, kernel: await testKernel(t), driver }));
      const named = acknowledged.includes("named") && !acknowledged.includes("unnamed");
      assert.equal(core.images.list().length, named ? 1 : 0);
      const left = await leftOvers(root);
      assert.deepEqual([left.blobs.length, left.ingests.length, left.snapshots.length], named ? [1, 0, 1] : [0, 0, 0]);
      assert.deepEqual(core.snapshots.list().map(({ kind }) => kind), named ? ["committed"] : []);
      for await (const finding of core.check({ repair: false, signal: new AbortController().signal })) {
        // The layer that the program names as an image is none: only that may be told.
        if (finding.kind === "problem") assert.equal(finding.problem.subject, "docker.io/library/x:1", `${finding.problem.subject}: ${finding.problem.text}`);
      }
      await core[Symbol.asyncDispose]();

      const again = run(root, driver, "");
      assert.equal(again.stdout.trim().split("\n").at(-1), "collected", again.stderr);
    });
  }
}
