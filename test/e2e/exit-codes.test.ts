import assert from "node:assert/strict";
import { stories } from "./harness.ts";

const { story } = stories("exit codes");

story("the code of the process is the client's", async ({ cli }) => {
  await cli.fails(7, /^$/, "run", "--rm", "busybox", "sh", "-c", "exit 7");
  await cli.ok("run", "--rm", "busybox", "true");
});

story("a process that a signal ended: 128 and the signal", async ({ cli }) => {
  const running = cli.spawn("run", "--name", "killed", "busybox", "sh", "-c", "echo up; exec sleep 1000");
  await running.until(/up/);
  await cli.ok("kill", "killed");
  assert.equal((await running.ended).code, 137);
  assert.equal(await cli.ok("wait", "killed"), "137");
});

story("127: no such executable", async ({ cli }) => {
  await cli.fails(127, /executable file not found in \$PATH/, "run", "--rm", "busybox", "nope");
  await cli.fails(127, /no such file or directory/, "run", "--rm", "busybox", "/nope");
});

story("126: an executable that cannot be executed", async ({ cli }) => {
  await cli.fails(126, /permission denied/, "run", "--rm", "busybox", "/etc/passwd");
  await cli.fails(126, /permission denied/, "run", "--rm", "busybox", "/etc");
});

story("125: the client or the engine failed", async ({ cli }) => {
  await cli.fails(125, /unknown flag: --nope/, "run", "--nope", "busybox");
  await cli.fails(125, /No such image|Unable to find image/, "run", "--pull", "never", "absent:1");
});

story("a container that failed to start is created, and --rm removes it", async ({ cli }) => {
  await cli("run", "--name", "kept", "busybox", "nope");
  assert.equal(await cli.ok("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "kept"), "created 127");
  await cli("run", "--rm", "--name", "gone", "busybox", "nope");
  assert.equal(await cli.ok("ps", "-aq", "--filter", "name=gone"), "");
});

story("wait prints the code; of a container that ended already, too", async ({ cli }) => {
  await cli.ok("run", "-d", "-i", "--name", "waited", "busybox", "sh", "-c", "sleep 0.2; exit 9");
  assert.equal(await cli.ok("wait", "waited"), "9");
  assert.equal(await cli.ok("wait", "waited"), "9");
});
