import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { stories, type Scene } from "./harness.ts";
import { containerCgroups } from "./harness/place.ts";

const { story } = stories("run: limits");

/** The value of the first of these files in the cgroup of a container: v1's and v2's names. */
async function cgroupValue({ cli }: Pick<Scene, "cli">, id: string, ...names: string[]): Promise<string> {
  const pid = await cli.ok("inspect", "-f", "{{.State.Pid}}", id);
  const lines = readFileSync(`/proc/${pid}/cgroup`, "utf8").trim().split("\n");
  for (const line of lines) {
    const [, controllers = "", path = ""] = line.split(":");
    for (const root of [...controllers.split(",").map((name) => join("/sys/fs/cgroup", name)), "/sys/fs/cgroup/unified", "/sys/fs/cgroup"]) {
      for (const name of names) if (existsSync(join(root, path, name))) return readFileSync(join(root, path, name), "utf8").trim();
    }
  }
  throw new Error(`none of ${names} in ${lines}; ${readdirSync("/sys/fs/cgroup")}`);
}

story("--memory, --memory-reservation, --memory-swap", async ({ cli }) => {
  const id = await cli.ok("run", "-d", "--memory", "64m", "--memory-reservation", "32m", "--memory-swap", "128m", "busybox", "sleep", "1000");
  assert.equal(await cgroupValue({ cli }, id, "memory.limit_in_bytes", "memory.max"), String(64 << 20));
  assert.equal(await cgroupValue({ cli }, id, "memory.soft_limit_in_bytes", "memory.low"), String(32 << 20));
  assert.equal(await cli.ok("inspect", "-f", "{{.HostConfig.Memory}} {{.HostConfig.MemoryReservation}} {{.HostConfig.MemorySwap}}", id), "67108864 33554432 134217728");
});

story("a process that takes more memory than allowed is killed, and inspect says so", async ({ cli }) => {
  const id = await cli.ok("run", "-d", "--memory", "16m", "--memory-swap", "16m", "busybox", "sh", "-c", "tail -c 100m /dev/zero");
  const code = await cli.ok("wait", id);
  assert.match(code, /^(1|137)$/);
  assert.equal(await cli.ok("inspect", "-f", "{{.State.OOMKilled}}", id), "true");
});

story("--cpus, --cpu-shares, --cpuset-cpus", async ({ cli }) => {
  const id = await cli.ok("run", "-d", "--cpus", "0.5", "--cpu-shares", "512", "--cpuset-cpus", "0", "busybox", "sleep", "1000");
  assert.match(await cgroupValue({ cli }, id, "cpu.cfs_quota_us", "cpu.max"), /^50000( 100000)?$/);
  assert.match(await cgroupValue({ cli }, id, "cpu.shares", "cpu.weight"), /^(512|20)$/);
  assert.equal(await cgroupValue({ cli }, id, "cpuset.cpus"), "0");
  assert.equal(await cli.ok("exec", id, "grep", "Cpus_allowed_list", "/proc/self/status"), "Cpus_allowed_list:\t0");
});

story("--pids-limit", async ({ cli }) => {
  const id = await cli.ok("run", "-d", "--pids-limit", "7", "busybox", "sleep", "1000");
  assert.equal(await cgroupValue({ cli }, id, "pids.max"), "7");
  const result = await cli("run", "--rm", "--pids-limit", "5", "busybox", "sh", "-c", "for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait");
  assert.match(result.stderr, /can't fork/);
});

story("--ulimit", async ({ cli }) => {
  assert.equal(await cli.ok("run", "--rm", "--ulimit", "nofile=123:456", "--ulimit", "core=0", "busybox", "sh", "-c", "ulimit -Sn; ulimit -Hn; ulimit -c"), "123\n456\n0");
  await cli.fails(125, /invalid ulimit type: nope/, "run", "--rm", "--ulimit", "nope=1", "busybox", "true");
  await cli.fails(125, /ulimit soft limit must be less than or equal to hard limit/, "run", "--rm", "--ulimit", "nofile=5:2", "busybox", "true");
});

story("--sysctl: of the container's namespaces, and no other", async ({ cli }) => {
  assert.equal(await cli.ok("run", "--rm", "--sysctl", "net.ipv4.ip_unprivileged_port_start=1000", "busybox", "cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start"), "1000");
  assert.equal(await cli.ok("run", "--rm", "--sysctl", "kernel.shmmax=12345678", "busybox", "cat", "/proc/sys/kernel/shmmax"), "12345678");
  await cli.fails(125, /sysctl 'vm.swappiness=1' is not allowed/, "run", "--rm", "--sysctl", "vm.swappiness=1", "busybox", "true");
});

story("--shm-size", async ({ cli }) => {
  assert.match(await cli.ok("run", "--rm", "busybox", "df", "-k", "/dev/shm"), /65536/);
  assert.match(await cli.ok("run", "--rm", "--shm-size", "1m", "busybox", "df", "-k", "/dev/shm"), /1024 /);
});

story("--oom-score-adj", async ({ cli }) => {
  assert.equal(await cli.ok("run", "--rm", "--oom-score-adj", "500", "busybox", "cat", "/proc/self/oom_score_adj"), "500");
  await cli.fails(125, /oom score adj should be (?:with)?in (?:the )?range|must be in the range|\[-1000, ?1000\]/i, "run", "--rm", "--oom-score-adj", "2000", "busybox", "true");
});

story("--cgroup-parent", async ({ cli, engine }) => {
  const parent = `${engine.place.cgroupParent}/inner`;
  const id = await cli.ok("run", "-d", "--cgroup-parent", parent, "busybox", "sleep", "1000");
  const pid = await cli.ok("inspect", "-f", "{{.State.Pid}}", id);
  assert.match(readFileSync(`/proc/${pid}/cgroup`, "utf8"), new RegExp(`pids:${parent}/(docker-|gantry-)?${id}|0::${parent}/.*${id}`));
  await cli.ok("rm", "-f", id);
  // Docker leaves the parent, too: whoever asked for it takes it away.
  for (const path of containerCgroups(engine.place)) if (path.endsWith("/inner")) rmdirSync(path);
});

const wrong: [argv: string[], message: RegExp][] = [
  [["--memory", "1m"], /Minimum memory limit allowed is 6MB/],
  [["--memory", "x"], /invalid argument "x" for "-m, --memory" flag: invalid size: 'x'/],
  [["--memory", "64m", "--memory-swap", "32m"], /Minimum memoryswap limit should be larger than memory limit/],
  [["--memory-swap", "64m"], /You should always set the Memory limit when using Memoryswap limit/],
  [["--memory", "64m", "--memory-reservation", "65m"], /Minimum memory limit can not be less than memory reservation limit/],
  [["--cpus", "1000"], /[Rr]ange of CPUs is from 0\.01 to/],
  [["--cpus", "x"], /invalid argument "x" for "--cpus" flag/],
  [["--cpuset-cpus", "4000"], /Requested CPUs are not available|Invalid value 4000 for cpuset cpus/i],
  [["--cpuset-cpus", "x"], /Invalid value x for cpuset cpus/],
  [["--shm-size", "x"], /invalid argument "x" for "--shm-size" flag: invalid size: 'x'/],
  [["--ulimit", "x"], /invalid ulimit argument: x/],
  [["--stop-timeout", "x"], /invalid argument "x" for "--stop-timeout" flag/],
];
story("wrong limits are refused with Docker's words", async ({ cli }) => {
  for (const [argv, message] of wrong) await cli.fails(125, message, "run", "--rm", ...argv, "busybox", "true");
});
