/** Twenty seconds of test/chaos/networks.ts, which by hand runs for as long as one likes. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { busyboxMissing } from "../fixtures/image.ts";
import { onPath } from "../packages.ts";
import { peer, root } from "./harness/engine.ts";

const missing = ["nsenter", "unshare", "nft", "ip"].find((program) => !onPath(program));
const skip = (peer === "dockerd" && "it is about our engine") || (process.getuid?.() !== 0 && "containers need root") || busyboxMissing || (missing !== undefined && `${missing} is not on this machine`);

test("chaos: containers killed, started and moved between networks, the engine killed in between", { skip, timeout: 300_000 }, () => {
  const argv = ["--disable-warning=ExperimentalWarning", join(root, "test/chaos/networks.ts"), "--seconds", "20", "--containers", "24", "--networks", "5", "--seed", "20"];
  const { status, stdout, stderr } = spawnSync(process.execPath, argv, { encoding: "utf8", maxBuffer: 1 << 26 });
  assert.equal(status, 0, `${stdout}\n${stderr.slice(-8000)}`);
  const done = JSON.parse(stdout.split("\n")[0] as string) as Record<string, number>;
  for (const what of ["kill", "start", "connect", "disconnect", "engine killed", "names asked", "names asked while down", "checks"]) assert.ok((done[what] ?? 0) > 0, `${what}: ${stdout}`);
});
