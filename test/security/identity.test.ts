/** Descriptors, executables, users, groups, capabilities, cgroups, sysctls: rows ID of the catalogue. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { root, type Engine } from "../e2e/harness/engine.ts";
import { processesOf } from "../e2e/harness/place.ts";
import type { Client } from "../e2e/harness/client.ts";
import { attacks } from "./attack.ts";

const { attack } = attacks("identity");

const NOTHING = "0000000000000000";
const DEFAULT = "00000000a80425fb";
const status = "grep -E '^(Cap|NoNewPrivs|Seccomp:|Groups|Uid|Gid)' /proc/self/status";

const pidOf = async (engine: Engine, name: string) => ((await engine.api("GET", `/containers/${name}/json`)).body as { State: { Pid: number } }).State.Pid;

/** "CapEff:\t00" lines as a record. */
const fields = (text: string) => Object.fromEntries(text.split("\n").map((line) => line.split(/:\s*/, 2) as [string, string]));

attack("ID-01 whoever reaches the program that joins a container finds a sealed copy", async ({ cli, evil, engine }) => {
  const program = join(root, "build/cell");
  const hash = () => createHash("sha256").update(readFileSync(program)).digest("hex");
  const before = hash();
  const image = await evil([{ path: "bin/self", mode: 0o755, data: "#!/proc/self/exe\n" }, { path: "bin/overwrite", mode: 0o755, data: "#!/bin/sh\nwhile :; do for p in /proc/[0-9]*; do case $p in /proc/1|/proc/$$) ;; *) (echo x > $p/exe) 2>/dev/null && echo wrote $p $(readlink $p/exe); esac; done; done\n" }]);
  await cli.ok("run", "-d", "--name", "host", image, "overwrite");
  await Promise.all(Array.from({ length: 4 }, async () => {
    for (let round = 0; round < 5; round++) await cli("exec", "host", "self", "host");
  }));
  assert.doesNotMatch(await cli.ok("logs", "host"), /cell|memfd/, "its own programs at most");
  assert.equal(hash(), before);
  const cells = processesOf(engine.place).map((pid) => [pid, readlinkSync(`/proc/${pid}/exe`)] as const).filter(([, exe]) => /cell/.test(exe));
  assert.ok(cells.length >= 2, "hosts and a shim");
  for (const [pid, exe] of cells) {
    assert.equal(exe, "/memfd:cell (deleted)");
    assert.throws(() => execFileSync("sh", ["-c", `: >> /proc/${pid}/exe`], { stdio: "pipe" }), /Operation not permitted|Text file busy/, "nobody writes it, not even the host's root");
  }
});

attack("ID-02 no working directory leads through a descriptor of the engine's", async ({ cli, evil }) => {
  const image = await evil([{ path: "w", link: "/proc/self/fd/8" }, { path: "v", link: "/proc/self/cwd" }, { path: "x", link: "/proc/1/root" }]);
  await cli.ok("run", "-d", "--name", "box", image, "sleep", "60");
  const places = [...Array.from({ length: 14 }, (_, index) => `/proc/self/fd/${index + 3}`), "/proc/self/fd/7/../../..", "/proc/1/root", "/proc/self/cwd", "/w", "/v", "/x/tmp"];
  await Promise.all([0, 1, 2].map(async (part) => {
    for (const place of places.filter((_, index) => index % 3 === part)) {
      for (const argv of [["exec", "-w", place, "box"], ["run", "--rm", "-w", place, image]]) {
        const { code, stdout } = await cli(...argv, "sh", "-c", "pwd -P; ls -a /proc/self/cwd/");
        if (code === 0) assert.match(stdout, /^\/[^(]*\n/, argv.join(" "));
        if (code === 0) assert.doesNotMatch(stdout, /gantry|lost\+found|work|boot/, "the host is seen");
      }
    }
  }));
});

attack("ID-02 ID-03 a container's process has three descriptors", async ({ cli, engine }) => {
  for (const flags of [[], ["-i"], ["-t"]]) {
    await cli.ok("run", "-d", "--name", `fds${flags}`, ...flags, "box", "sleep", "60");
    const pid = await pidOf(engine, `fds${flags}`);
    assert.deepEqual(readdirSync(`/proc/${pid}/fd`), ["0", "1", "2"]);
    const listed = await cli.ok("exec", `fds${flags}`, "sh", "-c", "ls /proc/self/fd | wc -l");
    assert.equal(listed, "4", "and the one that lists them");
  }
});

attack("ID-04 an exec'd process cannot be held before it is the container's own", async ({ cli }) => {
  await cli.ok("run", "-d", "--name", "watched", "box", "inside", "watch");
  await Promise.all(Array.from({ length: 4 }, async () => {
    for (let round = 0; round < 10; round++) await cli.ok("exec", "watched", "true");
  }));
  assert.equal(await cli.ok("logs", "watched"), "watching");
});

attack("ID-05 nothing of the image's runs to look at the container", async ({ cli, evil, canary, engine }) => {
  const trojan = (path: string) => ({ path, mode: 0o755, data: `#!/bin/busybox sh\necho trojan >> /ran\n` });
  const image = await evil(["bin/ps", "usr/bin/ps", "usr/bin/nsenter", "bin/top", "bin/cat"].map(trojan));
  await cli.ok("run", "-d", "--name", "trojan", "-v", `${canary}/dir:/given:ro`, image, "sleep", "60");
  assert.match(await cli.ok("top", "trojan"), /sleep 60/);
  await engine.api("GET", "/containers/trojan/stats?stream=0");
  await cli("diff", "trojan");
  assert.equal((await cli("exec", "trojan", "busybox", "cat", "/ran")).code, 1, "it ran");
});

attack("ID-06 ID-07 capabilities: inheritable and ambient none, others than root none at all", async ({ cli }) => {
  const all = /CapBnd:\t(.*)/.exec(readFileSync("/proc/self/status", "utf8"))![1]!;
  await cli.ok("run", "-d", "--name", "box", "box", "sleep", "60");
  const tries: [string, string[], string, string][] = [
    ["run", ["run", "--rm", "box"], DEFAULT, DEFAULT],
    ["run --user", ["run", "--rm", "-u", "1000", "box"], NOTHING, DEFAULT],
    ["run --user --privileged", ["run", "--rm", "-u", "1000", "--privileged", "box"], NOTHING, all],
    ["run --privileged", ["run", "--rm", "--privileged", "box"], all, all],
    ["run --cap-drop", ["run", "--rm", "--cap-drop", "ALL", "box"], NOTHING, NOTHING],
    ["run --init", ["run", "--rm", "--init", "box"], DEFAULT, DEFAULT],
    ["exec", ["exec", "box"], DEFAULT, DEFAULT],
    ["exec --user", ["exec", "-u", "ann", "box"], NOTHING, DEFAULT],
    ["exec --privileged", ["exec", "--privileged", "box"], all, all],
    ["exec --privileged --user", ["exec", "--privileged", "-u", "1000", "box"], NOTHING, all],
  ];
  for (const [what, argv, effective, bound] of tries) {
    const { CapInh, CapAmb, CapEff, CapPrm, CapBnd } = fields(await cli.ok(...argv, "sh", "-c", status));
    assert.deepEqual({ CapInh, CapAmb, CapEff, CapPrm, CapBnd }, { CapInh: NOTHING, CapAmb: NOTHING, CapEff: effective, CapPrm: effective, CapBnd: bound }, what);
  }
});

const people = [
  { path: "etc/passwd", data: "root:x:0:0:root:/root:/bin/sh\nu:x:500:501::/home/u:/bin/sh\n1000:x:0:0::/:/bin/sh\n4294967296:x:0:0::/:/bin/sh\n-1:x:0:0::/:/bin/sh\nbroken:x:zero:0::/:/bin/sh\nhigh:x:4294967296:0::/:/bin/sh\n" },
  { path: "etc/group", data: "root:x:0:u\nuu:x:501:\ng1:x:601:u\ng2:x:602:other,u\ng3:x:603:uu\n701:x:0:\n" },
];

attack("ID-08 supplementary groups: the user's, and no other's", async ({ cli, evil }) => {
  const image = await evil([...people, { path: "secret", mode: 0o604, gid: 601, data: "for all but g1\n" }]);
  const groups = async (...flags: string[]) => (await cli.ok("run", "--rm", ...flags, image, "sh", "-c", "id -u; id -g; grep Groups: /proc/self/status | cut -f2")).trim().split("\n").map((line) => line.trim());
  assert.deepEqual(await groups("-u", "u"), ["500", "501", "0 501 601 602"]);
  assert.deepEqual(await groups("-u", "u:g3"), ["500", "603", "603"]);
  assert.deepEqual(await groups("-u", "1000:1000"), ["1000", "1000", "1000"]);
  assert.deepEqual(await groups("-u", "1000", "--group-add", "g1", "--group-add", "700"), ["1000", "0", "0 601 700"]);
  assert.match((await cli("run", "--rm", "-u", "u", image, "cat", "/secret")).stderr, /Permission denied/);
});

/** As asked, and what it means: ids, or nothing. The image's files try to make root of all. */
const users: [asked: string, uid?: number, gid?: number][] = [
  ["", 0, 0], ["0", 0, 0], ["root", 0, 0], ["500", 500, 501], ["u", 500, 501], ["500:7", 500, 7], ["u:g2", 500, 602], ["1000", 1000, 0], ["1000:701", 1000, 701], ["2147483647", 2147483647, 0], [":601", 0, 601],
  ["4294967296"], ["2147483648"], ["4294967295"], ["-1"], ["0x0"], ["１"], [" 1000"], ["1e3"], ["1000:4294967296"], ["1000:-1"], ["broken"], ["high"], ["nobodyhere"], ["u:nogroup"], ["1:2:3"], ["99999999999999999999"], ["+0"],
];

attack("ID-09 ID-10 users: digits are ids, names are looked up, nothing else is root", async ({ cli, evil, engine }) => {
  const image = await evil(people);
  await cli.ok("run", "-d", "--name", "box", image, "sleep", "60");
  const ids = "echo $(id -u) $(id -g)";
  await Promise.all([0, 1, 2, 3].map(async (part) => {
    for (const [asked, uid, gid] of users.filter((_, index) => index % 4 === part)) {
      for (const argv of [["run", "--rm", `--user=${asked}`, image], ...(asked === "" ? [] : [["exec", `--user=${asked}`, "box"]])]) {
        const { code, stdout, stderr } = await cli(...argv, "sh", "-c", ids);
        if (uid === undefined) assert.ok(code !== 0 && /user|group|passwd/.test(stdout + stderr) && !/^\d+ \d+$/m.test(stdout), `${argv.join(" ")}: ${stdout}`);
        else assert.equal(stdout, `${uid} ${gid}\n`, `${argv.join(" ")}: ${stderr}`);
      }
    }
  }));
  for (const [asked] of users.filter(([, uid]) => uid === undefined).slice(0, 4)) {
    const declared = await evil(people, { User: asked });
    assert.equal((await cli("run", "--rm", declared, "id", "-u")).stdout, "", `USER ${asked}`);
  }
  assert.equal((await engine.api("GET", "/_ping")).status, 200);
});

attack("ID-11 ID-12 files of users that are large, endless, elsewhere", async ({ cli, evil, engine, canary }) => {
  const memory = () => Number(/VmRSS:\s*(\d+)/.exec(readFileSync(`/proc/${engine.pid}/status`, "utf8"))![1]) / 1024;
  const large = Buffer.alloc(11 << 20, "x");
  const links = [`${canary}/fifo`, `../../../..${canary}/fifo`, "/proc/kmsg", "/proc/self/mem", "/etc/passwd", "/dev/zero"];
  const kinds = [{ path: "etc/passwd", data: large }, { path: "etc/passwd", device: ["c", 1, 5] as ["c", number, number] }, { path: "etc/passwd/" }, ...links.map((link) => ({ path: "etc/passwd", link }))];
  const images = [];
  for (const entry of kinds) images.push(await evil([{ path: "etc/" }, entry]));
  const before = memory();
  for (const image of images) {
    const started = Date.now();
    const { stdout } = await cli("run", "--rm", "-u", "ann", image, "id", "-u");
    assert.equal(stdout, "");
    assert.ok(Date.now() - started < 5000, `${images.indexOf(image)}: it hung`);
  }
  assert.ok(memory() - before < 64, `the engine grew by ${memory() - before} MiB`);
  const legitimate = await evil([{ path: "etc/" }, { path: "usr/lib/" }, { path: "etc/passwd", link: "/usr/lib/passwd" }, { path: "usr/lib/passwd", data: "bob:x:77:78::/:/bin/sh\n" }]);
  assert.equal(await cli.ok("run", "--rm", "-u", "bob", legitimate, "sh", "-c", "echo $(id -u) $(id -g)"), "77 78");
  await cli.ok("run", "-d", "--name", "changed", "box", "sh", "-c", `rm /etc/passwd /etc/group; mkfifo /etc/passwd; ln -s ${canary}/fifo /etc/group; touch /ready; sleep 60`);
  await cli.with({ timeout: 5000 })("exec", "-u", "0", "changed", "sh", "-c", "until [ -e /ready ]; do sleep 0.02; done");
  const { code, stdout } = await cli.with({ timeout: 5000 })("exec", "-u", "ann", "changed", "id", "-u");
  assert.ok(code !== null && code !== 0, `${code} ${stdout}`);
  assert.equal((await cli("kill", "changed")).code, 0);
});

attack("ID-13 lines and colons in names do not become lines of files", async ({ cli, engine }) => {
  assert.equal(await cli.ok("run", "--rm", "-e", "HOME=x\nroot2::0:0", "box", "sh", "-c", "grep -c root2 /etc/passwd; echo \"$HOME\" | wc -l"), "0\n2");
  const body = (config: object, host: object = {}) => ({ Image: "box", Cmd: ["cat", "/etc/hosts", "/etc/resolv.conf", "/etc/hostname"], ...config, HostConfig: host });
  for (const wish of [body({ Hostname: "a\n6.6.6.6 evil" }), body({ Domainname: "a\n6.6.6.6 evil" }), body({}, { ExtraHosts: ["x:1.1.1.1\n6.6.6.6 evil"] }), body({}, { Dns: ["1.1.1.1\nnameserver 6.6.6.6"] }), body({}, { DnsSearch: ["x\nnameserver 6.6.6.6"] }), body({}, { DnsOptions: ["x\nnameserver 6.6.6.6"] })]) {
    const made = await engine.api("POST", "/containers/create?name=lines", wish);
    if (made.status !== 201) {
      assert.equal(made.status, 400, JSON.stringify(made.body));
      continue;
    }
    const { stdout } = await cli("start", "-a", "lines");
    assert.doesNotMatch(stdout, /^(nameserver )?6\.6\.6\.6/m, JSON.stringify(wish));
    await cli.ok("rm", "-f", "lines");
  }
});

attack("ID-14 the device cgroup denies what it does not allow, also after an exec", async ({ cli }) => {
  await cli.ok("run", "-d", "--name", "box", "--cap-add", "SYS_RAWIO", "box", "sleep", "60");
  for (const argv of [["run", "--rm", "box"], ["exec", "box"], ["exec", "--privileged", "box"]]) {
    const lines = (await cli.ok(...argv, "inside", "devices")).split("\n").map((line) => line.split("\t") as [string, string]);
    for (const [device, said] of lines) {
      const open = /^device c (1:[35789]|5:[02]|10:200|136:0)$/.test(device) || (device === "device c 5:1");
      if (!open) assert.match(said, /^mknod ok read EPERM write EPERM$/, `${argv.join(" ")}: ${device}`);
    }
  }
  const list = await cli("exec", "box", "cat", "/sys/fs/cgroup/devices/devices.list");
  if (list.code === 0) assert.doesNotMatch(list.stdout, /^a/m);
  if (list.code === 0) assert.match((await cli("exec", "box", "sh", "-c", "echo 'a *:* rwm' > /sys/fs/cgroup/devices/devices.allow")).stderr, /Read-only/);
});

attack("ID-16 a cgroup's name leads nowhere else, and its limits hold", async ({ cli }) => {
  for (const parent of ["../../x", "/", "/a/../../b", "a\nb", `/${"n".repeat(256)}`, "/tasks", "/x/memory.limit_in_bytes", "/a/./b"]) assert.match(await cli.refused("run", "--rm", "--cgroup-parent", parent, "box", "true"), /cgroup/i, parent);
  // The shell ends when it cannot fork.
  const { stdout, stderr } = await cli("run", "--rm", "--pids-limit", "12", "--cgroup-parent", "gantry-security", "box", "sh", "-c", "cat /proc/self/cgroup; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do sleep 1 & done; wait");
  assert.match(stdout, /pids[^:]*:\/gantry-security\/[0-9a-f]{64}|0::\//);
  assert.match(stderr, /fork/);
  for (const hierarchy of ["/sys/fs/cgroup", ...readdirSync("/sys/fs/cgroup").map((name) => `/sys/fs/cgroup/${name}`)]) {
    const folder = `${hierarchy}/gantry-security`;
    if (existsSync(folder)) execFileSync("rmdir", [folder]);
  }
});

attack("ID-17 sysctls of the host's are nobody's", async ({ engine }) => {
  // Not through a client: it would refuse most of these itself.
  const told = async (sysctl: string, host: object = {}) => {
    const at = sysctl.indexOf("=");
    const made = await engine.api("POST", "/containers/create", { Image: "box", Cmd: ["true"], HostConfig: { Sysctls: { [sysctl.slice(0, at)]: sysctl.slice(at + 1) }, ...host } });
    const { Id } = made.body as { Id?: string };
    const last = made.status === 201 ? await engine.api("POST", `/containers/${Id}/start`) : made;
    assert.ok(last.status >= 400, `${sysctl} was let through`);
    return JSON.stringify(last.body);
  };
  const refused = ["kernel.shm_rmid_forced=1+kernel.core_pattern=|/x", "kernel.core_pattern=x", "kernel/core_pattern=x", "net/../kernel/core_pattern=x", "net.ipv4.conf.a/../../../kernel/core_pattern=x", "vm.overcommit_memory=1", "kernel.shm_rmid_forced\n=1", "net.=1", "net..x=1", "fs.file-max=1", "kernel.hostname=x", "net.ipv4.ip_forward/../../../kernel/panic=1", "net/ipv4/../../kernel/panic=1", "/proc/sys/kernel/panic=1", "=1"];
  for (const sysctl of refused) assert.match(await told(sysctl), /sysctl|not allowed|invalid|EINVAL/i, sysctl);
  assert.match(await told("net.ipv4.ip_forward=1", { NetworkMode: "host" }), /network/);
  assert.match(await told("kernel.msgmax=100", { IpcMode: "host" }), /ipc/);
  assert.match(await told("kernel.domainname=x", { UTSMode: "host" }), /uts/);
});

attack("ID-19 ranges of processors that nobody has are refused at once", async ({ engine }) => {
  for (const set of [{ CpusetCpus: "0-2147483647" }, { CpusetCpus: "3-1" }, { CpusetCpus: "-1" }, { CpusetMems: "0-999999999" }, { CpusetCpus: "0,".repeat(100_000) }, { CpusetCpus: "99999999999999999999" }]) {
    const started = Date.now();
    assert.equal((await engine.api("POST", "/containers/create", { Image: "box", HostConfig: set })).status, 400, JSON.stringify(set).slice(0, 60));
    assert.ok(Date.now() - started < 1000);
  }
});

/** What a process may, as its own exec sees it. */
const rights = async (cli: Client, name: string) => await cli.ok("exec", name, "sh", "-c", "grep -E '^(Cap|NoNewPrivs|Seccomp|Groups|Uid|Gid)' /proc/1/status /proc/self/status; grep -c ' /proc/' /proc/1/mountinfo; grep -E ' /(sys|proc/sys|proc/keys) ' /proc/1/mountinfo | cut -d' ' -f6; cat /sys/fs/cgroup/devices/devices.list 2>/dev/null");

attack("ID-22 rights are the same at every start, and after the engine was killed", async ({ cli, engine }) => {
  const options: Record<string, string[]> = {
    plain: [], privileged: ["--privileged"], narrow: ["--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--read-only"], open: ["--security-opt", "seccomp=unconfined", "--cap-add", "NET_ADMIN"],
    bare: ["--security-opt", "systempaths=unconfined"],
    user: ["-u", "1000:1000", "--group-add", "29"],
  };
  const first: Record<string, string> = {};
  for (const [name, flags] of Object.entries(options)) {
    const { code } = await cli("run", "-d", "--name", name, ...flags, "box", "sh", "-c", "trap exit TERM; while :; do sleep 0.05; done");
    if (code === 0) first[name] = await rights(cli, name);
  }
  const names = Object.keys(first);
  assert.ok(names.length >= 5);
  assert.equal(new Set(Object.values(first)).size, names.length, "they differ");
  const same = async (when: string) => {
    for (const name of names) assert.equal(await rights(cli, name), first[name], `${name}, ${when}`);
  };
  await cli.ok("restart", "-t", "2", ...names);
  await same("restarted");
  await engine.kill();
  await engine.start();
  await same("the engine was killed");
  await cli.ok("restart", "-t", "2", ...names);
  await same("restarted again");
});
