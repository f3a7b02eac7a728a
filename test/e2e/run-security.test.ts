import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { peer, stories } from "./harness.ts";

const { story } = stories("run: security");

/** CapEff of Docker's fourteen default capabilities. */
const defaultCaps = "00000000a80425fb";

/** What this host has to give: a sandbox may lack some. */
const allCaps = /CapBnd:\t(.*)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1] as string;

const status = (field: string): string[] => ["grep", `^${field}:`, "/proc/self/status"];

story("the default container: capabilities, seccomp, no more", async ({ cli }) => {
  const lines = await cli.ok("run", "--rm", "busybox", "sh", "-c", "grep -E '^(Cap|Seccomp:|NoNewPrivs)' /proc/self/status");
  assert.deepEqual(Object.fromEntries(lines.split("\n").map((line) => line.split(":\t") as [string, string])), {
    CapInh: "0000000000000000",
    CapPrm: defaultCaps,
    CapEff: defaultCaps,
    CapBnd: defaultCaps,
    CapAmb: "0000000000000000",
    NoNewPrivs: "0",
    Seccomp: "2",
  });
});

story("a user other than root has no capability in effect", async ({ cli }) => {
  const lines = await cli.ok("run", "--rm", "-u", "ann", "busybox", "sh", "-c", "grep -E '^Cap(Eff|Prm|Bnd)' /proc/self/status");
  assert.deepEqual(lines.split("\n").map((line) => line.split("\t")[1]), ["0000000000000000", "0000000000000000", defaultCaps]);
});

story("--cap-add and --cap-drop", async ({ cli }) => {
  const eff = async (...flags: string[]): Promise<string> => (await cli.ok("run", "--rm", ...flags, "busybox", ...status("CapEff"))).split("\t")[1] as string;
  assert.equal(await eff("--cap-drop", "ALL"), "0000000000000000");
  assert.equal(await eff("--cap-drop", "all", "--cap-add", "NET_ADMIN"), "0000000000001000");
  assert.equal(await eff("--cap-add", "CAP_SYS_TIME", "--cap-drop", "chown"), "00000000aa0425fa");
  if (peer === "gantry" || allCaps === "000001ffffffffff") assert.equal(await eff("--cap-add", "ALL"), allCaps);
  await cli.fails(125, /invalid (?:CapAdd: unknown capability|capability): "?CAP_NOPE/, "run", "--rm", "--cap-add", "NOPE", "busybox", "true");
});

story("masked paths are empty, read-only paths cannot be written", async ({ cli }) => {
  const script = "cat /proc/kcore | wc -c; cat /proc/keys | wc -c; cat /proc/timer_list | wc -c; ls /proc/scsi /sys/firmware /proc/acpi 2>/dev/null | grep -v : | grep -c .; " +
    "for f in /proc/sysrq-trigger /proc/sys/kernel/hostname /proc/irq/default_smp_affinity; do (echo x >$f) 2>/dev/null && echo wrote $f; done; true";
  assert.equal(await cli.ok("run", "--rm", "busybox", "sh", "-c", script), "0\n0\n0\n0");
});

story("/dev has what Docker's has", async ({ cli }) => {
  const list = await cli.ok("run", "--rm", "busybox", "ls", "-1", "/dev");
  const core = existsSync("/proc/kcore") ? ["core"] : [];
  assert.deepEqual(list.split("\n"), [...core, "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout", "tty", "urandom", "zero"]);
  assert.match(await cli.ok("run", "--rm", "-t", "busybox", "ls", "-1", "/dev"), /^console\r$/m);
  await cli.fails(1, /Operation not permitted/, "run", "--rm", "--cap-add", "MKNOD", "busybox", "sh", "-c", "mknod /tmp/disk b 254 0 && cat /tmp/disk");
});

story("mounts have the flags that Docker gives them", async ({ cli }) => {
  const mounts = new Map(
    (await cli.ok("run", "--rm", "busybox", "cat", "/proc/mounts")).split("\n").map((line) => {
      const [, point = "", type = "", flags = ""] = line.split(" ");
      return [point, `${type} ${flags.split(",").filter((flag) => /^(ro|rw|nosuid|nodev|noexec)$/.test(flag)).join(",")}`];
    }),
  );
  const expected: Record<string, string> = {
    "/": "overlay rw",
    "/proc": "proc rw,nosuid,nodev,noexec",
    "/dev": "tmpfs rw,nosuid",
    "/dev/pts": "devpts rw,nosuid,noexec",
    "/sys": "sysfs ro,nosuid,nodev,noexec",
    "/dev/mqueue": "mqueue rw,nosuid,nodev,noexec",
    "/dev/shm": "tmpfs rw,nosuid,nodev,noexec",
    "/proc/sys": "proc ro,nosuid,nodev,noexec",
    "/proc/bus": "proc ro,nosuid,nodev,noexec",
  };
  for (const [point, flags] of Object.entries(expected)) assert.equal(mounts.get(point), flags, point);
});

const blocked: [what: string, command: string][] = [
  ["unshare", "unshare -U true"],
  ["mount", "mount -t tmpfs x /tmp"],
  ["setting the clock", "date -s 2020-01-01"],
  ["the kernel's log", "dmesg"],
  ["ptrace of the kernel's modules", "rmmod x"],
  ["swapping", "swapoff /x"],
  ["rebooting", "reboot -f"],
];
story("what a default container may not do", async ({ cli }) => {
  for (const [what, command] of blocked) {
    const result = await cli("run", "--rm", "busybox", "sh", "-c", command);
    assert.match(result.stdout + result.stderr, /not permitted|denied|[Pp]ermission/, what);
  }
});

story("--privileged: every capability, no seccomp, the host's devices", async ({ cli }) => {
  const out = await cli.ok("run", "--rm", "--privileged", "busybox", "sh", "-c", "grep -E '^(CapEff|Seccomp):' /proc/self/status; mount -t tmpfs x /tmp && echo mounted; ls /dev | wc -l; grep -c ' /sys sysfs rw' /proc/mounts");
  const [caps, seccomp, mounted, devices, sys] = out.split("\n");
  assert.deepEqual([caps, seccomp, mounted, sys], [`CapEff:\t${allCaps}`, "Seccomp:\t0", "mounted", "1"]);
  assert.ok(Number(devices) > 20);
}, { skip: peer === "dockerd" && allCaps !== "000001ffffffffff" && "this host lacks capabilities that runc asks for" });

story("--security-opt", async ({ cli, file }) => {
  assert.equal(await cli.ok("run", "--rm", "--security-opt", "no-new-privileges", "busybox", ...status("NoNewPrivs")), "NoNewPrivs:\t1");
  assert.equal(await cli.ok("run", "--rm", "--security-opt", "seccomp=unconfined", "busybox", ...status("Seccomp")), "Seccomp:\t0");
  const profile = file("profile.json", JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 1 }] }));
  await cli.fails(1, /mkdir.*Operation not permitted/, "run", "--rm", "--security-opt", `seccomp=${profile}`, "busybox", "mkdir", "/x");
  await cli.fails(125, /opening seccomp profile .*absent/, "run", "--rm", "--security-opt", "seccomp=/absent", "busybox", "true");
  await cli.fails(125, /[Ii]nvalid (?:--)?security-opt/, "run", "--rm", "--security-opt", "nope", "busybox", "true");
});

story("--device", async ({ cli }) => {
  assert.match(await cli.ok("run", "--rm", "--device", "/dev/null:/dev/mine", "busybox", "ls", "-l", "/dev/mine"), /^crw.* 1, +3 /);
  assert.equal(await cli.ok("run", "--rm", "--device", "/dev/zero:/dev/z:r", "busybox", "sh", "-c", "head -c 3 /dev/z | wc -c"), "3");
  await cli.fails(127, /error gathering device information while adding custom device "\/dev\/absent": no such file or directory/, "run", "--rm", "--device", "/dev/absent", "busybox", "true");
  await cli.fails(125, /bad mode specified: nope/, "run", "--rm", "--device", "/dev/null:/dev/x:nope", "busybox", "true");
});
