/** update: limits of a running container, seen from inside. stats: what it uses. */
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { stories, type Scene } from "./harness.ts";

const { story } = stories("update and stats");

/** A limit as the container sees it, v1 or v2. */
const inside = ({ cli }: Pick<Scene, "cli">, id: string, ...files: string[]) =>
  cli.ok("exec", id, "sh", "-c", `cd /sys/fs/cgroup; cat ${files.join(" ")} 2>/dev/null; true`);
const memoryOf = (scene: Pick<Scene, "cli">, id: string) => inside(scene, id, "memory/memory.limit_in_bytes", "memory.max");
const MB = 1024 * 1024;

story("memory grows beyond what swap was, and shrinks again", async ({ cli }) => {
  const id = await cli.ok("run", "-d", "-m", "64m", "busybox", "sleep", "1000");
  assert.equal(await memoryOf({ cli }, id), String(64 * MB));
  assert.equal(await cli.ok("update", "-m", "512m", "--memory-swap", "1g", id), id);
  assert.equal(await memoryOf({ cli }, id), String(512 * MB));
  assert.equal(await cli.ok("update", "-m", "32m", "--memory-swap", "64m", id), id);
  assert.equal(await memoryOf({ cli }, id), String(32 * MB));
  await cli.fails(1, /Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time/, "update", "-m", "100m", id);
  assert.equal(await cli.ok("inspect", "-f", "{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}}", id), `${32 * MB} ${64 * MB}`);
  await cli.ok("restart", "-t", "0", id);
  assert.equal(await memoryOf({ cli }, id), String(32 * MB));
});

story("processors, processes and policy; of a stopped container too", async ({ cli }) => {
  const id = await cli.ok("run", "-d", "busybox", "sleep", "1000");
  await cli.ok("update", "--cpus", "0.5", "--pids-limit", "17", "--restart", "on-failure:3", id);
  assert.equal(await cli.ok("inspect", "-f", "{{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}} {{.HostConfig.RestartPolicy.Name}} {{.HostConfig.RestartPolicy.MaximumRetryCount}}", id), "500000000 17 on-failure 3");
  assert.equal(await inside({ cli }, id, "pids/pids.max", "pids.max"), "17");
  assert.match(await inside({ cli }, id, "cpu/cpu.cfs_quota_us", "cpu.max"), /^50000( 100000)?$/);
  await cli.ok("stop", "-t", "0", id);
  await cli.ok("update", "--pids-limit", "-1", "--restart", "no", id);
  await cli.ok("start", id);
  assert.equal(await inside({ cli }, id, "pids/pids.max", "pids.max"), "max");
});

story("changes that make no sense are refused, and nothing has changed", async ({ cli }) => {
  const id = await cli.ok("run", "-d", "--rm", "--cpus", "1", "busybox", "sleep", "1000");
  const before = await cli.ok("inspect", "-f", "{{json .HostConfig}}", id);
  await cli.fails(1, /you must provide one or more flags when using this command/, "update", id);
  await cli.fails(1, /Restart policy cannot be updated because AutoRemove is enabled/, "update", "--restart", "always", id);
  await cli.fails(1, /CPU Period cannot be updated as NanoCPUs has already been set/, "update", "--cpu-period", "50000", id);
  await cli.fails(1, /Minimum memory limit allowed is/, "update", "-m", "1m", id);
  await cli.fails(1, /[Nn]o such container: nosuch/, "update", "-m", "64m", "nosuch");
  assert.equal(await cli.ok("inspect", "-f", "{{json .HostConfig}}", id), before);
});

story("stats: what it uses, once and followed", async ({ cli }) => {
  const busy = await cli.ok("run", "-d", "--name", "busy", "-m", "64m", "--pids-limit", "50", "busybox", "sh", "-c", "while :; do :; done");
  const idle = await cli.ok("create", "--name", "idle", "busybox", "true");
  await pause(300);
  const line = (await cli.ok("stats", "--no-stream", "--no-trunc", "--format", "{{.ID}} {{.Name}} {{.CPUPerc}} {{.MemUsage}} {{.PIDs}} {{.NetIO}}")).split("\n")[0] ?? "";
  const found = /^(\w{64}) busy (\d+\.\d\d)% [\d.]+[kKM]?i?B \/ 64MiB (\d+) \S+ \/ \S+$/.exec(line);
  assert.ok(found, line);
  const [, id, cpu, pids] = found;
  assert.deepEqual([id, pids], [busy, "1"]);
  assert.ok(Number(cpu) > 5, line);
  assert.match(await cli.ok("stats", "-a", "--no-stream", "--format", "{{.Name}}: {{.CPUPerc}} {{.PIDs}}", "busy", "idle"), /^busy: .*\nidle: (0\.00%|--) (0|--)$/);
  assert.match(await cli.ok("stats", "--no-stream", idle), /CONTAINER ID +NAME +CPU % +MEM USAGE \/ LIMIT +MEM % +NET I\/O +BLOCK I\/O +PIDS/);
  await cli.ok("run", "-d", "--name", "free", "busybox", "sleep", "1000");
  assert.match(await cli.ok("stats", "--no-stream", "--format", "{{.Name}} {{.PIDs}} {{.MemUsage}}", "free"), /^free 1 [\d.]+[kKM]?i?B \/ [\d.]+GiB$/);
  const following = cli.spawn("stats", "--format", "{{.Name}}", "busy");
  await following.until(/busy[^]*busy[^]*busy/);
  following.child.kill("SIGKILL");
  await following.ended;
  await cli.fails(1, /[Nn]o such container: nosuch/, "stats", "--no-stream", "nosuch");
});
