/** --restart: who is started again, how often, and what a stop, a kill and the engine's own end do to it. */
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { stories, type Scene } from "./harness.ts";

const { story } = stories("restart policies");

const inspect = ({ cli }: Pick<Scene, "cli">, id: string) =>
  cli.ok("inspect", "-f", "{{.State.Status}} {{.State.Running}} {{.State.ExitCode}} {{.RestartCount}}", id);

/** Asks until the answer is right. */
async function becomes(ask: () => Promise<string>, wanted: RegExp): Promise<void> {
  let answer = "";
  for (let tried = 0; tried < 200; tried++) {
    answer = await ask();
    if (wanted.test(answer)) return;
    await pause(50);
  }
  assert.match(answer, wanted);
}

story("on-failure: as often as it says, then it stays", async ({ cli }) => {
  const id = await cli.ok("run", "-d", "--restart", "on-failure:2", "busybox", "sh", "-c", "echo run; exit 3");
  assert.equal(await cli.ok("wait", id), "3");
  await becomes(() => inspect({ cli }, id), /^exited false 3 2$/);
  assert.equal(await cli.ok("logs", id), "run\nrun\nrun");
  const clean = await cli.ok("run", "-d", "--restart", "on-failure", "busybox", "true");
  assert.equal(await cli.ok("wait", clean), "0");
  assert.equal(await inspect({ cli }, clean), "exited false 0 0");
});

story("always: comes back whatever its code, with its files", async ({ cli }) => {
  const id = await cli.ok("run", "-d", "--restart", "always", "busybox", "sh", "-c", "echo x >> /runs; wc -l < /runs; [ $(wc -l < /runs) -lt 3 ] || exec sleep 1000");
  await becomes(() => inspect({ cli }, id), /^running true 0 2$/);
  assert.equal(await cli.ok("logs", id), "1\n2\n3");
  await cli.ok("stop", "-t", "0", id);
  await pause(500);
  assert.match(await inspect({ cli }, id), /^exited false 137/);
  await cli.ok("start", id);
  assert.equal(await inspect({ cli }, id), "running true 0 0");
});

story("between two runs: up, refused where a process is needed, ended by stop, kill and rm -f", async ({ cli }) => {
  const waiting = async () => {
    const id = await cli.ok("run", "-d", "--restart", "always", "busybox", "false");
    await becomes(() => inspect({ cli }, id), /^restarting true 1 [4-9]$/);
    return id;
  };
  const id = await waiting();
  assert.match(await cli.ok("ps", "--format", "{{.Status}}"), /^Restarting \(1\) /);
  await cli.fails(1, /is restarting, wait until the container is running/, "exec", id, "true");
  await cli.fails(1, /is restarting/, "pause", id);
  await cli.fails(1, /container is restarting: stop the container before removing or force remove/, "rm", id);
  await cli.ok("stop", id);
  assert.match(await inspect({ cli }, id), /^exited false 1 /);
  const killed = await waiting();
  await cli.ok("kill", killed);
  assert.match(await inspect({ cli }, killed), /^exited false 1 /);
  await cli.ok("rm", "-f", await waiting());
}, { only: "gantry-engine" });

story("the engine dies: what runs goes on, what ended meanwhile comes back, what was stopped stays", async ({ cli, engine }) => {
  const policy = (name: string) => cli.ok("run", "-d", "--restart", name, "busybox", "sleep", "1000");
  const [kept, fell, stopped, always] = [await policy("always"), await policy("unless-stopped"), await policy("unless-stopped"), await policy("always")];
  await cli.ok("stop", "-t", "0", stopped, always);
  const pidOf = (id: string) => cli.ok("inspect", "-f", "{{.State.Pid}}", id);
  const before = await pidOf(kept);
  const victim = Number(await pidOf(fell));
  await engine.kill();
  process.kill(victim, "SIGKILL");
  await engine.start();
  await becomes(() => inspect({ cli }, fell), /^running true 0 1$/);
  assert.equal(await pidOf(kept), before);
  assert.match(await inspect({ cli }, stopped), /^exited false 137/);
  // As Docker has it: always means always when the engine starts.
  await becomes(() => inspect({ cli }, always), /^running true 0/);
}, { only: "gantry-engine" });

story("policies that make no sense are refused", async ({ cli }) => {
  await cli.fails(125, /can't create 'AutoRemove' container with restart policy|--restart.*--rm|--rm.*--restart/i, "run", "--rm", "--restart", "always", "busybox", "true");
  await cli.fails(125, /unknown policy 'sometimes'|invalid restart policy/, "run", "--restart", "sometimes", "busybox", "true");
  await cli.fails(125, /maximum retry count/, "run", "--restart", "always:3", "busybox", "true");
});
