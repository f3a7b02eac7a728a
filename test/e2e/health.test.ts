/** Health checks: from starting to healthy or unhealthy and back, seen in ps, inspect, events and filters. */
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { peer, stories, type Scene } from "./harness.ts";

const { story } = stories("health checks");

const fast = ["--health-interval", "100ms", "--health-retries", "2"];
type State = { Status: string; FailingStreak: number; Log: { ExitCode: number; Output: string; Start: string; End: string }[] };

async function healthOf({ cli }: Pick<Scene, "cli">, id: string): Promise<State> {
  return JSON.parse(await cli.ok("inspect", "-f", "{{json .State.Health}}", id)) as State;
}

async function becomes(scene: Pick<Scene, "cli">, id: string, status: string): Promise<State> {
  for (let tried = 0; ; tried++) {
    const health = await healthOf(scene, id);
    if (health.Status === status) return health;
    assert.ok(tried < 200, `${status} was not reached: ${JSON.stringify(health)}`);
    await pause(50);
  }
}

story("healthy, unhealthy and healthy again, as the container changes", async ({ cli }) => {
  const id = await cli.ok("run", "-d", "--name", "patient", ...fast, "--health-cmd", "cat /tmp/well", "busybox", "sleep", "1000");
  assert.match(await cli.ok("ps", "--format", "{{.Status}}"), /^Up .*\((health: starting|unhealthy)\)$/);
  const sick = await becomes({ cli }, id, "unhealthy");
  assert.ok(sick.FailingStreak >= 2);
  assert.match(sick.Log[0]!.Output, /can't open '\/tmp\/well'/);
  assert.equal(sick.Log[0]!.ExitCode, 1);
  assert.equal(await cli.ok("ps", "-q", "--no-trunc", "--filter", "health=unhealthy"), id);
  await cli.ok("exec", id, "sh", "-c", "echo fine > /tmp/well");
  const well = await becomes({ cli }, id, "healthy");
  const events = await cli.ok("events", "--since", "10m", "--until", String(Math.ceil(Date.now() / 1000)), "--filter", "container=patient", "--filter", "event=health_status", "--format", "{{.Action}}");
  assert.equal(events.split("\n").at(-1), "health_status: healthy");
  assert.deepEqual([well.FailingStreak, well.Log.at(-1)!.Output, well.Log.length <= 5], [0, "fine\n", true]);
  assert.match(await cli.ok("ps", "--format", "{{.Status}}", "--filter", "health=healthy"), /^Up .*\(healthy\)$/);
  await cli.ok("stop", "-t", "0", id);
  assert.equal((await healthOf({ cli }, id)).Status, "unhealthy");
});

story("a probe that takes too long is killed, and failed", async ({ cli }) => {
  const id = await cli.ok("run", "-d", ...fast, "--health-timeout", "200ms", "--health-cmd", "echo begun; sleep 1000", "busybox", "sleep", "1000");
  const { Log } = await becomes({ cli }, id, "unhealthy");
  assert.equal(Log[0]!.ExitCode, -1);
  assert.match(Log[0]!.Output, /Health check exceeded timeout/);
  assert.doesNotMatch(await cli.ok("top", id), /sleep 1000.*\n.*sleep 1000.*\n.*sleep 1000/);
});

story("failures while it starts do not count; a command that cannot be run is a failure", async ({ cli }) => {
  const id = await cli.ok("run", "-d", ...fast, "--health-start-period", "1h", "--health-start-interval", "100ms", "--health-cmd", "false", "busybox", "sleep", "1000");
  for (let tried = 0; (await healthOf({ cli }, id)).Log.length < 3; tried++) {
    assert.ok(tried < 200);
    await pause(50);
  }
  assert.deepEqual([(await healthOf({ cli }, id)).Status, (await healthOf({ cli }, id)).FailingStreak], ["starting", 0]);
}, { skip: peer === "gantry" ? false : "its engine knows no start interval" });

story("--no-healthcheck, and none: no health", async ({ cli, file }) => {
  await cli.ok("import", "--change", 'HEALTHCHECK --interval=100ms CMD ["true"]', file("empty.tar", Buffer.alloc(1024)), "checked:1");
  const made = await cli.ok("create", "checked:1", "x");
  assert.match(await cli.ok("inspect", "-f", "{{json .Config.Healthcheck}}", made), /"Test":\["CMD","true"\]/);
  const without = await cli.ok("create", "--no-healthcheck", "checked:1", "x");
  assert.match(await cli.ok("inspect", "-f", "{{json .Config.Healthcheck.Test}}", without), /^\["NONE"\]$/);
  const plain = await cli.ok("run", "-d", "busybox", "sleep", "1000");
  assert.equal(await cli.ok("inspect", "-f", "{{json .State}}", plain).then((json) => "Health" in (JSON.parse(json) as object)), false);
  assert.equal(await cli.ok("ps", "-q", "--no-trunc", "--filter", "health=none"), plain);
  await cli.ok("rm", "-f", made, without, plain);
  await cli.ok("rmi", "checked:1");
});

story("the engine dies: probes go on after it is back; a paused container has none", async ({ cli, engine }) => {
  const id = await cli.ok("run", "-d", ...fast, "--health-cmd", "true", "busybox", "sleep", "1000");
  await becomes({ cli }, id, "healthy");
  await engine.kill();
  await engine.start();
  await becomes({ cli }, id, "healthy");
  await cli.ok("pause", id);
  const { Log: before } = await healthOf({ cli }, id);
  await pause(500);
  assert.deepEqual((await healthOf({ cli }, id)).Log, before);
  await cli.ok("unpause", id);
  await becomes({ cli }, id, "healthy");
}, { only: "gantry-engine" });

story("checks that make no sense are refused", async ({ cli }) => {
  await cli.fails(125, /Interval in Healthcheck cannot be less than 1ms/, "run", "--health-cmd", "x", "--health-interval", "1us", "busybox", "true");
  await cli.fails(125, /--no-healthcheck conflicts with --health-\* options/, "run", "--no-healthcheck", "--health-cmd", "x", "busybox", "true");
});
