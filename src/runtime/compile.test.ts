import assert from "node:assert/strict";
import { test } from "node:test";
import { parseCgroupHost } from "#linux/cgroups.ts";
import { encodeProgram } from "#linux/encode.ts";
import { OPS, type Op, type Program } from "#linux/ops.ts";
import type { Mount, Process, Spec } from "#spec/oci-runtime.ts";
import { compile, compileExec, type ContainerFacts, type HostFacts } from "./compile.ts";
import { parseMountOptions } from "./mount-options.ts";
import { normalDestination, sysctlPath } from "./mounts.ts";
import { SLOT } from "./slots.ts";

const host: HostFacts = {
  kernel: [6, 18], arch: "x86_64", capabilities: (1n << 41n) - 1n, lastCapability: 40, thermalThrottle: [],
  cgroups: parseCgroupHost({ mountinfo: "30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw", unifiedControllers: "cpu memory pids" }),
};
const facts: ContainerFacts = { host, root: { type: "overlay", lower: ["/l/2", "/l/1"], upper: "/u", work: "/w" }, staging: "/staging", paths: { "/file": "file" } };
const MOUNTS: Mount[] = [
  { destination: "/proc", type: "proc", source: "proc" },
  { destination: "/dev", type: "tmpfs", source: "tmpfs" },
  { destination: "/sys", type: "sysfs", source: "sysfs" },
];
const process: Process = { user: { uid: 0, gid: 0 }, args: ["sh"], env: ["PATH=/bin:relative::/usr/bin/"], cwd: "/" };

function specOf(change: { process?: Partial<Process>; mounts?: Mount[]; linux?: Spec["linux"]; spec?: Partial<Spec> } = {}): Spec {
  return {
    ociVersion: "1.2.0", mounts: change.mounts ?? MOUNTS, ...change.spec, process: { ...process, ...change.process },
    linux: { namespaces: [{ type: "pid" }, { type: "mount" }], cgroupsPath: "/gantry/c", ...change.linux },
  };
}

const init = (change: Parameters<typeof specOf>[0] = {}, more: Partial<ContainerFacts> = {}) => compile(specOf(change), { ...facts, ...more }).init;
const names = (program: Program) => program.map((op) => op.op);
const at = (program: Program, name: Op["op"]) => names(program).indexOf(name);

test("a program can be encoded, and uses only slots that exist", () => {
  const program = init({ process: { terminal: true, cwd: "/w", noNewPrivileges: true }, linux: { namespaces: [{ type: "mount" }, { type: "network" }], cgroupsPath: "/gantry/c", sysctl: { "net.ipv4.ip_forward": "1" } } });
  assert.ok(encodeProgram(program).length > 1000);
  for (const op of program) {
    for (const field of OPS[op.op].ints) {
      const value = (op as unknown as Record<string, number>)[field];
      if (/^(slot|dir|from|consoleDir)$/.test(field) && value !== undefined) assert.ok(value >= -1 && value < 64, `${op.op}.${field}`);
    }
  }
});

test("the order that matters", () => {
  const program = init({ process: { cwd: "/w" }, linux: { namespaces: [{ type: "mount" }, { type: "uts" }], cgroupsPath: "/gantry/c", maskedPaths: ["/proc/keys"] }, spec: { hostname: "h", root: { path: "r", readonly: true } } }, { paths: { "/proc/keys": "file" } });
  const order: Op["op"][] = ["mkdir", "unshare", "mountSetattr", "sethostname", "pivot", "fchdir", "capBounding", "setuser", "capSet", "exec"];
  const places = order.map((name) => at(program, name));
  assert.deepEqual(places, [...places].sort((a, b) => a - b), String(places));
  assert.equal(program.at(-1)?.op, "exec");
  assert.ok(program.findIndex((op) => op.note === "/proc") > program.findIndex((op) => op.note === "/sys"), "/proc is mounted last");
});

test("the filter: before the last capability goes without no_new_privs, last with it", () => {
  const seccomp = { defaultAction: "SCMP_ACT_ALLOW" } as const;
  const tail = (noNewPrivileges: boolean, effective: string[] = []) =>
    names(init({ process: { noNewPrivileges, capabilities: { bounding: effective, effective, permitted: effective } }, linux: { namespaces: [{ type: "mount" }], cgroupsPath: "/gantry/c", seccomp } })).slice(at(init(), "setuser"));
  const after = (list: string[]) => list.slice(list.indexOf("setuser"));
  assert.deepEqual(after(tail(false)), ["setuser", "capSet", "capAmbient", "umask", "seccomp", "capSet", "exec"]);
  assert.deepEqual(after(tail(false, ["CAP_SYS_ADMIN"])), ["setuser", "capSet", "capAmbient", "umask", "seccomp", "exec"]);
  assert.deepEqual(after(tail(true)), ["setuser", "capSet", "capAmbient", "prctl", "umask", "seccomp", "exec"]);
});

test("executables: a name is looked for in absolute entries of PATH, a path is taken as it is", () => {
  const candidates = (change: Partial<Process>) => (init({ process: change }).at(-1) as unknown as { candidates: Buffer }).candidates.toString().split("\0").slice(0, -1);
  assert.deepEqual(candidates({}), ["/bin/sh", "/usr/bin/sh"]);
  assert.deepEqual(candidates({ args: ["./sh"] }), ["./sh"]);
  assert.deepEqual(candidates({ env: [] }), []);
});

test("the root: layers one by one, in one option, or by mount(2), as the kernel allows", () => {
  const root = (lower: string[], kernel: readonly [number, number]) => init({}, { root: { type: "overlay", lower, upper: "/u", work: "/w" }, host: { ...host, kernel } });
  const keys = (program: Program) => program.flatMap((op) => (op.op === "fsconfig" && /^lowerdir/.test(String(op.key)) ? [`${op.key}=${op.value}`] : []));
  assert.deepEqual(keys(root(["/l/2", "/l/1"], [6, 18])), ["lowerdir+=/l/2", "lowerdir+=/l/1"]);
  assert.deepEqual(keys(root(["/l/2", "/l/1"], [6, 1])), ["lowerdir=/l/2:/l/1"]);
  const many = Array.from({ length: 60 }, (_, index) => `/var/lib/gantry/snapshots/${index}/fs`);
  const mount = root(many, [6, 1]).find((op) => op.op === "mount") as { data: string };
  assert.match(mount.data, /^lowerdir=lib\/gantry\/snapshots\/0\/fs:|^lowerdir=var\/lib/);
  assert.equal(keys(root(many, [6, 18])).length, 60);
  assert.throws(() => root(Array.from({ length: 400 }, (_, index) => `/layers/${index}/filesystem`), [6, 1]), /400 layers need Linux 6.8/);
});

test("a read-only bind of the root, a view without an upper layer", () => {
  const bind = init({}, { root: { type: "bind", source: "/tree", readOnly: true } });
  assert.ok(bind.some((op) => op.op === "mountSetattr" && op.dir === SLOT.root && op.set === 1));
  const view = init({}, { root: { type: "overlay", lower: ["/l/2", "/l/1"] } });
  assert.ok(!view.some((op) => op.op === "fsconfig" && op.key === "upperdir"));
});

test("what cannot be done is refused with a sentence", () => {
  const table: [Parameters<typeof specOf>[0], RegExp][] = [
    [{ process: { args: [] } }, /no arguments/],
    [{ process: { cwd: "relative" } }, /working directory "relative" is not absolute/],
    [{ process: { args: ["a\0b"] } }, /NUL/],
    [{ process: { env: ["A=\0"] } }, /NUL/],
    [{ process: { capabilities: { bounding: ["CAP_FLY"] } } }, /no capability is named "CAP_FLY"/],
    [{ process: { rlimits: [{ type: "RLIMIT_LUCK", soft: 1, hard: 1 }] } }, /no limit is named "RLIMIT_LUCK"/],
    [{ linux: { namespaces: [{ type: "pid" }], cgroupsPath: "/gantry/c" } }, /needs a mount namespace/],
    [{ linux: { namespaces: [{ type: "mount", path: "/proc/1/ns/mnt" }], cgroupsPath: "/gantry/c" } }, /joining a mount namespace/],
    [{ linux: { namespaces: [{ type: "mount" }, { type: "mount" }], cgroupsPath: "/gantry/c" } }, /listed twice/],
    [{ linux: { namespaces: [{ type: "mount" }, { type: "user" }], cgroupsPath: "/gantry/c" } }, /needs uidMappings/],
    [{ linux: { namespaces: [{ type: "mount" }], cgroupsPath: "/gantry/../x" } }, /invalid cgroup path/],
    [{ linux: { namespaces: [{ type: "mount" }], cgroupsPath: "/gantry/c", maskedPaths: ["/etc/shadow"] } }, /only paths below \/proc and \/sys/],
    [{ linux: { namespaces: [{ type: "mount" }], cgroupsPath: "/gantry/c", devices: [{ path: "/etc/x", type: "c" }] } }, /devices belong below \/dev/],
    [{ linux: { namespaces: [{ type: "mount" }], cgroupsPath: "/gantry/c", devices: [{ path: "/dev/../etc/x", type: "c" }] } }, /devices belong below \/dev/],
    [{ mounts: [{ destination: "/a/../../b", type: "tmpfs" }] }, /not a clean path/],
    [{ mounts: [{ destination: "/", type: "tmpfs" }] }, /root cannot be mounted over/],
    [{ mounts: [{ destination: "/a", type: "bind", source: "relative" }] }, /not an absolute path/],
  ];
  for (const [change, message] of table) assert.throws(() => init(change), message);
});

test("mount options are words; later ones win", () => {
  const table: [string[], Partial<ReturnType<typeof parseMountOptions>>][] = [
    [["ro", "nosuid", "nodev", "noexec"], { set: 15, clear: 0 }],
    [["ro", "rw"], { set: 0, clear: 1 }],
    [["rw", "ro"], { set: 1, clear: 0 }],
    [["noatime"], { set: 0x10, clear: 0x70 }],
    [["noatime", "relatime"], { set: 0, clear: 0x70 }],
    [["rbind", "rro", "rprivate"], { bind: true, recursive: true, setBelow: 1, propagation: { kind: 1 << 18, recursive: true } }],
    [["bind", "shared"], { bind: true, recursive: false, propagation: { kind: 1 << 20, recursive: false } }],
    [["size=64m", "mode=755", "huge=always", "inode64", "defaults"], { data: ["size=64m", "mode=755", "huge=always", "inode64"] }],
    [["constructor", "toString"], { data: ["constructor", "toString"] }],
  ];
  for (const [words, expected] of table) assert.deepEqual({ ...parseMountOptions(words), ...expected }, parseMountOptions(words), words.join());
});

test("names of system controls are paths; nothing leads elsewhere", () => {
  assert.equal(sysctlPath("net.ipv4.ip_forward"), "net/ipv4/ip_forward");
  assert.equal(sysctlPath("net.ipv4.conf.eth0/1.forwarding"), "net/ipv4/conf/eth0.1/forwarding");
  assert.equal(sysctlPath("net/ipv4/conf/eth0.1/forwarding"), "net/ipv4/conf/eth0.1/forwarding");
  for (const name of ["", "net", "../net.x", "net/../kernel/x", "net.x\n", "/net/x", "net..x"]) assert.throws(() => sysctlPath(name), /not a name/, name);
});

test("destinations are normalised", () => {
  assert.deepEqual(["/a", "a/b/", "//a/./b"].map(normalDestination), ["/a", "/a/b", "/a/b"]);
});

test("exec joins what the container has, and forks into its pid namespace", () => {
  const program = compileExec(specOf({ linux: { namespaces: [{ type: "pid" }, { type: "mount" }, { type: "network", path: "/proc/9/ns/net" }], cgroupsPath: "/gantry/c" } }), { ...process, cwd: "/w", terminal: true }, { host });
  const setns = program.find((op) => op.op === "setns") as { flags: number; slot: number };
  assert.deepEqual([setns.flags, setns.slot], [0x20000000 | 0x20000 | 0x40000000, 63]);
  assert.deepEqual(names(program).filter((name) => ["prctl", "setns", "fork", "pty", "fchdir", "exec"].includes(name)), ["prctl", "setns", "fork", "pty", "fchdir", "exec"]);
  assert.ok(!names(compileExec(specOf({ linux: { namespaces: [{ type: "mount" }], cgroupsPath: "/gantry/c" } }), process, { host })).includes("fork"));
});
