import assert from "node:assert/strict";
import { readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { stories } from "./harness.ts";

const { story } = stories("run: namespaces");

const link = (name: string): string[] => ["readlink", `/proc/self/ns/${name}`];
const hosts = (name: string): string => readlinkSync(`/proc/self/ns/${name}`);

story("every container has its own, but for the user's and the time's", async ({ cli }) => {
  const own = await cli.ok("run", "--rm", "busybox", "sh", "-c", "for n in pid net mnt ipc uts user; do readlink /proc/self/ns/$n; done");
  const names = ["pid", "net", "mnt", "ipc", "uts", "user"];
  assert.deepEqual(own.split("\n").map((id, at) => id === hosts(names[at] as string)), [false, false, false, false, false, true]);
  assert.equal(await cli.ok("run", "--rm", "busybox", "sh", "-c", "echo $$"), "1");
});

story("host namespaces: --pid, --ipc, --uts, --network, --cgroupns", async ({ cli }) => {
  for (const [flag, name] of [["--pid", "pid"], ["--ipc", "ipc"], ["--uts", "uts"], ["--network", "net"], ["--cgroupns", "cgroup"]] as const) {
    assert.equal(await cli.ok("run", "--rm", flag, "host", "busybox", ...link(name)), hosts(name), flag);
  }
  assert.equal(await cli.ok("run", "--rm", "--uts", "host", "busybox", "hostname"), hostname());
  assert.equal(await cli.ok("run", "--rm", "--network", "host", "busybox", "hostname"), hostname());
});

story("--cgroupns private: the container's cgroup is the root of what it sees", async ({ cli }) => {
  const cgroups = await cli.ok("run", "--rm", "--cgroupns", "private", "busybox", "cat", "/proc/self/cgroup");
  for (const line of cgroups.split("\n").filter((line) => line.includes(":pids:") || line.startsWith("0::"))) assert.match(line, /:\/$|:\/\.\.|0::\//);
});

story("another container's: --pid, --ipc, --network container:X", async ({ cli }) => {
  await cli.ok("run", "-d", "--name", "first", "--ipc", "shareable", "busybox", "sleep", "4242");
  for (const [flag, name] of [["--pid", "pid"], ["--ipc", "ipc"], ["--network", "net"]] as const) {
    const own = await cli.ok("exec", "first", ...link(name));
    assert.equal(await cli.ok("run", "--rm", flag, "container:first", "busybox", ...link(name)), own, flag);
  }
  assert.match(await cli.ok("run", "--rm", "--pid", "container:first", "busybox", "ps"), /sleep 4242/);
  assert.equal(await cli.ok("run", "--rm", "--network", "container:first", "busybox", "hostname"), await cli.ok("exec", "first", "hostname"));
  await cli.fails(125, /No such container: nosuch/, "run", "--rm", "--network", "container:nosuch", "busybox", "true");
  await cli.ok("create", "--name", "still", "busybox");
  await cli.fails(125, /cannot join network of a non running container|is not running/, "run", "--rm", "--network", "container:still", "busybox", "true");
});

story("--ipc private is not shared, --ipc none has no /dev/shm", async ({ cli }) => {
  await cli.ok("run", "-d", "--name", "closed", "--ipc", "private", "busybox", "sleep", "1000");
  await cli.fails(125, /non-shareable IPC/, "run", "--rm", "--ipc", "container:closed", "busybox", "true");
  assert.equal(await cli.ok("run", "--rm", "--ipc", "none", "busybox", "sh", "-c", "grep -c ' /dev/shm ' /proc/mounts || true"), "0");
});

story("--pid host: killing the container leaves none of its processes", async ({ cli, engine }) => {
  const id = await cli.ok("run", "-d", "--pid", "host", "busybox", "sh", "-c", "sleep 54321 & sleep 54322 & wait");
  await cli.ok("kill", id);
  await cli.ok("wait", id);
  const { body } = await engine.api("GET", `/containers/${id}/json`);
  assert.equal((body as { State: { Running: boolean } }).State.Running, false);
  const others = await cli.ok("run", "--rm", "--pid", "host", "busybox", "ps");
  assert.doesNotMatch(others, /sleep 5432/);
});

story("--init: process 1 is an init that reaps and forwards", async ({ cli }) => {
  assert.doesNotMatch(await cli.ok("run", "--rm", "--init", "busybox", "sh", "-c", "cat /proc/1/comm"), /^(sh|cat)$/);
  const id = await cli.ok("run", "-d", "--init", "busybox", "sleep", "1000");
  await cli.ok("stop", "-t", "5", id);
  assert.equal(await cli.ok("inspect", "-f", "{{.State.ExitCode}}", id), "143");
  await cli.fails(7, /^$/, "run", "--rm", "--init", "busybox", "sh", "-c", "exit 7");
}, { only: "gantry-engine" });

const wrong: [argv: string[], message: RegExp][] = [
  [["--pid", "nope"], /--pid: invalid PID mode|invalid PID mode/i],
  [["--ipc", "nope"], /--ipc: invalid IPC mode|[Ii]nvalid IPC mode/],
  [["--uts", "nope"], /--uts: invalid UTS mode|invalid UTS mode/i],
  [["--userns", "nope"], /--userns: invalid USER mode|invalid USER mode/i],
  [["--cgroupns", "nope"], /--cgroupns: invalid CGROUP mode|invalid CGROUP mode/i],
  [["--network", "container:"], /invalid container format container:<name\|id>/],
  [["--network", "host", "-h", "x", "--dns", "nope"], /IP address is not correctly formatted: nope/],
];
story("wrong modes are refused", async ({ cli }) => {
  for (const [argv, message] of wrong) await cli.fails(125, message, "run", "--rm", ...argv, "busybox", "true");
});
