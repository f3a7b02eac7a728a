import assert from "node:assert/strict";
import { test } from "node:test";
import type { DeviceRule, Resources } from "#spec/oci-runtime.ts";
import { cgroupDirectories, cgroupFactFiles, oomFile, parseCgroupHost, statFiles, type CgroupHost } from "./cgroups.ts";
import { bpfDeviceFilter, legacyDeviceLines } from "./cgroups-devices.ts";
import { planCgroup, planDelegate, planEvacuate, planFreeze, planJoin, planRemove, weightOfShares } from "./cgroups-plan.ts";
import type { Op } from "./ops.ts";

const V2 = "30 24 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot";
const V1 = `31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset,clone_children
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
36 31 0:33 / /sys/fs/cgroup/devices rw,relatime - cgroup cgroup rw,devices
37 31 0:34 / /sys/fs/cgroup/freezer rw,relatime - cgroup cgroup rw,freezer
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup systemd rw,xattr,release_agent=/lib/x,name=systemd
99 31 0:32 /docker/x /mnt/again rw,relatime - cgroup cgroup rw,memory`;
const HYBRID = `${V1}\n41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw`;
const CONTROLLERS = "cpuset cpu io memory hugetlb pids rdma misc\n";

const v2 = parseCgroupHost({ mountinfo: V2, unifiedControllers: CONTROLLERS, swap: true });
const v1 = parseCgroupHost({ mountinfo: V1, unifiedControllers: "", cpus: "0-3\n", mems: "0\n", swap: true });
const hybrid = parseCgroupHost({ mountinfo: HYBRID, unifiedControllers: "", cpus: "0-3", mems: "0", swap: true });

test("versions and hierarchies are read from the mounts", () => {
  assert.deepEqual([v1.version, hybrid.version, v2.version], ["v1", "hybrid", "v2"]);
  assert.deepEqual(v1.hierarchies.map(({ controllers, name }) => name ?? controllers.join()), ["cpu,cpuacct", "cpuset", "memory", "devices", "freezer", "pids", "systemd"]);
  assert.deepEqual(v2.controllers, ["cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma", "misc"]);
  assert.equal(v1.hierarchies.find((one) => one.controllers.includes("memory"))?.mountpoint, "/sys/fs/cgroup/memory", "the first of several mounts");
  assert.throws(() => parseCgroupHost({ mountinfo: "22 27 0:21 / /proc rw - proc proc rw", unifiedControllers: "" }), /no cgroup file system is mounted/);
  assert.deepEqual(cgroupFactFiles(V2), { unified: "/sys/fs/cgroup/cgroup.controllers", swap: ["/proc/swaps"] });
  assert.equal(cgroupFactFiles(V1).cpus, "/sys/fs/cgroup/cpuset/cpuset.cpus");
});

test("a mountpoint with a space is unescaped", () => {
  const host = parseCgroupHost({ mountinfo: V2.replace("/sys/fs/cgroup", "/my\\040cgroups"), unifiedControllers: CONTROLLERS });
  assert.equal(cgroupDirectories(host, "/gantry/x")[0]?.path, "/my cgroups/gantry/x");
});

type Written = readonly [path: string, data: string];
const writes = (ops: readonly Op[]): Written[] => ops.flatMap((op) => (op.op === "writeFile" ? [[op.path as string, op.data as string]] : []));
const made = (ops: readonly Op[]) => ops.flatMap((op) => (op.op === "mkdir" ? [op.path as string] : []));
const plan = (host: CgroupHost, resources: Resources, path = "/gantry/c1") => planCgroup(host, { path, resources, slot: 10 });

const ALL: Resources = {
  memory: { limit: 100 << 20, swap: 300 << 20, reservation: 50 << 20, swappiness: 10, disableOOMKiller: true },
  cpu: { shares: 512, quota: 50_000, period: 100_000, cpus: "1", mems: "0" },
  pids: { limit: 7 },
};

test("v1: every hierarchy has its directory, its limits, and is joined by one thread", () => {
  const { create, join, remove } = plan(v1, ALL);
  const at = (file: string) => `/sys/fs/cgroup/${file.split(".")[0]}/gantry/c1/${file}`;
  const own = Object.fromEntries(writes(create).filter(([path]) => path.includes("/c1/")));
  assert.deepEqual(own, {
    "/sys/fs/cgroup/cpu,cpuacct/gantry/c1/cpu.shares": "512",
    "/sys/fs/cgroup/cpu,cpuacct/gantry/c1/cpu.cfs_period_us": "100000",
    "/sys/fs/cgroup/cpu,cpuacct/gantry/c1/cpu.cfs_quota_us": "50000",
    [at("cpuset.cpus")]: "1",
    [at("cpuset.mems")]: "0",
    [at("memory.limit_in_bytes")]: String(100 << 20),
    [at("memory.memsw.limit_in_bytes")]: String(300 << 20),
    [at("memory.soft_limit_in_bytes")]: String(50 << 20),
    [at("memory.swappiness")]: "10",
    [at("memory.oom_control")]: "1",
    [at("pids.max")]: "7",
  });
  assert.equal(made(create).length, 14, "parent and own, in seven hierarchies");
  assert.deepEqual(new Set(writes(join).map(([path, data]) => [path.split("/").at(-1), data].join())), new Set(["tasks,0"]));
  assert.equal(join.length, 7);
  assert.deepEqual(remove.map((op) => op.op), [...Array(7).fill("cgroupKill"), ...Array(7).fill("unlink")]);
});

test("v1: a new cpuset inherits, and only what is ours is written to", () => {
  const parents = (path: string, missing: string[]) =>
    writes(planCgroup(v1, { path, resources: {}, slot: 10, missing }).create).map(([file, data]) => `${file.replace("/sys/fs/cgroup/cpuset", "")}=${data}`);
  assert.deepEqual(parents("/gantry/c1", []), ["/gantry/cpuset.cpus=0-3", "/gantry/cpuset.mems=0", "/gantry/cgroup.clone_children=1"]);
  assert.deepEqual(parents("/theirs/sub/c1", ["/theirs/sub"]), ["/theirs/cgroup.clone_children=1", "/theirs/sub/cgroup.clone_children=1"]);
  assert.deepEqual(parents("/new/c1", ["/new"]), ["/new/cpuset.cpus=0-3", "/new/cpuset.mems=0", "/new/cgroup.clone_children=1"]);
});

test("hybrid: the empty unified tree is left alone", () => {
  assert.deepEqual(plan(hybrid, ALL), plan(v1, ALL));
  assert.equal(planFreeze(hybrid, "/gantry/c1", true).length, 1);
});

test("v2: controllers are switched on above, limits have their names", () => {
  const { create, join } = plan(v2, ALL);
  const root = "/sys/fs/cgroup";
  assert.deepEqual(writes(create).slice(0, 2), [
    [`${root}/cgroup.subtree_control`, "+cpu +cpuset +io +memory +pids"],
    [`${root}/gantry/cgroup.subtree_control`, "+cpu +cpuset +io +memory +pids"],
  ]);
  assert.deepEqual(Object.fromEntries(writes(create).slice(2)), {
    [`${root}/gantry/c1/memory.max`]: String(100 << 20),
    [`${root}/gantry/c1/memory.swap.max`]: String(200 << 20),
    [`${root}/gantry/c1/memory.low`]: String(50 << 20),
    [`${root}/gantry/c1/cpu.weight`]: String(weightOfShares(512)),
    [`${root}/gantry/c1/cpu.max`]: "50000 100000",
    [`${root}/gantry/c1/cpuset.cpus`]: "1",
    [`${root}/gantry/c1/cpuset.mems`]: "0",
    [`${root}/gantry/c1/pids.max`]: "7",
  });
  assert.deepEqual(writes(join), [[`${root}/gantry/c1/cgroup.procs`, "0"]]);
  assert.deepEqual(planJoin(v2, "/gantry/c1"), join);
});

test("v2: unlimited is max, and a controller that is missing is told, not passed over", () => {
  const values = (resources: Resources) => Object.fromEntries(writes(plan(v2, resources).create).slice(2).map(([path, data]) => [path.split("/").at(-1), data]));
  assert.deepEqual(values({ memory: { limit: 1 << 20, swap: -1 }, pids: { limit: -1 }, cpu: { quota: -1 } }), { "memory.max": "1048576", "memory.swap.max": "max", "pids.max": "max", "cpu.max": "max 100000" });
  const poor = parseCgroupHost({ mountinfo: V2, unifiedControllers: "cpu pids" });
  assert.throws(() => plan(poor, { memory: { limit: 1 << 20 } }), /limit memory.max: the cgroup controller memory is not available/);
  assert.doesNotThrow(() => plan(poor, {}));
});

test("without a count of swap its limit is left out", () => {
  const host = { ...v1, swap: false };
  assert.ok(!writes(plan(host, ALL).create).some(([path]) => path.includes("memsw")));
});

test("shares and weight meet at their usual values and both ends", () => {
  assert.deepEqual([0, 2, 1024, 262_144, 1_000_000].map(weightOfShares), [1, 1, 100, 10_000, 10_000]);
  for (let shares = 3; shares < 262_144; shares = Math.ceil(shares * 1.3)) assert.ok(weightOfShares(shares) >= weightOfShares(shares - 1));
});

test("freezing: the freezer of v1, the group's file of v2", () => {
  assert.deepEqual(writes(planFreeze(v1, "/gantry/c1", true)), [["/sys/fs/cgroup/freezer/gantry/c1/freezer.state", "FROZEN"]]);
  assert.deepEqual(writes(planFreeze(v2, "/gantry/c1", false)), [["/sys/fs/cgroup/gantry/c1/cgroup.freeze", "0"]]);
});

test("removal kills in one hierarchy only, unless the container could make groups", () => {
  assert.deepEqual(planRemove(v1, "/gantry/c1", { nested: false }).filter((op) => op.op === "cgroupKill").map((op) => op.path), ["/sys/fs/cgroup/pids/gantry/c1"]);
  assert.deepEqual(planRemove(v2, "/gantry/c1").map((op) => op.op), ["cgroupKill", "unlink"]);
});

test("v2: the root hands its controllers on, and can be emptied for that", () => {
  assert.deepEqual(writes(planDelegate(v2)), [["/sys/fs/cgroup/cgroup.subtree_control", "+cpu +cpuset +io +memory +pids"]]);
  assert.deepEqual(planDelegate(hybrid), []);
  assert.deepEqual(planEvacuate(v2, ["1", "17"]).map((op) => op.op), ["mkdir", "writeFile", "writeFile"]);
  assert.deepEqual(writes(planEvacuate(v2, ["1", "17"])), [["/sys/fs/cgroup/init/cgroup.procs", "1"], ["/sys/fs/cgroup/init/cgroup.procs", "17"]]);
});

test("files that values are read from", () => {
  assert.equal(oomFile(v2, "/gantry/c1"), "/sys/fs/cgroup/gantry/c1/memory.events");
  assert.equal(oomFile(v1, "/gantry/c1"), "/sys/fs/cgroup/memory/gantry/c1/memory.oom_control");
  assert.equal(statFiles(v1, "/gantry/c1").cpuUsage, "/sys/fs/cgroup/cpu,cpuacct/gantry/c1/cpuacct.usage");
  assert.equal(statFiles(v1, "/gantry/c1").io, undefined, "blkio is not mounted");
  assert.equal(statFiles(v2, "/gantry/c1").pidsCurrent, "/sys/fs/cgroup/gantry/c1/pids.current");
});

const RULES: readonly DeviceRule[] = [
  { allow: false, access: "rwm" },
  { allow: true, type: "c", access: "m" },
  { allow: true, type: "c", major: 1, minor: 3, access: "rwm" },
  { allow: true, type: "c", major: 136, access: "rwm" },
  { allow: true, type: "b", major: 8, minor: 0, access: "r" },
  { allow: true, major: 200, access: "rw" },
  { allow: false, type: "c", major: 136, minor: 9, access: "w" },
];

test("v1: rules become lines; what is meant for both types is not all of all", () => {
  assert.deepEqual(legacyDeviceLines(RULES), [
    ["devices.deny", "a"],
    ["devices.allow", "c *:* m"],
    ["devices.allow", "c 1:3 rwm"],
    ["devices.allow", "c 136:* rwm"],
    ["devices.allow", "b 8:0 r"],
    ["devices.allow", "c 200:* rw"],
    ["devices.allow", "b 200:* rw"],
    ["devices.deny", "c 136:9 w"],
  ]);
});

const BIT: Readonly<Record<string, number>> = { m: 1, r: 2, w: 4 };
const bits = (access: string) => [...access].reduce((all, letter) => all | BIT[letter]!, 0);

/** The last rule that speaks about an access decides. */
function allowed(rules: readonly DeviceRule[], type: "b" | "c", access: number, major: number, minor: number): boolean {
  const speaks = (rule: DeviceRule) => {
    const mask = bits(rule.access ?? "rwm");
    const same = (rule.type === undefined || rule.type === "a" || rule.type === type) && (rule.major ?? major) === major && (rule.minor ?? minor) === minor;
    return same && (rule.allow ? (access & ~mask) === 0 : (access & mask) !== 0);
  };
  return rules.findLast(speaks)?.allow ?? false;
}

/** The kernel's machine, as far as our programs use it. */
function runFilter(program: Buffer, context: readonly [number, number, number]): number {
  const registers = new Array<number>(11).fill(0);
  for (let at = 0; at < program.length / 8; at++) {
    const base = at * 8;
    const [code, destination, source] = [program[base]!, program[base + 1]! & 15, program[base + 1]! >> 4];
    const [offset, immediate] = [program.readInt16LE(base + 2), program.readInt32LE(base + 4)];
    const value = registers[destination]!;
    if (code === 0x61) registers[destination] = context[offset / 4]!;
    else if (code === 0x54) registers[destination] = (value & immediate) >>> 0;
    else if (code === 0x74) registers[destination] = value >>> immediate;
    else if (code === 0xb4) registers[destination] = immediate;
    else if (code === 0xbc) registers[destination] = registers[source]!;
    else if (code === 0x56) at += value !== immediate >>> 0 ? offset : 0;
    else if (code === 0x46) at += (value & immediate) !== 0 ? offset : 0;
    else if (code === 0x16) at += value === immediate ? offset : 0;
    else if (code === 0x95) return registers[0]!;
    else assert.fail(`code 0x${code.toString(16)}`);
  }
  assert.fail("the program runs off its end");
}

/** As the kernel's verifier asks: every instruction can be reached, and none runs off the end. */
function unreached(program: Buffer): number[] {
  const length = program.length / 8;
  const seen = new Set<number>();
  const next = [0];
  for (let at = next.pop(); at !== undefined; at = next.pop()) {
    assert.ok(at < length, "a path runs off the end");
    if (seen.has(at)) continue;
    seen.add(at);
    const code = program[at * 8]!;
    if (code === 0x95) continue;
    next.push(at + 1);
    if ((code & 7) === 6) next.push(at + 1 + program.readInt16LE(at * 8 + 2));
  }
  return [...Array(length).keys()].filter((at) => !seen.has(at));
}

test("v2: the compiled filter holds no instruction that is never reached, which the kernel refuses", () => {
  const all: DeviceRule = { allow: true, access: "rwm" };
  for (const rules of [[], [all], [{ ...all, allow: false }], RULES, [...RULES, all], [all, ...RULES], [all, all]]) assert.deepEqual(unreached(bpfDeviceFilter(rules)), []);
});

test("v2: the compiled filter decides every access as the rules do (ID-14)", () => {
  const lists: readonly (readonly DeviceRule[])[] = [RULES, [{ allow: true, access: "rwm" }], [], [{ allow: true, access: "rwm" }, { allow: false, type: "b" }], [...RULES, { allow: true, type: "a" }], RULES.toReversed()];
  for (const rules of lists) {
    const filter = bpfDeviceFilter(rules);
    for (const type of ["b", "c"] as const)
      for (let access = 1; access <= 7; access++)
        for (const major of [0, 1, 8, 136, 200])
          for (const minor of [0, 3, 9]) {
            const verdict = runFilter(filter, [(access << 16) | (type === "b" ? 1 : 2), major, minor]);
            assert.equal(verdict === 1, allowed(rules, type, access, major, minor), `${type} ${major}:${minor} ${access}`);
          }
  }
});
