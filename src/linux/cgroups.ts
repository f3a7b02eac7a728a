/**
 * Control groups: what the host has, and where a container's groups lie. Pure; plans are in `cgroups-plan.ts`.
 *
 *     const host = parseCgroupHost(mountinfo, selfCgroup, await readFile("/sys/fs/cgroup/cgroup.controllers"));
 *     cgroupDirectories(host, "/gantry/3f2a…")   // [{ controllers: ["memory"], path: "/sys/fs/cgroup/memory/gantry/3f2a…" }, …]
 *
 * v1: a hierarchy a controller (or several). v2: one tree. hybrid: v1 hierarchies hold the controllers, and a v2 tree
 * without any is used to kill.
 */
import { fail } from "#base/errors.ts";

/** One mounted hierarchy. v2 has `unified`; a v1 hierarchy without controllers has a name ("systemd"). */
export type Hierarchy = {
  readonly controllers: readonly string[];
  readonly name?: string;
  readonly unified: boolean;
  /** Where it is mounted on the host. */
  readonly mountpoint: string;
  /** Which of its directories is mounted there; "/" unless the engine runs in a container. */
  readonly root: string;
};

export type CgroupHost = {
  readonly version: "v1" | "hybrid" | "v2";
  readonly hierarchies: readonly Hierarchy[];
  /** Controllers that can be switched on for children: of v1 hierarchies and of the unified one. */
  readonly controllers: readonly string[];
  /** cpuset.cpus and cpuset.mems of the root (v1): a new group has none of its own. */
  readonly cpus: string;
  readonly mems: string;
  /** Whether swap is counted. */
  readonly swap: boolean;
};

export type CgroupFacts = {
  /** /proc/self/mountinfo */
  readonly mountinfo: string;
  /** cgroup.controllers of the unified hierarchy's root; "" if there is none. */
  readonly unifiedControllers: string;
  readonly cpus?: string;
  readonly mems?: string;
  readonly swap?: boolean;
};

/** What the host has. @throws not-implemented when no cgroup hierarchy is mounted. */
export function parseCgroupHost(facts: CgroupFacts): CgroupHost {
  const unifiedControllers = facts.unifiedControllers.split(/\s+/).filter((name) => name !== "");
  const hierarchies = firstMounts(facts.mountinfo.split("\n").flatMap((line) => parseMount(line, unifiedControllers)));
  const unified = hierarchies.some((one) => one.unified);
  const legacy = hierarchies.some((one) => !one.unified);
  if (!unified && !legacy) throw fail("not-implemented", "find the control groups: no cgroup file system is mounted");
  return {
    version: !legacy ? "v2" : unified ? "hybrid" : "v1",
    hierarchies,
    controllers: hierarchies.flatMap((one) => one.controllers),
    cpus: (facts.cpus ?? "").trim(),
    mems: (facts.mems ?? "").trim(),
    swap: facts.swap ?? false,
  };
}

/** The root directory's files that tell what `CgroupFacts` wants, for a host with these mounts. */
export function cgroupFactFiles(mountinfo: string): { unified?: string; cpus?: string; mems?: string; swap: string[] } {
  const all = firstMounts(mountinfo.split("\n").flatMap((line) => parseMount(line, [])));
  const unified = all.find((one) => one.unified)?.mountpoint;
  const cpuset = all.find((one) => one.controllers.includes("cpuset"))?.mountpoint;
  const memory = all.find((one) => one.controllers.includes("memory"))?.mountpoint;
  return {
    ...(unified === undefined ? {} : { unified: `${unified}/cgroup.controllers` }),
    ...(cpuset === undefined ? {} : { cpus: `${cpuset}/cpuset.cpus`, mems: `${cpuset}/cpuset.mems` }),
    swap: memory === undefined ? ["/proc/swaps"] : [`${memory}/memory.memsw.limit_in_bytes`],
  };
}

const LEGACY_OPTIONS = new Set(["rw", "ro", "xattr", "noprefix", "clone_children", "cpuset_v2_mode", "none", "favordynmods"]);

/** A line of mountinfo, if it is a cgroup mount: `31 23 0:28 ROOT MOUNTPOINT options… - type source superoptions`. */
function parseMount(line: string, unifiedControllers: readonly string[]): Hierarchy[] {
  const [left, right] = line.split(" - ") as [string, string | undefined];
  const [type, , options] = (right ?? "").split(" ");
  if (type !== "cgroup" && type !== "cgroup2") return [];
  const fields = left.split(" ");
  const place = { root: unescape(fields[3] ?? "/"), mountpoint: unescape(fields[4] ?? "") };
  if (type === "cgroup2") return [{ controllers: unifiedControllers, unified: true, ...place }];
  const words = (options ?? "").split(",").filter((word) => !LEGACY_OPTIONS.has(word) && !word.startsWith("release_agent="));
  const name = words.find((word) => word.startsWith("name="))?.slice("name=".length);
  const controllers = words.filter((word) => !word.includes("="));
  return [{ controllers, unified: false, ...place, ...(name === undefined ? {} : { name }) }];
}

/** A hierarchy that is mounted several times is used where it was mounted first. */
function firstMounts(all: readonly Hierarchy[]): Hierarchy[] {
  const seen = new Set<string>();
  return all.filter((one) => {
    const key = one.unified ? "unified" : (one.name ?? one.controllers.join(","));
    return !seen.has(key) && seen.add(key);
  });
}

const unescape = (text: string) => text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));

/** A container's directory in a hierarchy. `name` is what it is called below /sys/fs/cgroup: "memory", "cpu,cpuacct". */
export type CgroupDirectory = Hierarchy & { readonly path: string; readonly label: string };

/** The directories of a cgroup path in every hierarchy. The path must be a checked one: see spec/cgroup-path.ts. */
export function cgroupDirectories(host: CgroupHost, path: string): CgroupDirectory[] {
  return host.hierarchies.map((one) => ({
    ...one,
    path: joinPath(one.mountpoint, path),
    label: one.unified ? "unified" : one.controllers.length > 0 ? one.controllers.join(",") : (one.name ?? ""),
  }));
}

const joinPath = (mountpoint: string, path: string) => (mountpoint === "/" ? "" : mountpoint) + path;

/** Values that the files of a container's groups are read from; undefined where the host does not count them. */
export type StatFiles = Readonly<Partial<Record<StatName, string>>>;
export type StatName = "cpuUsage" | "cpuEach" | "cpuSplit" | "cpuStat" | "memoryUsage" | "memoryMost" | "memoryFailures" | "memoryLimit" | "memoryStat" | "memoryEvents" | "pidsCurrent" | "pidsLimit" | "io" | "ioOps" | "procs" | "frozen";

const V1_FILES: readonly (readonly [StatName, string, string])[] = [
  ["cpuUsage", "cpuacct", "cpuacct.usage"],
  ["cpuEach", "cpuacct", "cpuacct.usage_percpu"],
  ["cpuSplit", "cpuacct", "cpuacct.stat"],
  ["cpuStat", "cpu", "cpu.stat"],
  ["memoryUsage", "memory", "memory.usage_in_bytes"],
  ["memoryMost", "memory", "memory.max_usage_in_bytes"],
  ["memoryFailures", "memory", "memory.failcnt"],
  ["memoryLimit", "memory", "memory.limit_in_bytes"],
  ["memoryStat", "memory", "memory.stat"],
  ["memoryEvents", "memory", "memory.oom_control"],
  ["pidsCurrent", "pids", "pids.current"],
  ["pidsLimit", "pids", "pids.max"],
  ["io", "blkio", "blkio.throttle.io_service_bytes_recursive"],
  ["ioOps", "blkio", "blkio.throttle.io_serviced_recursive"],
  ["frozen", "freezer", "freezer.state"],
  ["procs", "pids", "cgroup.procs"],
];

const V2_FILES: readonly (readonly [StatName, string | undefined, string])[] = [
  ["cpuUsage", undefined, "cpu.stat"],
  ["cpuStat", "cpu", "cpu.stat"],
  ["memoryUsage", "memory", "memory.current"],
  ["memoryLimit", "memory", "memory.max"],
  ["memoryStat", "memory", "memory.stat"],
  ["memoryEvents", "memory", "memory.events"],
  ["pidsCurrent", "pids", "pids.current"],
  ["pidsLimit", "pids", "pids.max"],
  ["io", "io", "io.stat"],
  ["frozen", undefined, "cgroup.events"],
  ["procs", undefined, "cgroup.procs"],
];

/** Names of the files, where the container's group is at `path`. */
export function statFiles(host: CgroupHost, path: string): StatFiles {
  const directories = cgroupDirectories(host, path);
  if (host.version === "v2") {
    const directory = directories[0];
    const usable = V2_FILES.filter(([, controller]) => controller === undefined || host.controllers.includes(controller));
    return Object.fromEntries(usable.map(([name, , file]) => [name, `${directory?.path}/${file}`]));
  }
  return Object.fromEntries(
    V1_FILES.flatMap(([name, controller, file]) => {
      const directory = directories.find((one) => one.controllers.includes(controller));
      return directory === undefined ? [] : [[name, `${directory.path}/${file}`]];
    }),
  );
}

/** The file with a line "oom_kill N": the field `oom` of the op `shim`. Empty if memory is not controlled. */
export function oomFile(host: CgroupHost, path: string): string {
  return statFiles(host, path).memoryEvents ?? "";
}
