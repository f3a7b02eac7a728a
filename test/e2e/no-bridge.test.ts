/** `--bridge none`: containers of the default network have none, as Docker has it. */
import assert from "node:assert/strict";
import { stories } from "./harness.ts";

const { story } = stories("no default network", { flags: ["--bridge", "none", "--bip", ""] });

story("a container of the default network, named or not, has loopback only", async ({ cli }) => {
  for (const network of [[], ["--network", "bridge"]]) {
    const id = await cli.ok("run", "-d", ...network, "busybox", "sleep", "1000");
    assert.equal(await cli.ok("exec", id, "ls", "/sys/class/net"), "lo");
    assert.equal(await cli.ok("inspect", "-f", "{{.Config.NetworkDisabled}} {{json (index .NetworkSettings.Networks \"bridge\").IPAddress}}", id), 'true ""');
    await cli.ok("restart", "-t", "0", id);
  }
  await cli.fails(125, /network nosuch not found/, "run", "--rm", "--network", "nosuch", "busybox", "true");
}, { only: "gantry-engine" });
