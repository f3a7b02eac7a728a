/**
 * A container's control groups as programs: made, limited, joined, frozen, removed. Pure.
 *
 * v1 hierarchies are joined by the file `tasks`, which moves one thread without stopping the machine: `cgroup.procs`
 * waits for a grace period of the kernel (3 to 10 ms, measured) for the same effect on a process of one thread. The
 * unified tree of a hybrid host holds no controller for us, so it is left alone.
 */
import { fail } from "#base/errors.ts";
import type { Resources } from "#spec/oci-runtime.ts";
import { cgroupDirectories, type CgroupDirectory, type CgroupHost } from "./cgroups.ts";
import { bpfDeviceFilter, legacyDeviceLines } from "./cgroups-devices.ts";
import { AT, ERRNO, O } from "./constants.ts";
import type { Op, Program } from "./ops.ts";

export type CgroupPlan = {
  /** Makes the directories and writes the limits. Performed by a process of the host with all its rights. */
  readonly create: Program;
  /** Puts the process that performs it into the groups. */
  readonly join: Program;
  /** Kills what is left in the groups and removes them. */
  readonly remove: Program;
};

export type CgroupPlanOptions = {
  readonly path: string;
  readonly resources: Resources;
  /** Slot for the directory that a device filter is attached to (v2). */
  readonly slot: number;
  /** Ancestors of path that do not exist yet, as paths of the cgroup tree. The default parent is always seen to. */
  readonly missing?: readonly string[];
  /** Whether the container can make groups of its own. */
  readonly nested?: boolean;
};

/** What a container's groups take. `path` must have passed `checkCgroupPath`. */
export function planCgroup(host: CgroupHost, options: CgroupPlanOptions): CgroupPlan {
  const used = usedDirectories(host, options.path);
  return {
    create: used.flatMap((one) => [
      ...ancestors(options.path).flatMap((path) => ancestorOps(host, one, path, options)),
      mkdir(one.path),
      ...limits(host, one, options),
    ]),
    join: planJoin(host, options.path),
    remove: planRemove(host, options.path, options),
  };
}

/**
 * New limits for existing groups. `first`: what must be written before the rest, in v1 the limit of memory and swap when
 * it grows: memory alone may not exceed it.
 */
export function planLimits(host: CgroupHost, path: string, { resources, growing }: { resources: Resources; growing: boolean }): Program {
  const { devices: _, ...wanted } = resources;
  return usedDirectories(host, path).flatMap((one) => {
    const ops = limits(host, one, { path, resources: wanted, slot: 0 } as CgroupPlanOptions);
    const isSwap = (op: Op) => op.op === "writeFile" && String(op.path).endsWith("memory.memsw.limit_in_bytes");
    return growing ? [...ops.filter(isSwap), ...ops.filter((op) => !isSwap(op))] : ops;
  });
}

/** The program that joins existing groups: for exec. */
export function planJoin(host: CgroupHost, path: string): Program {
  return usedDirectories(host, path).map((one) => put(one, one.unified ? "cgroup.procs" : "tasks", "0"));
}

/**
 * Kills what is in the groups, then removes them. What is gone already is fine. `nested`: the container could make
 * groups of its own, in every hierarchy.
 */
export function planRemove(host: CgroupHost, path: string, { nested = true }: { nested?: boolean } = {}): Program {
  const used = usedDirectories(host, path);
  const first = used.find((one) => one.unified || one.controllers.includes("pids")) ?? used[0];
  const killed = used.filter((one) => nested || one === first);
  return [
    ...killed.map((one): Op => ({ op: "cgroupKill", path: one.path })),
    ...used.map((one): Op => ({ op: "unlink", path: one.path, flags: AT.REMOVEDIR, tolerate: ERRNO["ENOENT"]! })),
  ];
}

/** `docker pause`. On v1 freezing goes on after the write: `statFiles().frozen` says when it is done. */
export function planFreeze(host: CgroupHost, path: string, frozen: boolean): Program {
  const used = usedDirectories(host, path);
  const legacy = used.find((one) => one.controllers.includes("freezer"));
  if (legacy !== undefined && !legacy.unified) return [put(legacy, "freezer.state", frozen ? "FROZEN" : "THAWED")];
  const unified = used.find((one) => one.unified);
  if (unified === undefined) throw fail("not-implemented", "pause: the freezer cgroup is not mounted on this host");
  return [put(unified, "cgroup.freeze", frozen ? "1" : "0")];
}

/** v2: lets groups below the root have controllers. EBUSY when the root is not the machine's and holds processes. */
export function planDelegate(host: CgroupHost): Program {
  return usedDirectories(host, "").filter((one) => one.unified).map((root) => enableControllers(host, root));
}

/** v2: moves processes of the root into a group of their own. */
export function planEvacuate(host: CgroupHost, pids: readonly string[]): Program {
  return usedDirectories(host, "/init").flatMap((one) => [mkdir(one.path), ...pids.map((pid) => ({ ...put(one, "cgroup.procs", pid), tolerate: ERRNO["ESRCH"]! }))]);
}

function usedDirectories(host: CgroupHost, path: string): CgroupDirectory[] {
  const all = cgroupDirectories(host, path);
  return host.version === "v2" ? all : all.filter((one) => !one.unified);
}

/** "/a/b/c" → "/a", "/a/b". */
function ancestors(path: string): string[] {
  const names = path.split("/").slice(1, -1);
  return names.map((_, index) => "/" + names.slice(0, index + 1).join("/"));
}

function ancestorOps(host: CgroupHost, one: CgroupDirectory, path: string, options: CgroupPlanOptions): Op[] {
  const directory = { ...one, path: one.path.slice(0, one.path.length - options.path.length) + path };
  const first = path.lastIndexOf("/") === 0;
  if (one.unified) {
    const root = { ...directory, path: one.mountpoint };
    return [...(first ? [enableControllers(host, root)] : []), mkdir(directory.path), enableControllers(host, directory)];
  }
  if (!one.controllers.includes("cpuset")) return [mkdir(directory.path)];
  // A new cpuset is empty and nobody may join it; it starts as a copy if its parent says so. The host's root is not ours.
  const ours = first && (path === "/gantry" || options.missing?.includes(path));
  return [
    mkdir(directory.path),
    ...(ours ? [put(directory, "cpuset.cpus", host.cpus), put(directory, "cpuset.mems", host.mems)] : []),
    put(directory, "cgroup.clone_children", "1"),
  ];
}

const WANTED = ["cpu", "cpuset", "io", "memory", "pids"];

function enableControllers(host: CgroupHost, directory: CgroupDirectory): Op {
  const there = WANTED.filter((name) => host.controllers.includes(name));
  return put(directory, "cgroup.subtree_control", there.map((name) => `+${name}`).join(" "));
}

function limits(host: CgroupHost, one: CgroupDirectory, options: CgroupPlanOptions): Op[] {
  const { resources } = options;
  if (one.unified) return [...unifiedLimits(host, one, resources), ...unifiedDevices(one, options)];
  return one.controllers.flatMap((controller) => legacyLimits(host, one, controller, resources));
}

function legacyLimits(host: CgroupHost, one: CgroupDirectory, controller: string, resources: Resources): Op[] {
  const { memory = {}, cpu = {} } = resources;
  const set = (file: string, value: number | string | undefined) => (value === undefined || value === "" ? [] : [put(one, file, String(value))]);
  switch (controller) {
    case "memory":
      return [
        ...set("memory.limit_in_bytes", memory.limit),
        ...(host.swap ? set("memory.memsw.limit_in_bytes", memory.swap) : []),
        ...set("memory.soft_limit_in_bytes", memory.reservation),
        ...set("memory.swappiness", memory.swappiness),
        ...set("memory.oom_control", memory.disableOOMKiller === true ? 1 : undefined),
      ];
    case "cpu":
      return [...set("cpu.shares", cpu.shares || undefined), ...set("cpu.cfs_period_us", cpu.period || undefined), ...set("cpu.cfs_quota_us", cpu.quota || undefined)];
    case "cpuset":
      return [...set("cpuset.cpus", cpu.cpus), ...set("cpuset.mems", cpu.mems)];
    case "pids":
      return set("pids.max", pidsMax(resources));
    case "blkio":
      return legacyWeight(one, resources);
    case "devices":
      return legacyDevices(one, resources);
    default:
      return [];
  }
}

/** Its file comes with an I/O scheduler, which may not be loaded: then nobody weighs, and the weight has no effect. */
function legacyWeight(one: CgroupDirectory, { blockIO }: Resources): Op[] {
  return blockIO?.weight ? [ifThere(put(one, "blkio.bfq.weight", String(blockIO.weight)))] : [];
}

/** The rules are written one by one: each replaces or widens what was there. */
function legacyDevices(one: CgroupDirectory, resources: Resources): Op[] {
  return legacyDeviceLines(resources.devices ?? []).map(([file, line]) => put(one, file, line));
}

function unifiedLimits(host: CgroupHost, one: CgroupDirectory, resources: Resources): Op[] {
  const { memory = {}, cpu = {} } = resources;
  const values: [string, string, string | undefined][] = [
    ["memory", "memory.max", bytes(memory.limit)],
    ["memory", "memory.swap.max", host.swap ? unifiedSwap(memory.limit, memory.swap) : undefined],
    ["memory", "memory.low", bytes(memory.reservation)],
    ["cpu", "cpu.weight", cpu.shares ? String(weightOfShares(cpu.shares)) : undefined],
    ["cpu", "cpu.max", cpu.quota || cpu.period ? `${cpu.quota && cpu.quota > 0 ? cpu.quota : "max"} ${cpu.period || 100_000}` : undefined],
    ["cpuset", "cpuset.cpus", cpu.cpus || undefined],
    ["cpuset", "cpuset.mems", cpu.mems || undefined],
    ["pids", "pids.max", pidsMax(resources)],
    ["io", "io.bfq.weight", resources.blockIO?.weight ? String(resources.blockIO.weight) : undefined],
    ["io", "io.weight", resources.blockIO?.weight ? `default ${weightOfBlockWeight(resources.blockIO.weight)}` : undefined],
  ];
  return values.flatMap(([controller, file, value]) => {
    if (value === undefined) return [];
    if (!host.controllers.includes(controller)) throw fail("invalid", `limit ${file}: the cgroup controller ${controller} is not available on this host`);
    return [controller === "io" ? ifThere(put(one, file, value)) : put(one, file, value)];
  });
}

/** All or nothing: without a filter every device is allowed. */
function unifiedDevices(one: CgroupDirectory, options: CgroupPlanOptions): Op[] {
  if (options.resources.devices === undefined) return [];
  return [
    { op: "open", slot: options.slot, path: one.path, flags: O.RDONLY | O.DIRECTORY },
    { op: "bpfDevice", slot: options.slot, data: bpfDeviceFilter(options.resources.devices), note: "allowed devices" },
    { op: "close", slot: options.slot },
  ];
}

const bytes = (value: number | undefined) => (value === undefined ? undefined : value < 0 ? "max" : String(value));

/** v2 counts swap alone; the specification's limit is memory and swap together. */
function unifiedSwap(limit: number | undefined, swap: number | undefined): string | undefined {
  if (swap === undefined) return undefined;
  if (swap < 0) return "max";
  if (limit === undefined || limit < 0) return undefined;
  return String(Math.max(0, swap - limit));
}

function pidsMax(resources: Resources): string | undefined {
  const limit = resources.pids?.limit;
  return limit === undefined || limit === 0 ? undefined : limit < 0 ? "max" : String(limit);
}

/**
 * v1's cpu.shares (2 … 262144, 1024 is usual) as v2's cpu.weight (1 … 10000, 100 is usual), so that the usual values
 * and both ends meet: the curve that runc and crun use since 2025.
 */
export function weightOfShares(shares: number): number {
  if (shares <= 2) return 1;
  if (shares >= 262_144) return 10_000;
  const log = Math.log2(shares);
  return Math.ceil(10 ** ((log * log + 125 * log) / 612 - 7 / 34));
}

/** Docker's 10 … 1000 as io.weight's 1 … 10000. */
const weightOfBlockWeight = (weight: number) => 1 + Math.floor(((weight - 10) * 9999) / 990);

const ifThere = (op: Op): Op => ({ ...op, tolerate: ERRNO["ENOENT"]! });
const mkdir = (path: string): Op => ({ op: "mkdir", path, mode: 0o755, tolerate: ERRNO["EEXIST"]! });
const put = (directory: CgroupDirectory, file: string, data: string): Op => ({ op: "writeFile", path: `${directory.path}/${file}`, data });
