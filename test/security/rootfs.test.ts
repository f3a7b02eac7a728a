/** Roots, mounts, /proc, /sys and /dev that lead elsewhere: rows RT of the catalogue. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { attacks } from "./attack.ts";

const { attack } = attacks("rootfs");

/** Links to the canary as an image may write them. */
const waysOut = (path: string) => [path, `../../../..${path}`, `../../../../../../..${path}/`];

attack("RT-01 RT-09 mount points that are swapped while they are being looked for", async ({ cli, canary }) => {
  await cli.ok("run", "-d", "--name", "racer", "-v", "shared:/V", "box", "sh", "-c", `mkdir /V/a; ln -s ${canary} /V/b; exec inside race /V/a /V/b`);
  let ran = 0;
  const until = Date.now() + 4000;
  for (let round = 0; round < 40 && Date.now() < until; round++) {
    const { code, stderr } = await cli("run", "--rm", "-v", "shared:/V", "-v", `${canary}/file:/V/a/x${round}`, "-v", "fresh:/V/a/new/deep", "box", "true");
    assert.ok(code === 0 || /mount|mkdir|open|not a directory|no such file|loop|link/i.test(stderr), stderr);
    if (code === 0) ran++;
  }
  assert.ok(ran > 0, "some of them started");
});

/** The engine's own top layer has ordinary directories there, so the image's links are gone: what is mounted is the kernel's. */
const kernels = "for p in proc sys dev; do stat -c '%n %F' /$p; grep -E \"^[0-9: ]+ / /$p \" /proc/self/mountinfo | grep -oE '(proc|sysfs|tmpfs) .*' | cut -d' ' -f1; done";
const ordinary = "/proc directory\nproc\n/sys directory\nsysfs\n/dev directory\ntmpfs";

for (const [title, entries] of [
  ["/proc is a link", [{ path: "proc", link: "/fake" }]],
  ["/proc is a file", [{ path: "proc", data: "" }]],
  ["/proc is the root itself", [{ path: "proc", link: "." }]],
  ["/sys is a link", [{ path: "sys", link: "/fake" }]],
  ["/sys is a file and /proc a link", [{ path: "sys", data: "" }, { path: "proc", link: "fake" }]],
] as const) {
  attack(`RT-02 ${title}: a real one is in its place, or nothing starts`, async ({ cli, evil }) => {
    const image = await evil([{ path: "fake/" }, { path: "fake/self/" }, ...entries]);
    const { code, stdout, stderr } = await cli("run", "--rm", image, "sh", "-c", `ls /fake; ${kernels}; grep Seccomp: /proc/1/status`);
    if (code === 0) assert.equal(stdout, `self\n${ordinary}\nSeccomp:\t2\n`);
    else assert.match(stderr, /ordinary directory|proc|sys/);
  });
}

attack("RT-03 nothing is mounted over /proc", async ({ cli, evil, canary }) => {
  for (const flags of [["-v", "vol:/proc"], ["-v", "vol:/proc/self/attr"], ["-v", `${canary}/dir:/proc/sys`], ["--tmpfs", "/proc/sys"], ["-v", `${canary}/dir:/./proc//sys/kernel`], ["--mount", "type=tmpfs,target=/proc/self"]]) {
    assert.match(await cli.refused("run", "--rm", ...flags, "box", "true"), /proc/, flags.join(" "));
  }
  const declared = await evil([{ path: "w/" }], { Volumes: { "/proc": {} } });
  await cli.refused("run", "--rm", declared, "true");
  const linked = await evil([{ path: "trick", link: "/proc" }, { path: "way/" }, { path: "way/on", link: "../proc" }]);
  for (const place of ["/trick/sys", "/way/on/self", "/trick/sysrq-trigger"]) {
    const { code, stdout } = await cli("run", "--rm", "-v", `${canary}/dir:${place}`, linked, "sh", "-c", "ls /proc/sys | grep -c kernel; ls /proc/self | grep -cx status; cat /proc/self/comm; ls -d /proc/inner /proc/*/inner");
    if (code === 0 || stdout !== "") assert.equal(stdout, "1\n1\ncat\n", place);
  }
});

attack("RT-04 RT-08 masks and stdio are not the image's /dev/null, nor the host's", async ({ cli, evil, canary }) => {
  const host = statSync("/dev/null");
  for (const entry of [{ path: "dev/null", link: "/proc/sys/kernel/core_pattern" }, { path: "dev/null/" }, { path: "dev/null", device: ["c", 1, 5] as ["c", number, number] }, { path: "dev/null", link: "/victim" }]) {
    const image = await evil([{ path: "dev/" }, entry]);
    const [name, user] = [`m${Math.random()}`.replace(".", ""), ["-u", "1000"]];
    await cli.ok("run", "-d", "--name", name, "-v", `${canary}/file:/victim`, ...user, image, "sh", "-c", "stat -L -c '%t:%T %u' /proc/keys /proc/timer_list /proc/self/fd/0; sleep 60");
    await cli.ok("exec", name, "true");
    assert.match(await cli.ok("logs", name), /^(1:3 0\n){2}1:3 0$/);
  }
  const script = "for f in /proc/keys /proc/interrupts /proc/self/fd/0; do chmod 666 $f; chown 0 $f; touch $f; done 2>&1 | grep -vc Read-only; stat -L -c %d:%i /proc/keys /proc/self/fd/0; echo x > /proc/keys && cat /proc/keys | wc -c";
  await cli.ok("run", "-d", "--name", "stdio", "box", "sh", "-c", `(${script}); sleep 60`);
  await cli.ok("exec", "-d", "stdio", "sh", "-c", `(${script}) > /said 2>&1`);
  await cli.ok("exec", "stdio", "sh", "-c", "until [ $(cat /said | wc -l) = 4 ]; do sleep 0.02; done");
  for (const said of [await cli.ok("logs", "stdio"), await cli.ok("exec", "stdio", "cat", "/said")]) {
    const [changed, keys, input, masked] = said.split("\n");
    assert.deepEqual([changed, masked], ["0", "0"], said);
    for (const device of [keys, input]) assert.notEqual(device, `${host.dev}:${host.ino}`);
  }
});

attack("RT-05 the console is a terminal of the container's, whatever /dev/console was", async ({ cli, evil, canary }) => {
  const image = await evil([{ path: "dev/" }, { path: "dev/console", link: `${canary}/file` }, { path: "dev/pts", link: canary }]);
  for (const flags of [[], ["--read-only"]]) {
    const terminal = cli.terminal("run", "--rm", "-t", ...flags, image, "sh", "-c", "echo told > /dev/console; stat -c '%t %F' /dev/console; tty");
    assert.match((await terminal.ended).stdout.replaceAll("\r", ""), /told\n88 character special file\n\/dev\/pts\/0\n/);
  }
  await cli.ok("run", "--rm", "-v", "devices:/dev", "box", "sh", "-c", `ln -s ${canary}/file /dev/console; ln -s ${canary} /dev/pts; ln -s ${canary}/file /dev/null`);
  const terminal = cli.terminal("run", "--rm", "-t", "-v", "devices:/dev", "box", "sh", "-c", "echo told > /dev/console");
  await terminal.ended;
});

attack("RT-06 a sysctl is written to the kernel's file, not to what the image has in its place", async ({ cli, evil, canary }) => {
  const image = await evil([{ path: "proc/" }, { path: "proc/sys", link: canary }]);
  assert.equal(await cli.ok("run", "--rm", "--sysctl", "net.ipv4.ip_forward=1", "--sysctl", "kernel.msgmax=4321", image, "cat", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/kernel/msgmax"), "1\n4321");
});

attack("RT-07 /dev is a link: nothing is made or removed where it leads", async ({ cli, evil, canary }) => {
  const chain = [{ path: "dev", link: "one" }, { path: "one", link: "two" }, { path: "two", link: `${canary}/dir` }];
  for (const entries of [...waysOut(join(canary, "dir")).map((link) => [{ path: "dev", link }]), chain]) {
    const { code, stdout, stderr } = await cli("run", "--rm", await evil(entries), "sh", "-c", kernels);
    if (code === 0) assert.equal(stdout.trim(), ordinary);
    else assert.match(stderr, /ordinary directory|dev/);
  }
});

attack("RT-10 RT-11 RT-13 files that the engine puts into a container do not follow the image's links", async ({ cli, evil, canary }) => {
  const files = ["etc/hosts", "etc/hostname", "etc/resolv.conf", "etc/mtab", ".dockerenv", "sbin/docker-init"];
  const image = await evil([{ path: "etc/" }, { path: "sbin/" }, ...files.map((path) => ({ path, link: `../../../..${canary}/file` })), { path: "dev/" }, { path: "dev/shm", link: `${canary}/dir` }, { path: "dev/mqueue", link: `${canary}/dir` }]);
  for (const flags of [[], ["--init"], ["--read-only"]]) {
    const { stdout } = await cli("run", "--rm", ...flags, image, "sh", "-c", "cat /etc/hosts /etc/hostname /.dockerenv /etc/mtab; touch /dev/shm/here");
    assert.ok(!stdout.includes("canary\n"), "the host's file was read");
  }
  const folder = await evil([{ path: "etc2/" }, { path: "etc", link: `../..${canary}/dir` }]);
  await cli("run", "--rm", folder, "true");
  await cli.ok("create", "--name", "again", "box", "sh", "-c", `for f in mtab hosts hostname resolv.conf; do rm -f /etc/$f; ln -sf ${canary}/file /etc/$f; done; rm -f /.dockerenv; ln -sf ${canary}/file /.dockerenv; exit 0`);
  for (let round = 0; round < 4; round++) await cli.ok("start", "-a", "again");
});

attack("RT-12 a working directory behind a link is made inside", async ({ cli, evil, canary }) => {
  for (const link of waysOut(join(canary, "dir"))) {
    const image = await evil([{ path: "link", link }], { WorkingDir: "/link/new" });
    const { code, stdout } = await cli("run", "--rm", image, "pwd");
    if (code === 0) assert.equal(stdout, `${canary}/dir/new\n`, "the same path, below the container's root");
    await cli.ok("run", "-d", "--name", `w${link.length}`, "-w", "/", image, "sleep", "60");
    await cli("exec", "-w", "/link/exec", `w${link.length}`, "true");
  }
  const cwd = await cli.ok("run", "--rm", "-w", "/a/b", "box", "sh", "-c", "pwd; stat -c '%u %a' .");
  assert.equal(cwd, "/a/b\n0 755");
});

attack("RT-13 volumes and tmpfs on links stay inside, and are filled with what is inside", async ({ cli, evil, canary }) => {
  const image = await evil([{ path: "v", link: `${canary}/dir` }, { path: "u", link: `../../../..${canary}` }, { path: "own/" }, { path: "own/file", data: "own" }, { path: "w", link: "/own" }], { Volumes: { "/v": {}, "/u/dir": {}, "/w": {} } });
  const { code, stdout, stderr } = await cli("run", "--rm", image, "sh", "-c", "ls /v /u/dir; touch /v/x /u/dir/x; ls /own");
  assert.ok(!stdout.includes("inner"), "the host's files were copied into the volume");
  if (code === 0) assert.match(stdout, /file\n$/);
  else assert.match(stderr, /volume|mount|mkdir|copy|open|File exists|link/i);
  for (const flags of [["--tmpfs", "/v/t"], ["--tmpfs", "/u/dir"], ["-v", "vol:/u/dir/y"], ["-v", `${canary}/file:/u/file`], ["--mount", "type=tmpfs,target=/v"]]) await cli("run", "--rm", ...flags, image, "sh", "-c", "touch /v/t/x /u/dir/y/z");
});

/** Read or written by nobody in a container, if the host has them. */
const masked = ["/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware", "/sys/devices/system/cpu/cpu0/thermal_throttle"];
const readOnly = ["/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/vm/panic_on_oom", "/proc/irq/default_smp_affinity", "/sys/kernel/uevent_helper", "/sys/kernel/profiling", "/sys/class/net/lo/mtu"];
/** Looked at one by one: of the process itself, or triggers of pressure stalls, which tell only whoever sets them. */
const writable = /^\/proc\/(1\/(sched|autogroup|timens_offsets|comm|mem|clear_refs|attr\/\w+|oom_adj|oom_score_adj|loginuid|coredump_filter|uid_map|gid_map|projid_map|setgroups|timerslack_ns|make-it-fail|fail-nth|uclamp|seccomp_cache|ksm_\w+|latency|arch_status)|pressure\/(io|cpu|memory|irq))$/;

attack("RT-14 masked, read-only, and nothing else that can be written", async ({ cli }) => {
  const paths = new Map((await cli.ok("run", "--rm", "box", "inside", "paths")).split("\n").map((line) => line.replace("path ", "").split("\t") as [string, string]));
  for (const path of masked) if (existsSync(path) && paths.has(path)) assert.match(paths.get(path)!, /read nothing|folder .* empty create EROFS|^folder \d+ 0:0 empty create (EROFS|EACCES)$/, path);
  for (const path of readOnly) if (existsSync(path) && paths.has(path)) assert.match(paths.get(path)!, /write (EROFS|EACCES|EPERM)|^ENOENT$/, path);
  const files = (await cli.ok("run", "--rm", "box", "inside", "writable", "/proc", "/sys")).split("\n").map((line) => line.split(/[\t ]/).slice(1));
  assert.ok(files.length > 50, "root opens what only may be read, too");
  const found = files.filter(([, mode = "0"]) => (Number.parseInt(mode, 8) & 0o222) !== 0).map(([path]) => path!);
  assert.deepEqual(found.filter((path) => !writable.test(path)), [], "a file of this kernel that nobody has looked at");
});

attack("RT-15 RT-16 mounts neither leak out nor are they written through", async ({ cli, engine, canary }) => {
  const shared = mkdtempSync("/tmp/shared-");
  execFileSync("mount", ["-t", "tmpfs", "outer", shared]);
  try {
    execFileSync("mount", ["--make-shared", shared]);
    mkdirSync(join(shared, "sub"));
    execFileSync("mount", ["-t", "tmpfs", "below", join(shared, "sub")]);
    const mounts = () => readFileSync("/proc/self/mountinfo", "utf8").split("\n").filter((line) => line.includes(shared) || line.includes(engine.place.folder)).length;
    const before = mounts();
    assert.match((await cli("run", "--rm", "-v", `${shared}:/m:ro`, "box", "sh", "-c", "touch /m/x; touch /m/sub/x; mount -o remount,rw,bind /m")).stderr, /m\/x: Read-only.*\n.*sub\/x: Read-only[^]*(denied|not permitted)/);
    for (let round = 0; round < 4; round++) await cli.ok("run", "--rm", "--privileged", "-v", `${shared}:/m`, "box", "mount", "-t", "tmpfs", "x", "/m/sub");
    for (let round = 0; round < 2; round++) await cli.ok("run", "--rm", "-v", `${shared}:/m:rshared`, "-v", `${canary}/dir:/other`, "box", "true");
    assert.equal(mounts(), before);
  } finally {
    execFileSync("umount", ["-R", shared]);
    rmSync(shared, { recursive: true });
  }
});

attack("RT-17 much of everything arrives whole", async ({ cli, canary }) => {
  const big = "x".repeat(70_000);
  const folders = Array.from({ length: 60 }, (_, index) => ["-v", `${canary}/dir:/many/${index}:ro`]).flat();
  assert.equal(await cli.ok("run", "--rm", "-e", `BIG=${big}`, "-e", `BIG2=${big}`, ...folders, "box", "sh", "-c", "echo ${#BIG} ${#BIG2} $(ls -d /many/*/inner | wc -l)"), "70000 70000 60");
});

attack("RT-18 all masked folders are one small file system, read-only", async ({ cli }) => {
  const mounts = (await cli.ok("run", "--rm", "box", "inside", "mounts")).split("\n").filter((line) => / \/(empty|null) \/(proc|sys)\//.test(line));
  assert.ok(mounts.length > 1);
  assert.equal(new Set(mounts.map((line) => line.split(" ")[2])).size, 1, mounts.join("\n"));
  for (const line of mounts) assert.match(line, / ro,nosuid,noexec.*nr_inodes=3/);
});

attack("RT-10 a container that rewrites its own folders is no danger to the next start", async ({ cli, canary }) => {
  await cli.ok("create", "--name", "turncoat", "box", "sh", "-c", `rm -rf /dev /sys /proc /etc 2>/dev/null; ln -s ${canary}/dir /new; exit 0`);
  await cli.ok("start", "-a", "turncoat");
  await cli("start", "-a", "turncoat");
});
