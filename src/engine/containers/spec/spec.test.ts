import assert from "node:assert/strict";
import { test } from "node:test";
import { parseCgroupHost } from "#linux/cgroups.ts";
import type { HostFacts } from "#runtime/compile.ts";
import type { ContainerConfig, HostConfig } from "#spec/docker.ts";
import type { MountPoint } from "../../engine.ts";
import { containerDevices } from "./devices.ts";
import { containerResources, checkResources } from "./resources.ts";
import { containerSpec, execProcess, mergeEnvironment, type SpecInput } from "./spec.ts";
import { containerSysctls } from "./sysctls.ts";

const V2 = parseCgroupHost({ mountinfo: "30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw", unifiedControllers: "cpu memory pids", cpus: "0-3", mems: "0", swap: true });
const V1 = parseCgroupHost({ mountinfo: "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory", unifiedControllers: "", cpus: "0-3", mems: "0", swap: true });
const host: HostFacts = { kernel: [6, 18], arch: "x86_64", capabilities: (1n << 41n) - 1n, lastCapability: 40, cgroups: V2, thermalThrottle: ["/sys/devices/system/cpu/cpu0/thermal_throttle"] };

const config: ContainerConfig = {
  Hostname: "abc", Domainname: "", User: "", AttachStdin: false, AttachStdout: true, AttachStderr: true, Tty: false, OpenStdin: false, StdinOnce: false,
  Env: [], Cmd: null, Entrypoint: null, Image: "x", WorkingDir: "", Labels: {}, ExposedPorts: {}, Volumes: {},
};
const hostConfig: HostConfig = {
  Binds: null, Mounts: [], VolumesFrom: null, Tmpfs: {}, ContainerIDFile: "", LogConfig: { Type: "json-file", Config: {} }, NetworkMode: "default", PortBindings: {},
  PublishAllPorts: false, RestartPolicy: { Name: "no", MaximumRetryCount: 0 }, AutoRemove: false, CapAdd: null, CapDrop: null, CgroupnsMode: "", Dns: [], DnsOptions: [],
  DnsSearch: [], ExtraHosts: null, GroupAdd: null, IpcMode: "", PidMode: "", UTSMode: "", UsernsMode: "", Cgroup: "", OomScoreAdj: 0, Privileged: false,
  ReadonlyRootfs: false, SecurityOpt: null, ShmSize: 0, Runtime: "", ConsoleSize: [0, 0], MaskedPaths: null, ReadonlyPaths: null, CgroupParent: "", CpuShares: 0,
  NanoCpus: 0, CpuPeriod: 0, CpuQuota: 0, CpusetCpus: "", CpusetMems: "", Memory: 0, MemoryReservation: 0, MemorySwap: 0, MemorySwappiness: null, OomKillDisable: null,
  PidsLimit: null, BlkioWeight: 0, Devices: [], DeviceCgroupRules: null, Ulimits: [],
};

type Wish = Partial<Omit<SpecInput, "config" | "hostConfig">> & { config?: Partial<ContainerConfig>; hostConfig?: Partial<HostConfig> };

const input = (wish: Wish = {}): SpecInput => ({
  id: "1f".repeat(32), path: "sh", args: ["-c", "true"], mounts: [], user: { uid: 0, gid: 0, groups: [0], home: "/root" },
  devices: { devices: [], rules: [{ allow: false, access: "rwm" }] }, host, files: { hostname: "/c/hostname", hosts: "/c/hosts", resolvConf: "/c/resolv.conf" }, joined: {},
  ...wish,
  config: { ...config, ...wish.config },
  hostConfig: { ...hostConfig, ...wish.hostConfig },
});
const specOf = (wish: Wish = {}) => containerSpec(input(wish));
const caps = (wish: Wish) => specOf(wish).process?.capabilities?.bounding ?? [];
const mountAt = (wish: Wish, destination: string) => specOf(wish).mounts?.find((mount) => mount.destination === destination);
const namespaces = (wish: Wish) => (specOf(wish).linux?.namespaces ?? []).map(({ type, path }) => (path === undefined ? type : `${type} ${path}`)).sort();

test("capabilities: fourteen; added, dropped, all, and by whom they are used", () => {
  assert.equal(caps({}).length, 14);
  assert.ok(caps({ hostConfig: { CapAdd: ["sys_admin"] } }).includes("CAP_SYS_ADMIN"));
  assert.ok(!caps({ hostConfig: { CapDrop: ["CAP_CHOWN"] } }).includes("CAP_CHOWN"));
  assert.deepEqual(caps({ hostConfig: { CapDrop: ["ALL"], CapAdd: ["chown"] } }), ["CAP_CHOWN"]);
  assert.equal(caps({ hostConfig: { CapAdd: ["ALL"], CapDrop: ["chown"] } }).length, 40);
  assert.equal(caps({ hostConfig: { Privileged: true, CapDrop: ["chown"] } }).length, 41);
  assert.equal(caps({ hostConfig: { Privileged: true }, host: { ...host, lastCapability: 37, capabilities: 0x1ffffffn } }).length, 25, "what the engine and the kernel have");
  assert.throws(() => specOf({ hostConfig: { CapAdd: ["fly"] } }), { message: 'invalid CapAdd: unknown capability: "CAP_FLY"' });
  assert.throws(() => specOf({ hostConfig: { CapDrop: ["CAP_NONE"] } }), { message: 'invalid CapDrop: unknown capability: "CAP_NONE"' });
  const other = specOf({ user: { uid: 5, gid: 5, groups: [5], home: "/" } }).process?.capabilities;
  assert.deepEqual([other?.effective, other?.permitted, other?.inheritable, other?.ambient, other?.bounding?.length], [[], [], [], [], 14], "ID-06, ID-07");
});

test("the environment is in Docker's order", () => {
  const env = (wish: Wish) => specOf(wish).process?.env;
  const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  assert.deepEqual(env({}), [path, "HOSTNAME=abc", "HOME=/root"]);
  assert.deepEqual(env({ config: { Tty: true, Env: ["A=1", "PATH=/x", "HOME=/h", "TERM"] } }), ["PATH=/x", "HOSTNAME=abc", "A=1", "HOME=/h"]);
  assert.deepEqual(env({ config: { Env: ["HOME="] } }), [path, "HOSTNAME=abc", "HOME=/root"]);
  assert.deepEqual(mergeEnvironment(["A=1", "B=2"], ["B=x=y", "C=", "A", "__proto__=1"]), ["B=x=y", "C=", "__proto__=1"]);
});

test("namespaces: new, the host's, another container's", () => {
  const own = ["cgroup", "ipc", "mount", "network", "pid", "time", "uts"];
  assert.deepEqual(namespaces({}), own);
  assert.deepEqual(namespaces({ host: { ...host, cgroups: V1 } }), own.filter((name) => name !== "cgroup"), "v1 shows the host's, as Docker does");
  assert.deepEqual(namespaces({ hostConfig: { NetworkMode: "host", PidMode: "host", IpcMode: "host", UTSMode: "host", CgroupnsMode: "host" } }), ["mount", "time"]);
  const joined = { hostConfig: { NetworkMode: "container:a", PidMode: "container:b", IpcMode: "container:c" }, joined: { network: 10, pid: 11, ipc: 12 } };
  assert.deepEqual(namespaces(joined), ["cgroup", "ipc /proc/12/ns/ipc", "mount", "network /proc/10/ns/net", "pid /proc/11/ns/pid", "time", "uts"]);
  assert.equal(mountAt(joined, "/dev/shm")?.source, "/proc/12/root/dev/shm");
  assert.throws(() => specOf({ hostConfig: { NetworkMode: "container:a" } }), /non running container/);
  assert.equal(specOf({ hostConfig: { UTSMode: "host" } }).hostname, undefined);
});

test("shared memory: its size, none, the host's", () => {
  assert.ok(mountAt({}, "/dev/shm")?.options?.includes("size=67108864"));
  assert.ok(mountAt({ hostConfig: { ShmSize: 1 << 20 } }, "/dev/shm")?.options?.includes("size=1048576"));
  assert.equal(mountAt({ hostConfig: { IpcMode: "none" } }, "/dev/shm"), undefined);
  assert.equal(mountAt({ hostConfig: { IpcMode: "host" } }, "/dev/shm")?.source, "/dev/shm");
});

const point = (change: Partial<MountPoint>): MountPoint => ({ Type: "bind", Source: "/src", Destination: "/dst", Mode: "", RW: true, Propagation: "rprivate", ...change });

test("mounts of the user: sorted by depth, in place of the standard ones, read-only to the ground", () => {
  const order = specOf({ mounts: [point({ Destination: "/a/b/c" }), point({ Destination: "/z" }), point({ Destination: "/a/b" })] }).mounts?.map((mount) => mount.destination) ?? [];
  assert.deepEqual(order.slice(7), ["/z", "/etc/resolv.conf", "/etc/hostname", "/etc/hosts", "/a/b", "/a/b/c"]);
  assert.deepEqual(mountAt({ mounts: [point({ RW: false })] }, "/dst")?.options, ["rbind", "ro", "rro", "rprivate"]);
  assert.deepEqual(mountAt({ mounts: [point({ RW: false, Propagation: "rslave" })], host: { ...host, kernel: [5, 10] } }, "/dst")?.options, ["rbind", "ro", "rslave"]);
  const asked = (BindOptions: object): Wish => ({ mounts: [point({ RW: false })], hostConfig: { Mounts: [{ Type: "bind", Source: "/src", Target: "/dst", ReadOnly: true, BindOptions }] } });
  assert.deepEqual(mountAt(asked({ NonRecursive: true }), "/dst")?.options, ["bind", "ro", "rprivate"]);
  assert.deepEqual(mountAt(asked({ ReadOnlyNonRecursive: true }), "/dst")?.options, ["rbind", "ro", "rprivate"]);
  const own = specOf({ mounts: [point({ Destination: "/dev" }), point({ Destination: "/etc/hosts" })] }).mounts?.map((mount) => mount.destination);
  assert.deepEqual(own, ["/proc", "/sys", "/sys/fs/cgroup", "/dev", "/etc/resolv.conf", "/etc/hostname", "/etc/hosts"]);
  assert.equal(specOf({ mounts: [point({ Propagation: "rshared" })] }).linux?.rootfsPropagation, "shared");
});

test("tmpfs: defaults, what the user says over them, what is no option", () => {
  const options = (text: string) => mountAt({ hostConfig: { Tmpfs: { "/t": text } } }, "/t")?.options;
  assert.deepEqual(options(""), ["noexec", "nosuid", "nodev", "rprivate"]);
  assert.deepEqual(options("size=1m,exec,mode=700"), ["nosuid", "nodev", "rprivate", "size=1m", "exec", "mode=700"]);
  assert.throws(() => options("bogus"), { message: 'Invalid tmpfs option ["bogus" "bogus"]' });
  assert.throws(() => options("size"), /Invalid tmpfs option/);
  assert.throws(() => options("lowerdir=/etc"), /Invalid tmpfs option/);
  const mount: Wish = {
    mounts: [point({ Type: "tmpfs", Source: "", Destination: "/m", RW: false })],
    hostConfig: { Mounts: [{ Type: "tmpfs", Source: "", Target: "/m", ReadOnly: true, TmpfsOptions: { SizeBytes: 1024, Mode: 0o1770 } }] },
  };
  assert.deepEqual(mountAt(mount, "/m")?.options, ["noexec", "nosuid", "nodev", "rprivate", "size=1024", "mode=1770", "ro"]);
});

test("privileged: nothing masked, /sys and cgroups writable, no filter unless asked for", () => {
  const spec = specOf({ hostConfig: { Privileged: true } });
  assert.deepEqual([spec.linux?.maskedPaths, spec.linux?.readonlyPaths, spec.linux?.seccomp], [[], [], undefined]);
  for (const destination of ["/sys", "/sys/fs/cgroup"]) assert.ok(!mountAt({ hostConfig: { Privileged: true } }, destination)?.options?.includes("ro"), destination);
  assert.ok(mountAt({ hostConfig: { Privileged: true, ReadonlyRootfs: true } }, "/sys")?.options?.includes("ro"));
  assert.ok(specOf({ hostConfig: { Privileged: true, SecurityOpt: ["seccomp=builtin"] } }).linux?.seccomp !== undefined);
});

test("security options", () => {
  const opt = (...SecurityOpt: string[]) => specOf({ hostConfig: { SecurityOpt } });
  assert.equal(opt().linux?.seccomp?.defaultAction, "SCMP_ACT_ERRNO");
  assert.equal(opt("seccomp=unconfined").linux?.seccomp, undefined);
  assert.equal(opt('seccomp={"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_ERRNO"}]}').linux?.seccomp?.syscalls?.length, 1);
  assert.throws(() => opt("seccomp={bad"), /Decoding seccomp profile failed/);
  assert.throws(() => opt('seccomp={"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":5}]}'), /Decoding seccomp profile failed: names is not a list/);
  assert.deepEqual([opt("no-new-privileges"), opt("no-new-privileges:true"), opt("no-new-privileges=false")].map((spec) => spec.process?.noNewPrivileges), [true, true, false]);
  assert.doesNotThrow(() => opt("label=disable", "label:disable", "apparmor=unconfined"));
  assert.throws(() => opt("label=type:x"), /label=type:x: only label=disable is supported/);
  assert.throws(() => opt("apparmor=custom"), /only apparmor=unconfined/);
  assert.throws(() => opt("bogus"), { message: 'invalid --security-opt 1: "bogus"' });
  assert.throws(() => opt("bogus=1"), { message: 'invalid --security-opt 2: "bogus=1"' });
  assert.ok(!mountAt({ hostConfig: { SecurityOpt: ["writable-cgroups=true"] } }, "/sys/fs/cgroup")?.options?.includes("ro"));
  assert.deepEqual(specOf({ hostConfig: { MaskedPaths: [], ReadonlyPaths: [] } }).linux?.maskedPaths, [], "systempaths=unconfined");
  assert.equal(specOf({}).linux?.maskedPaths?.at(-1), "/sys/devices/system/cpu/cpu0/thermal_throttle");
});

test("ID-17: only settings of the container's own namespaces", () => {
  const own = { network: true, ipc: true, uts: true };
  assert.deepEqual(containerSysctls({ "net.ipv4.ip_forward": "1", "net/ipv4/conf/eth0.1/forwarding": "1", "kernel.msgmax": "9", "fs.mqueue.msg_max": "3", "kernel.domainname": "x" }, own), {
    "net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647",
    "net.ipv4.ip_forward": "1", "net.ipv4.conf.eth0/1.forwarding": "1", "kernel.msgmax": "9", "fs.mqueue.msg_max": "3", "kernel.domainname": "x",
  });
  for (const name of ["kernel/core_pattern", "kernel.core_pattern", "net/../kernel/x", "net..x", "vm.swappiness", "net.", "kernel.shm_rmid_forced.x", "net.ipv4.x y", "../net.x"]) {
    assert.throws(() => containerSysctls({ [name]: "1" }, own), /sysctl .* is not allowed/, name);
  }
  assert.throws(() => containerSysctls({ "kernel.shm_rmid_forced": "1\nkernel.core_pattern=x" }, own), /not allowed/);
  assert.throws(() => containerSysctls({ "net.ipv4.ip_forward": "1" }, { ...own, network: false }), /not allowed in host network namespace/);
  assert.throws(() => containerSysctls({ "kernel.msgmax": "1" }, { ...own, ipc: false }), /not allowed in host ipc namespace/);
  assert.deepEqual(containerSysctls({}, { ...own, network: false }), {});
});

test("limits: Docker's arithmetic", () => {
  const of = (change: Partial<HostConfig>) => containerResources({ ...hostConfig, ...change });
  assert.deepEqual(of({}), { memory: {}, cpu: {} });
  assert.deepEqual(of({ Memory: 100 << 20 }).memory, { limit: 100 << 20, swap: 200 << 20 });
  assert.deepEqual(of({ Memory: 100 << 20, MemorySwap: -1 }).memory, { limit: 100 << 20, swap: -1 });
  assert.deepEqual(of({ NanoCpus: 1_500_000_000 }).cpu, { quota: 150_000, period: 100_000 });
  assert.deepEqual([of({ PidsLimit: 0 }).pids, of({ PidsLimit: 5 }).pids], [{ limit: -1 }, { limit: 5 }]);
});

test("limits: what cannot be is refused in Docker's words", () => {
  const check = (change: Partial<HostConfig>) => () => checkResources({ ...hostConfig, ...change }, { cgroups: V2, cpus: 4 });
  const table: [Partial<HostConfig>, RegExp][] = [
    [{ Memory: 1000 }, /Minimum memory limit allowed is 6MB/],
    [{ Memory: 1 << 30, MemorySwap: 1 << 20 }, /memoryswap limit should be larger than memory limit/],
    [{ MemorySwap: 1 << 30 }, /always set the Memory limit when using Memoryswap/],
    [{ NanoCpus: 9e9 }, /range of CPUs is from 0.01 to 4.00, as there are only 4 CPUs available/],
    [{ NanoCpus: 1e9, CpuQuota: 1000 }, /Nano CPUs and CPU Quota cannot both be set/],
    [{ CpusetCpus: "0-2147483647" }, /Invalid value 0-2147483647 for cpuset cpus/],
    [{ CpusetCpus: "3-1" }, /Invalid value/],
    [{ CpusetCpus: "-1" }, /Invalid value/],
    [{ CpusetCpus: "0-7" }, /Requested CPUs are not available - requested 0-7, available: 0-3/],
    [{ CpusetMems: "1" }, /Requested memory nodes are not available/],
    [{ OomScoreAdj: 1001 }, /Invalid value 1001, range for oom score adj is \[-1000, 1000\]/],
    [{ Ulimits: [{ Name: "nofile", Soft: 10, Hard: 5 }] }, /ulimit soft limit must be less than or equal to hard limit: 10 > 5/],
  ];
  for (const [change, message] of table) assert.throws(check(change), message, JSON.stringify(change));
  assert.doesNotThrow(check({ CpusetCpus: "0,2-3", Memory: 64 << 20, NanoCpus: 5e8 }));
  assert.deepEqual(checkResources({ ...hostConfig, OomKillDisable: true }, { cgroups: V1, cpus: 4 }).length, 1);
});

test("devices: of the host, with what they may be used for; rules of the user", async () => {
  const found = await containerDevices({ Privileged: false, Devices: [{ PathOnHost: "/dev/null", PathInContainer: "/dev/nothing", CgroupPermissions: "rw" }], DeviceCgroupRules: ["c 10:* rwm", "a 7:1 r"] });
  assert.deepEqual(found.devices.map(({ path, type, major, minor }) => [path, type, major, minor]), [["/dev/nothing", "c", 1, 3]]);
  assert.deepEqual(found.rules, [
    { allow: false, access: "rwm" },
    { allow: true, type: "c", major: 1, minor: 3, access: "rw" },
    { allow: true, type: "c", major: 10, access: "rwm" },
    { allow: true, type: "a", major: 7, minor: 1, access: "r" },
  ]);
  const privileged = await containerDevices({ Privileged: true, Devices: [], DeviceCgroupRules: null });
  assert.deepEqual(privileged.rules, [{ allow: true, access: "rwm" }]);
  assert.ok(privileged.devices.some(({ path, major, minor }) => path === "/dev/null" && major === 1 && minor === 3));
  const device = (PathOnHost: string) => containerDevices({ Privileged: false, Devices: [{ PathOnHost, PathInContainer: "/dev/x", CgroupPermissions: "rwm" }], DeviceCgroupRules: null });
  await assert.rejects(device("/dev/no-such"), { message: 'error gathering device information while adding custom device "/dev/no-such": no such file or directory' });
  await assert.rejects(device("/etc/passwd"), /not a device node/);
  await assert.rejects(containerDevices({ Privileged: false, Devices: [], DeviceCgroupRules: ["c 1:3"] }), { message: "invalid device cgroup rule format: 'c 1:3'" });
});

test("--init runs the command below a reaper, but not in a pid namespace of others", () => {
  const wish: Wish = { hostConfig: { Init: true }, initPath: "/lib/init" };
  assert.deepEqual(specOf(wish).process?.args, ["/sbin/docker-init", "--", "sh", "-c", "true"]);
  assert.deepEqual(mountAt(wish, "/sbin/docker-init")?.options, ["bind", "ro"]);
  assert.deepEqual(specOf({ ...wish, hostConfig: { Init: true, PidMode: "host" } }).process?.args, ["sh", "-c", "true"]);
});

test("exec: the container's environment and more, its capabilities or all, its filter", () => {
  const exec = { Cmd: ["id"], Env: ["B=2", "A=3"], Tty: true, WorkingDir: "", Privileged: false };
  const wish = input({ config: { Env: ["A=1"], WorkingDir: "/w" }, hostConfig: { Ulimits: [{ Name: "nofile", Soft: 1, Hard: 2 }] } });
  const process = execProcess({ ...wish, exec });
  assert.deepEqual([process.args, process.cwd, process.terminal], [["id"], "/w", true]);
  assert.deepEqual(process.env?.slice(1), ["HOSTNAME=abc", "TERM=xterm", "A=3", "B=2", "HOME=/root"]);
  assert.deepEqual(process.rlimits, [{ type: "RLIMIT_NOFILE", soft: 1, hard: 2 }]);
  assert.equal(execProcess({ ...wish, exec: { ...exec, Privileged: true } }).capabilities?.effective?.length, 41);
  const user = execProcess({ ...wish, user: { uid: 9, gid: 9, groups: [9], home: "/" }, exec }).capabilities;
  assert.deepEqual([user?.effective?.length, user?.bounding?.length], [0, 14]);
});
