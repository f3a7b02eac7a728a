import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const fixture = JSON.stringify(fileURLToPath(new URL("races-fixture.ts", import.meta.url)));

/** Every step between which something else may come in, held up for a random number of turns. */
const POINTS = ["content.write", "content.rename", "content.row", "layers.commit", "images.put", "gc.files", "snapshots.row", "snapshots.folder"];

/** SEED=n runs one order again; a failure names its seed. */
const seeds = process.env["SEED"] === undefined ? [1, 2, 3] : [Number(process.env["SEED"])];

for (const seed of seeds) {
  test(`collection beside loads, tags, removes, prunes, saves and runs never takes what is needed (F-19, F-40; seed ${seed})`, { skip: !existsSync("/dev/shm") && "there is no /dev/shm" }, () => {
    const program = `import { race } from ${fixture}; console.log(JSON.stringify(await race({ seed: ${seed}, lanes: 8, steps: 40 })))`;
    const { stdout, stderr, status } = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
      encoding: "utf8",
      timeout: 120_000,
      env: { GANTRY_FAILPOINTS: POINTS.map((point) => `${point}=turns:${4 + (seed % 5) * 4}`).join(","), GANTRY_FAILPOINT_SEED: String(seed) },
    });
    assert.equal(status, 0, stderr);
    const counts = JSON.parse(stdout) as Record<string, number>;
    const steps = Object.values(counts).reduce((sum, count) => sum + count, 0) - counts["collect"]!;
    assert.equal(steps, 320);
    assert.ok(counts["collect"]! > 100 && counts["run"]! > 20, stdout);
  });
}
