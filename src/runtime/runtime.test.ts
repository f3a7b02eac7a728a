/** Compiled programs, performed: real containers of busybox, looked at from inside and from the host. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chownSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { cgroupDirectories } from "#linux/cgroups.ts";
import { planRemove } from "#linux/cgroups-plan.ts";
import { openKernel } from "#linux/host.ts";
import { CONTAINER, connectShim, type Shim } from "#linux/shim.ts";
import type { Mount, NamespaceType, Process, Spec } from "#spec/oci-runtime.ts";
import { DEFAULT_PROFILE } from "#spec/seccomp-default.ts";
import { resolveProfile } from "#spec/seccomp-profile.ts";
import { compile, compileExec } from "./compile.ts";
import { readHostFacts, readPathKinds } from "./facts.ts";

const cell = fileURLToPath(new URL("../../build/cell", import.meta.url));
const busybox = ["/bin/busybox", "/usr/bin/busybox"].find((path) => existsSync(path));
const skip = busybox === undefined || process.getuid?.() !== 0 ? "busybox (static) and root are needed" : false;

const scratch = mkdtempSync("/tmp/gantry-runtime-");
const host = await readHostFacts();
const kernel = await openKernel({ cell });
const base = makeBase();
/** The control groups of this run. */
const parent = `/gantry-test-${process.pid}`;

after(async () => {
  for (const box of boxes) {
    await box.shim.signal(CONTAINER, 9).catch(() => undefined);
    await box.ended;
    await box.shim[Symbol.asyncDispose]();
  }
  await kernel.perform(planRemove(host.cgroups, parent));
  await kernel[Symbol.asyncDispose]();
  rmSync(scratch, { recursive: true, force: true });
});

/** A root file system: busybox and its applets. */
function makeBase(): string {
  const root = join(scratch, "base");
  mkdirSync(join(root, "bin"), { recursive: true });
  if (busybox === undefined) return root;
  cpSync(busybox, join(root, "bin/busybox"));
  for (const name of execFileSync(busybox, ["--list"], { encoding: "utf8" }).split("\n")) {
    if (name !== "" && name !== "busybox") symlinkSync("busybox", join(root, "bin", name));
  }
  return root;
}

const CAPS = "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE".split(" ").map((name) => `CAP_${name}`);
const KERNEL = ["nosuid", "noexec", "nodev"];
const MOUNTS: Mount[] = [
  { destination: "/proc", type: "proc", source: "proc", options: KERNEL },
  { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "strictatime", "mode=755", "size=65536k"] },
  { destination: "/dev/pts", type: "devpts", source: "devpts", options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"] },
  { destination: "/sys", type: "sysfs", source: "sysfs", options: [...KERNEL, "ro"] },
  { destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["ro", ...KERNEL] },
  { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: KERNEL },
  { destination: "/dev/shm", type: "tmpfs", source: "shm", options: [...KERNEL, "mode=1777", "size=64m"] },
];

type Wish = {
  process?: Partial<Process>;
  linux?: Partial<NonNullable<Spec["linux"]>>;
  spec?: Partial<Spec>;
  mounts?: Mount[];
  namespaces?: { type: NamespaceType; path?: string }[];
  /** Prepares the upper layer before the start. */
  prepare?: (upper: string) => void;
};

type Box = { id: string; dir: string; spec: Spec; shim: Shim; pid: number; ended: Promise<{ code: number; output: string }> };

function specOf(id: string, script: string, wish: Wish): Spec {
  const process: Process = {
    user: { uid: 0, gid: 0, additionalGids: [0] },
    args: ["sh", "-c", script],
    env: ["PATH=/bin", "HOME=/"],
    cwd: "/",
    capabilities: { bounding: CAPS, effective: CAPS, permitted: CAPS },
    oomScoreAdj: 0,
    ...wish.process,
  };
  const seccomp = resolveProfile(DEFAULT_PROFILE, { arch: host.arch, kernel: host.kernel, capabilities: process.capabilities?.bounding ?? [] });
  return {
    ociVersion: "1.2.0",
    hostname: "box",
    mounts: [...MOUNTS, ...(wish.mounts ?? [])],
    ...wish.spec,
    process,
    linux: {
      namespaces: wish.namespaces ?? (["pid", "network", "ipc", "uts", "time", "mount"] as const).map((type) => ({ type })),
      cgroupsPath: `${parent}/${id}`,
      maskedPaths: ["/proc/acpi", "/proc/keys", "/proc/kcore", "/proc/timer_list", "/sys/firmware"],
      readonlyPaths: ["/proc/bus", "/proc/sys", "/proc/sysrq-trigger"],
      sysctl: { "net.ipv4.ip_unprivileged_port_start": "0" },
      ...(seccomp === undefined ? {} : { seccomp }),
      ...wish.linux,
    },
  };
}

const boxes: Box[] = [];

/** Starts a container; rejects with the ProgramError of the op that failed. */
async function start(script: string, wish: Wish = {}): Promise<Box> {
  const id = randomBytes(32).toString("hex");
  const dir = mkdtempSync(join(scratch, "c-"));
  for (const name of ["upper", "work", "staging", "empty"]) mkdirSync(join(dir, name));
  wish.prepare?.(join(dir, "upper"));
  const spec = specOf(id, script, wish);
  const compiled = compile(spec, {
    host,
    root: { type: "overlay", lower: [base, join(dir, "empty")], upper: join(dir, "upper"), work: join(dir, "work") },
    staging: join(dir, "staging"),
    paths: await readPathKinds(spec),
    missingCgroups: [parent],
  });
  const { terminal, ...programs } = compiled;
  await kernel.perform([{ op: "shim", id, socket: join(dir, "s"), record: join(dir, "record"), flags: terminal ? 1 : 0, ...programs }]);
  const exited = Promise.withResolvers<number>();
  const shim = await connectShim(join(dir, "s"), { onEvent: (event) => (event.type === "exited" ? exited.resolve(event.code) : event.type === "lost" ? exited.resolve(-1) : undefined) });
  const { stream } = await shim.attach(CONTAINER, { stdin: false, stdout: true, stderr: true });
  const output = text(stream, terminal);
  const { pid } = await shim.start({ init: compiled.init, parent: compiled.parent });
  const box = { id, dir, spec, shim, pid, ended: Promise.all([exited.promise, output]).then(([code, out]) => ({ code, output: out })) };
  boxes.push(box);
  return box;
}

async function text(stream: AsyncIterable<Buffer>, raw: boolean): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  let rest = Buffer.concat(chunks);
  if (raw) return rest.toString();
  let out = "";
  for (; rest.length >= 8; rest = rest.subarray(8 + rest.readUInt32BE(4))) out += rest.toString("utf8", 8, 8 + rest.readUInt32BE(4));
  return out;
}

/** Runs a script to its end: what it printed. Nothing of it may be left. */
async function run(script: string, wish: Wish = {}): Promise<string> {
  const box = await start(script, wish);
  const { output } = await box.ended;
  for (const { path } of cgroupDirectories(host.cgroups, `${parent}/${box.id}`)) assert.ok(!existsSync(path), `${path} is left`);
  assert.ok(!readFileSync("/proc/self/mountinfo", "utf8").includes(box.dir), "a mount of the container is seen on the host");
  return output;
}

async function runExec(box: Box, change: Partial<Process>): Promise<{ output: string; code: number }> {
  const exec = randomBytes(32).toString("hex");
  const process = { ...box.spec.process!, terminal: false, ...change };
  const exited = Promise.withResolvers<number>();
  const shim = await connectShim(join(box.dir, "s"), { onEvent: (event) => (event.type === "execExited" && event.id === exec ? exited.resolve(event.code) : undefined) });
  await shim.exec(exec, { program: compileExec(box.spec, process, { host }), tty: process.terminal === true });
  const { stream } = await shim.attach(exec, { stdin: false, stdout: true, stderr: true });
  const output = text(stream, process.terminal === true);
  await shim.startExec(exec);
  const result = { output: await output, code: await exited.promise };
  await shim[Symbol.asyncDispose]();
  return result;
}

const failure = (promise: Promise<unknown>) => promise.then(() => assert.fail("it started"), (error: Error) => error.message);

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

const canary = join(scratch, "canary");
mkdirSync(join(canary, "dir"), { recursive: true });
const seen = () => JSON.stringify(readdirSync(canary, { recursive: true }).map((name) => [name, statSync(join(canary, String(name)))]), (key, value) => (/^atime/.test(key) ? undefined : value));

for (const [title, prepare] of [
  ["RT-02: /proc is a link", (upper) => (mkdirSync(join(upper, "fake")), symlinkSync("/fake", join(upper, "proc")))],
  ["RT-02: /proc is a file", (upper) => writeFileSync(join(upper, "proc"), "")],
  ["RT-02: /sys is a link out", (upper) => symlinkSync(`../../../..${canary}/dir`, join(upper, "sys"))],
  ["RT-07: /dev is a link out", (upper) => symlinkSync(join(canary, "dir"), join(upper, "dev"))],
] satisfies [string, (upper: string) => void][]) {
  test(`${title}: refused, and nothing outside is touched`, { skip }, async () => {
    const before = seen();
    assert.match(await failure(run("true", { prepare })), /must be an ordinary directory|"(proc|sys|dev)".*(ELOOP|ENOTDIR)/);
    assert.equal(seen(), before);
  });
}

test("RT-01, RT-09, RT-13: links in the image at mount points and on the way to them stay inside", { skip }, async () => {
  const before = seen();
  const source = join(scratch, "secret");
  writeFileSync(source, "secret\n");
  const output = await run("cat /etc/hosts /link/sub/one", {
    prepare: (upper) => {
      mkdirSync(join(upper, "etc"));
      mkdirSync(join(upper, `${dirname(canary)}`), { recursive: true });
      symlinkSync(canary, join(upper, "etc/hosts"));
      symlinkSync(`../../../../..${canary}/dir`, join(upper, "link"));
    },
    mounts: [
      { destination: "/etc/hosts", type: "bind", source, options: ["bind"] },
      { destination: "/link/sub/one", type: "bind", source, options: ["bind"] },
    ],
  }).catch((error: Error) => error.message);
  assert.match(output, /^secret\nsecret\n$|ELOOP|ENOENT|ENOTDIR/);
  assert.equal(seen(), before);
});

test("RT-03: nothing may stand over /proc, by name or by a link", { skip }, async () => {
  const bind = (destination: string): Wish => ({ mounts: [{ destination, type: "bind", source: canary, options: ["bind"] }] });
  for (const destination of ["/proc", "/proc/self/attr", "/proc/sys", "//proc/./sys/"]) {
    assert.match(await failure(run("true", bind(destination))), /cannot be mounted because it is inside \/proc/, destination);
  }
  const output = await run("ls -d /proc/self/status; ls /proc/sys | grep -c kernel", { ...bind("/trick/sys"), prepare: (upper) => (mkdirSync(join(upper, "proc")), symlinkSync("/proc", join(upper, "trick"))) });
  assert.equal(output, "/proc/self/status\n1\n");
});

test("ID-02, RT-12: a working directory that leads through a descriptor or out is refused or stays inside", { skip }, async () => {
  const before = seen();
  for (const number of [3, 7, 8, 12]) assert.match(await failure(run("pwd", { process: { cwd: `/proc/self/fd/${number}` } })), /ELOOP|ENOENT|ENOTDIR|EACCES/);
  const link = (upper: string) => symlinkSync("/proc/self/fd/0", join(upper, "w"));
  assert.match(await failure(run("pwd", { process: { cwd: "/w" }, prepare: link })), /ELOOP|ENOENT|ENOTDIR|EEXIST/);
  const out = await run("pwd", { process: { cwd: "/out/new" }, prepare: (upper) => symlinkSync(join(canary, "dir"), join(upper, "out")) }).catch((error: Error) => error.message);
  assert.match(out, new RegExp(`^${canary}/dir/new\n$|ENOTDIR|ENOENT|EEXIST|ELOOP`));
  assert.equal(seen(), before);
});

test("RT-04: a null device of the image is never what masks", { skip }, async () => {
  const output = await run("ls -ln /proc/keys | tr -s ' ' | cut -d' ' -f5,6; echo x > /proc/keys; cat /canary", {
    prepare: (upper) => {
      mkdirSync(join(upper, "dev"));
      writeFileSync(join(upper, "canary"), "untouched\n");
      symlinkSync("/canary", join(upper, "dev/null"));
    },
  });
  assert.equal(output, "1, 3\nuntouched\n");
});

test("RT-18: many masked directories cost one file system", { skip }, async () => {
  const output = await run("stat -c %d /sys/firmware /sys/module | sort -u | wc -l; touch /sys/firmware/x 2>&1 | grep -o Read-only", { linux: { maskedPaths: ["/sys/firmware", "/sys/module", "/sys/class"] } });
  assert.equal(output, "1\nRead-only\n");
});

test("RT-01: a race for the way to a mount point leads nowhere else", { skip }, async () => {
  const before = seen();
  const volume = mkdtempSync(join(scratch, "raced-"));
  mkdirSync(join(volume, "a"));
  symlinkSync(join(canary, "dir"), join(volume, "b"));
  const racer = await openKernel({ cell });
  const swap = { op: "rename", fromPath: join(volume, "a"), path: join(volume, "b"), flags: 2 /* RENAME_EXCHANGE */ } as const;
  let racing = true;
  const race = (async () => {
    for (; racing; ) await racer.perform(Array(2001).fill(swap));
  })();
  const outcomes = new Set<string>();
  for (let attempt = 0; attempt < 40; attempt++) {
    const result = await run("cat /v/a/x/mark", {
      mounts: [
        { destination: "/v", type: "bind", source: volume, options: ["bind"] },
        { destination: "/v/a/x", type: "bind", source: base, options: ["bind"] },
        { destination: "/v/a/x/mark", type: "tmpfs", source: "tmpfs" },
      ],
    }).then(() => "started", (error: NodeJS.ErrnoException) => error.code ?? "unknown");
    outcomes.add(result);
  }
  racing = false;
  await race;
  await racer[Symbol.asyncDispose]();
  assert.equal(seen(), before);
  assert.deepEqual([...outcomes].filter((one) => !["started", "ENOENT", "ENOTDIR", "ELOOP", "EEXIST", "EROFS", "EACCES"].includes(one)), []);
});

const compiler = spawnSync("cc", ["--version"]).status === 0 && process.arch === "x64" ? false : "a C compiler for x86-64 is needed";

test("ID-20: the kernel itself, asked in three ways: 64-bit, 32-bit, x32", { skip: skip || compiler }, async () => {
  const source = join(scratch, "ways.c");
  writeFileSync(source, `#include <stdio.h>
    static long wide(long n, long a) { long r; __asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(0), "d"(0) : "rcx", "r11", "memory"); return r; }
    static long narrow(long n, long a) { long r; __asm__ volatile("int $0x80" : "=a"(r) : "a"(n), "b"(a), "c"(0), "d"(0) : "memory"); return (int)r; }
    int main(void) {
      long calls[][3] = { { 250, 288, 0 }, { 435, 435, 0 }, { 272, 310, 0x10000000 }, { 41, 359, 38 }, { 41, 359, 40 }, { 425, 425, 8 }, { 39, 20, 0 } };
      for (int i = 0; i < 7; i++) printf("%ld %ld %ld\\n", wide(calls[i][0], calls[i][2]) > 0 ? 0 : wide(calls[i][0], calls[i][2]), narrow(calls[i][1], calls[i][2]) > 0 ? 0 : narrow(calls[i][1], calls[i][2]), i < 2 ? wide(calls[i][0] | 0x40000000, calls[i][2]) : 0);
    }`);
  execFileSync("cc", ["-static", "-O1", "-o", join(scratch, "ways"), source]);
  const output = await run("/ways", { mounts: [{ destination: "/ways", type: "bind", source: join(scratch, "ways"), options: ["bind", "ro"] }] });
  const lines = output.trim().split("\n");
  assert.equal(lines[0]?.split(" ").slice(0, 2).join(), "-1,-1", "keyctl");
  assert.equal(lines[1]?.split(" ").slice(0, 2).join(), "-38,-38", "clone3");
  assert.deepEqual(lines.slice(2).map((line) => line.split(" ").slice(0, 2).join()), ["-1,-1", "-1,-1", "-1,-1", "-1,-1", "0,0"], "unshare a user namespace, AF_ALG, AF_VSOCK, io_uring; getpid");
  assert.match(lines[0] ?? "", / -1$| -38$/);
  assert.match(lines[1] ?? "", / -38$/);
});

test("a failed start says which op, and leaves nothing", { skip }, async () => {
  const message = await failure(start("true", { process: { args: ["/no/such"] } }));
  assert.match(message, /^exec .*\/no\/such.*ENOENT.*operation \d+ of \d+/);
  for (const { path } of cgroupDirectories(host.cgroups, parent)) {
    const left = existsSync(path) ? readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isDirectory()) : [];
    assert.deepEqual(left.map(({ name }) => name), []);
  }
});
