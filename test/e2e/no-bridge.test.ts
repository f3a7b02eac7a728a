/** `--bridge none`: containers of the default network have none, as Docker has it. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after } from "node:test";
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

/** Named after the engine's data, where no bridge names it: who takes engines away does not know it. */
const tables = new Set<string>();
after(() => tables.forEach((table) => execFileSync("nft", ["delete", "table", "inet", table])));

story("networks of one's own are as ever: addresses, ports, nobody from outside", async ({ cli }) => {
  await cli.ok("network", "create", "own");
  tables.add(`gantry-${(await cli.ok("network", "inspect", "-f", "{{.Id}}", "host")).slice(0, 12)}`);
  const bridge = `br-${(await cli.ok("network", "inspect", "-f", "{{.Id}}", "own")).slice(0, 12)}`;
  const id = await cli.ok("run", "-d", "--network", "own", "-p", "127.0.0.1::80", "busybox", "nc", "-ll", "-p", "80", "-e", "echo", "hello");
  const port = (await cli.ok("port", id, "80")).split(":")[1]!;
  const script = `for i in 1 2 3 4 5 6 7 8 9 10; do nc -w 1 127.0.0.1 ${port} && exit; sleep 0.2; done`;
  assert.equal(await cli.ok("run", "--rm", "--network", "host", "busybox", "sh", "-c", script), "hello");
  const rules = () => execFileSync("nft", ["list", "ruleset"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  assert.ok(rules().includes(bridge));
  const alone = await cli.ok("run", "-d", "busybox", "sleep", "1000");
  await cli.ok("network", "connect", "own", alone);
  await cli.ok("restart", "-t", "0", alone);
  assert.match(await cli.ok("exec", alone, "ls", "/sys/class/net"), /eth0/);
  await cli.ok("rm", "-f", id, alone);
  await cli.ok("network", "rm", "own");
  assert.ok(!rules().includes(bridge));
}, { only: "gantry-engine" });
