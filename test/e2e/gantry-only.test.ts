import assert from "node:assert/strict";
import { peer, stories } from "./harness.ts";

/** Through our client, and with our engine. */
const gantry = { only: "gantry", skip: peer === "dockerd" && "it is not dockerd's" } as const;

const { story } = stories("what only gantry does");

story("run hello: the built-in image, without a registry", async ({ cli }) => {
  const result = await cli("run", "--rm", "hello");
  assert.equal(result.code, 0, result.stderr);
  assert.match(result.stdout, /\w+/);
}, { only: "gantry-engine" });

story("--dry-run prints the program, an op a line, and makes nothing", async ({ cli }) => {
  for (const command of ["run", "create"]) {
    const lines = (await cli.ok(command, "--dry-run", "--memory", "64m", "--read-only", "busybox", "true")).split("\n");
    assert.ok(lines.length > 40, `${lines.length} lines`);
    const at = (op: string): number => lines.findIndex((line) => new RegExp(`^ *\\d+ +${op}\\b`).test(line));
    assert.ok(at("fsmount") >= 0 && at("pivot") > at("fsmount"), "mounts come before the pivot");
    assert.ok(at("exec") > at("pivot"), "exec comes after it");
    assert.ok(lines.some((line) => line.includes("67108864")), "the limit is in it");
    assert.equal(await cli.ok("ps", "-aq"), "");
  }
  await cli.fails(125, /unknown flag: --nope/, "run", "--dry-run", "--nope", "busybox");
  await cli.ok("create", "--name", "there", "busybox");
  await cli.fails(125, /The container name "\/there" is already in use/, "run", "--dry-run", "--name", "there", "busybox");
}, gantry);

story("explain: a container as it stands in the kernel", async ({ cli }) => {
  const id = await cli.ok("run", "-d", "--name", "seen", "-p", "127.0.0.1::80", "-v", "kept:/data", "--memory", "64m", "busybox", "sleep", "1000");
  const text = await cli.ok("explain", "seen");
  const pid = await cli.ok("inspect", "-f", "{{.State.Pid}}", id);
  const address = await cli.ok("inspect", "-f", "{{.NetworkSettings.Networks.bridge.IPAddress}}", id);
  for (const part of [pid, address, "sleep 1000", "net:[", "67108864", "/data"]) assert.ok(text.includes(part), `${part} in\n${text}`);
  await cli.fails(1, /No such container: nosuch/, "explain", "nosuch");
}, gantry);
