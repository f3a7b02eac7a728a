/** live-restore switched off: containers end with the engine, and may take leave. */
import assert from "node:assert/strict";
import { stories } from "./harness.ts";

const { story } = stories("containers end with the engine", { flags: ["--live-restore=false", "--shutdown-timeout", "2"] });

story("each is stopped, those that do not listen are killed, and --rm holds", async ({ cli, engine }) => {
  const polite = await cli.ok("run", "-d", "busybox", "sh", "-c", "trap 'exit 3' TERM; while :; do sleep 0.05; done");
  const deaf = await cli.ok("run", "-d", "busybox", "sleep", "1000");
  const frozen = await cli.ok("run", "-d", "busybox", "sleep", "1000");
  await cli.ok("pause", frozen);
  await cli.ok("run", "-d", "--rm", "--name", "gone", "busybox", "sleep", "1000");
  await engine.stop();
  await engine.start();
  const states = await cli.ok("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", polite, deaf, frozen);
  assert.deepEqual(states.split("\n"), ["exited 3", "exited 137", "exited 137"]);
  await cli.fails(1, /no such (container|object)/i, "inspect", "gone");
}, { only: "gantry-engine" });
