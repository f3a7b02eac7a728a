/** Compiled programs, performed: real containers of busybox, looked at from inside and from the host. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { cgroupDirectories } from "#linux/cgroups.ts";
import type { Mount } from "#spec/oci-runtime.ts";
import { CAPS, failure, host, kernel, MOUNTS, parent, run, runExec, scratch, skip, start } from "../../test/fixtures/box.ts";

/** "Name:\tvalue" lines of /proc/self/status. */
const fields = (status: string) => Object.fromEntries(status.split("\n").map((line) => line.split(/:\s*/, 2) as [string, string]));

test("a container is what its spec says, seen from inside", { skip }, async () => {
  const script = `cat /proc/self/status; echo @; hostname; cat /proc/self/oom_score_adj; umask; pwd; ls /proc/self/fd | wc -l
    echo @; cat /proc/net/dev | wc -l; cat /proc/sys/net/ipv4/ip_unprivileged_port_start; ps -o pid | wc -l; ls /dev | tr '\\n' ' '`;
  const [status = "", identity = "", rest = ""] = (await run(script)).split("@\n");
  const { CapInh, CapPrm, CapEff, CapBnd, CapAmb, NoNewPrivs, Seccomp, Groups } = fields(status);
  assert.deepEqual({ CapInh, CapPrm, CapEff, CapBnd, CapAmb }, {
    CapInh: "0000000000000000", CapPrm: "00000000a80425fb", CapEff: "00000000a80425fb", CapBnd: "00000000a80425fb", CapAmb: "0000000000000000",
  });
  assert.deepEqual([NoNewPrivs, Seccomp, Groups?.trim()], ["0", "2", "0"]);
  assert.deepEqual(identity.split("\n").slice(0, 5), ["box", "0", "0022", "/", "4"], "three descriptors, and the one that lists them (ID-02)");
  const lines = rest.split("\n");
  assert.deepEqual(lines.slice(0, 2), ["3", "0"], "only a loopback interface");
  assert.match(lines.at(-1)!, /^(core )?fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero $/);
});

test("masked paths show nothing, read-only paths stay as they are (RT-14)", { skip }, async () => {
  const script = `for f in /proc/keys /proc/timer_list; do wc -c < $f; ls -l $f | cut -c1; done; ls -A /sys/firmware /proc/acpi 2>/dev/null | grep -v : | grep -c .
    for f in /proc/sys/kernel/core_pattern /proc/sysrq-trigger /sys/kernel/uevent_helper /sys/fs/cgroup/x; do (echo x > $f) 2>/dev/null && echo written $f; done; umount /proc/keys 2>/dev/null && echo gone`;
  assert.equal(await run(script), "0\nc\n0\nc\n0\n");
});

test("devices: nodes can be made, only allowed ones opened (ID-14)", { skip }, async () => {
  const script = "echo x > /dev/null && head -c 3 /dev/zero | wc -c; mknod /disk b 7 0 && echo made; head -c 1 /disk 2>&1 | grep -o 'not permitted'; mknod /kmsg c 1 11; (echo x > /kmsg) 2>&1 | grep -o 'not permitted'";
  assert.equal(await run(script), "3\nmade\nnot permitted\nnot permitted\n");
});

test("another user: nothing effective, groups as given, stdio that can be opened again", { skip }, async () => {
  const output = await run("id -u; id -g; id -G; grep -E 'Cap(Eff|Prm|Bnd)' /proc/self/status | cut -f2; echo out > /dev/stdout; (echo x > /nope) 2>/dev/null || echo denied", {
    process: { user: { uid: 1000, gid: 7, additionalGids: [7, 29] }, capabilities: { bounding: CAPS } },
  });
  assert.equal(output, "1000\n7\n7 29\n0000000000000000\n0000000000000000\n00000000a80425fb\nout\ndenied\n");
});

test("no_new_privs, limits, environment, folder, exit code", { skip }, async () => {
  const box = await start("grep NoNew /proc/self/status | cut -f2; ulimit -n; ulimit -Hn; pwd; echo $X; cat /proc/self/oom_score_adj; exit 7", {
    process: { noNewPrivileges: true, rlimits: [{ type: "RLIMIT_NOFILE", soft: 100, hard: 200 }], cwd: "/made/here", env: ["PATH=/bin", "X=1 2"], oomScoreAdj: 500 },
  });
  assert.deepEqual(await box.ended, { code: 7, output: "1\n100\n200\n/made/here\n1 2\n500\n" });
});

test("cgroup limits hold and the container sees its own groups", { skip }, async () => {
  const files = host.cgroups.version === "v2" ? "memory.max pids.max cpu.weight" : "memory/memory.limit_in_bytes pids/pids.max cpu/cpu.shares";
  const output = await run(`cd /sys/fs/cgroup; cat ${files}; mkdir pids/x x 2>&1 | grep -o Read-only | head -1; for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.2 & done`, {
    linux: { resources: { memory: { limit: 64 << 20 }, pids: { limit: 8 }, cpu: { shares: 1024 } } },
    namespaces: (["pid", "network", "ipc", "uts", "mount", "cgroup"] as const).map((type) => ({ type })),
  });
  assert.match(output, new RegExp(`^${64 << 20}\n8\n${host.cgroups.version === "v2" ? 100 : 1024}\n(.*fork\n)?Read-only\n`, "s"));
});

test("a terminal: controlling, on its own devpts, also the console; bound to its user (RT-05)", { skip }, async () => {
  const output = await run("tty; stty size; echo to console > /dev/console; ls -ln /dev/console | cut -d' ' -f1; cut -d' ' -f5 /proc/1/mountinfo | grep -c console", {
    process: { terminal: true, consoleSize: { height: 30, width: 100 }, user: { uid: 1000, gid: 1000 }, capabilities: { bounding: CAPS } },
  });
  assert.equal(output.replaceAll("\r", ""), "/dev/pts/0\n30 100\nto console\ncrw--w----\n1\n");
});

test("mounts: bind, read-only below, files, tmpfs, an order of their own", { skip }, async () => {
  const source = mkdtempSync(join(scratch, "volume-"));
  mkdirSync(join(source, "inner"));
  writeFileSync(join(source, "file"), "content\n");
  const bind = (destination: string, options: string[], from = source): Mount => ({ destination, type: "bind", source: from, options });
  const output = await run("cat /a/file /etc/one; echo x > /a/new; touch /ro/no 2>&1 | grep -o Read-only; touch /t/x /a/tmp/y && echo ok; df -k /t | tail -1 | tr -s ' ' | cut -d' ' -f2; ls -ld /t | cut -c1-10; ls /a", {
    mounts: [
      bind("/a", ["rbind", "rprivate"]),
      bind("/ro", ["rbind", "ro", "rro", "rprivate"]),
      bind("/etc/one", ["rbind", "ro"], join(source, "file")),
      { destination: "/t", type: "tmpfs", source: "tmpfs", options: ["nosuid", "nodev", "noexec", "size=1m", "mode=700"] },
      { destination: "/a/tmp", type: "tmpfs", source: "tmpfs", options: ["size=64k"] },
    ],
  });
  assert.equal(output, "content\ncontent\nRead-only\nok\n1024\ndrwx------\nfile\ninner\nnew\ntmp\n");
  assert.deepEqual(readdirSync(source).sort(), ["file", "inner", "new", "tmp"]);
  assert.deepEqual(readdirSync(join(source, "tmp")), [], "what was mounted inside is not seen outside");
});

test("a tmpfs takes the mode of what it covers, and is open to all where nothing was", { skip }, async () => {
  const tmpfs = (destination: string, options: string[] = []): Mount => ({ destination, type: "tmpfs", source: "tmpfs", options });
  const output = await run("ls -ld /covered /new /told | cut -c1-10; touch /covered/x && echo ok", {
    mounts: [tmpfs("/covered"), tmpfs("/new"), tmpfs("/told", ["mode=711"])],
    prepare: (upper) => mkdirSync(join(upper, "covered"), { mode: 0o710 }),
  });
  assert.equal(output, "drwx--x---\ndrwxrwxrwt\ndrwx--x--x\nok\n");
});

test("a read-only root is read-only, what is mounted in it is not", { skip }, async () => {
  const output = await run("touch /x 2>&1 | grep -o Read-only; touch /t/x /dev/shm/x && echo ok", {
    spec: { root: { path: "rootfs", readonly: true } },
    mounts: [{ destination: "/t", type: "tmpfs", source: "tmpfs" }],
  });
  assert.equal(output, "Read-only\nok\n");
});

test("propagation: a slave sees what is mounted on the host, a private one does not; neither tells the host", { skip }, async () => {
  const shared = mkdtempSync(join(scratch, "shared-"));
  mkdirSync(join(shared, "sub"));
  await kernel.perform([
    { op: "mount", source: "shared", path: shared, type: "tmpfs" },
    { op: "mountSetattr", path: shared, propagation: 1 << 20 },
  ]);
  try {
    mkdirSync(join(shared, "sub"));
    const box = await start("until [ -e /slave/go ]; do sleep 0.02; done; cat /slave/sub/told; ls /private/sub", {
      mounts: [
        { destination: "/slave", type: "bind", source: shared, options: ["rbind", "rslave"] },
        { destination: "/private", type: "bind", source: shared, options: ["rbind", "rprivate"] },
      ],
    });
    await kernel.perform([{ op: "mount", source: "later", path: join(shared, "sub"), type: "tmpfs" }]);
    writeFileSync(join(shared, "sub/told"), "told\n");
    writeFileSync(join(shared, "go"), "");
    assert.equal((await box.ended).output, "told\n");
  } finally {
    await kernel.perform([{ op: "umount", path: join(shared, "sub"), tolerate: 22 }, { op: "umount", path: shared }]);
  }
});

test("namespaces of another container and of the host are joined", { skip }, async () => {
  const first = await start("echo first > /dev/shm/one; until [ -e /dev/shm/done ]; do sleep 0.02; done");
  const path = (name: string) => `/proc/${first.pid}/ns/${name}`;
  const output = await run("until [ -e /dev/shm/one ]; do sleep 0.02; done; cat /dev/shm/one; ps -o args | grep -c 'done; do'; for n in net ipc pid uts; do ls -l /proc/self/ns/$n; done | grep -o '\\[.*'; touch /dev/shm/done", {
    namespaces: [{ type: "network", path: path("net") }, { type: "ipc", path: path("ipc") }, { type: "pid", path: path("pid") }, { type: "mount" }],
    spec: { mounts: [...MOUNTS.filter((mount) => mount.destination !== "/dev/shm"), { destination: "/dev/shm", type: "bind", source: `/proc/${first.pid}/root/dev/shm`, options: ["bind"] }] },
    linux: { sysctl: {} },
  });
  await first.ended;
  const lines = output.trim().split("\n");
  assert.equal(lines[0], "first");
  assert.ok(Number(lines[1]) >= 1, "the first container's process is seen");
  assert.equal(lines[5], `[${/\d+/.exec(execFileSync("readlink", ["/proc/self/ns/uts"], { encoding: "utf8" }))?.[0]}]`, "the host's uts namespace");
});

test("a user namespace: root inside, nobody outside", { skip }, async () => {
  const maps = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
  const box = await start("id -u; cat /proc/self/uid_map | tr -s ' '; echo x > /dev/null && echo null; touch /mine && ls -ln /mine | tr -s ' ' | cut -d' ' -f3; grep CapEff /proc/self/status | cut -f2; ls -ln / | tr -s ' ' | grep ' dev' | cut -d' ' -f3; until [ -e /dev/shm/done ]; do sleep 0.02; done", {
    namespaces: (["pid", "network", "ipc", "uts", "user", "cgroup", "mount"] as const).map((type) => ({ type })),
    linux: { uidMappings: maps, gidMappings: maps },
    prepare: (upper) => chownSync(upper, 100_000, 100_000),
  });
  assert.equal(readFileSync(`/proc/${box.pid}/status`, "utf8").match(/^Uid:\s+(\d+)/m)?.[1], "100000");
  const exec = await runExec(box, { args: ["sh", "-c", "id -u; grep CapEff /proc/self/status | cut -f2; touch /dev/shm/done"] });
  assert.equal(exec.output, "0\n00000000a80425fb\n");
  assert.equal((await box.ended).output, " 0 100000 65536\n".replace(/^/, "0\n") + "null\n0\n00000000a80425fb\n0\n");
});

test("exec: the same namespaces, cgroup, capabilities and filter; another user, folder and terminal", { skip }, async () => {
  const box = await start("until [ -e /dev/shm/done ]; do sleep 0.02; done", { prepare: (upper) => mkdirSync(join(upper, "w")) });
  const plain = await runExec(box, { args: ["sh", "-c", "hostname; grep -E 'Cap(Inh|Eff|Bnd)|Seccomp:' /proc/self/status | cut -f2; cat /proc/self/cgroup | head -1 | grep -o gantry-test; ls /proc/self/fd | wc -l; ls -d /proc/1; exit 3"] });
  assert.deepEqual(plain, { code: 3, output: "box\n0000000000000000\n00000000a80425fb\n00000000a80425fb\n2\ngantry-test\n4\n/proc/1\n" });
  const user = await runExec(box, { args: ["sh", "-c", "id -u; pwd; grep CapEff /proc/self/status | cut -f2"], user: { uid: 5, gid: 5 }, cwd: "/w", capabilities: { bounding: CAPS } });
  assert.equal(user.output, "5\n/w\n0000000000000000\n");
  const terminal = await runExec(box, { args: ["tty"], terminal: true });
  assert.equal(terminal.output, "/dev/pts/0\r\n");
  assert.match(await failure(runExec(box, { args: ["no-such-program"] })), /^exec .*ENOENT/);
  assert.match(await failure(runExec(box, { args: ["true"], cwd: "/no/such/folder" })), /^open .*working directory.*ENOENT/);
  await runExec(box, { args: ["touch", "/dev/shm/done"] });
  await box.ended;
});

test("a failed start says which op, and leaves nothing", { skip }, async () => {
  const message = await failure(start("true", { process: { args: ["/no/such"] } }));
  assert.match(message, /^exec .*\/no\/such.*ENOENT.*operation \d+ of \d+/);
  for (const { path } of cgroupDirectories(host.cgroups, parent)) {
    const left = existsSync(path) ? readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isDirectory()) : [];
    assert.deepEqual(left.map(({ name }) => name), []);
  }
});
