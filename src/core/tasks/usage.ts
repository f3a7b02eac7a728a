/**
 * What a running container uses: read from the files of its control groups, v1 or v2, and from its network namespace.
 * Counters only grow; a rate is the difference of two readings.
 */
import { readFile } from "node:fs/promises";
import { statFiles, type CgroupHost, type StatName } from "#linux/cgroups.ts";

export type Usage = {
  readonly version: "1" | "2";
  /** Nanoseconds of CPU time. `each`: by CPU, v1 only. */
  readonly cpu: { readonly total: number; readonly user: number; readonly kernel: number; readonly each?: readonly number[] };
  readonly throttling: { readonly periods: number; readonly throttled: number; readonly nanoseconds: number };
  /** Nanoseconds of CPU time of the whole host, idle included, and how many CPUs it has. */
  readonly host: { readonly cpu: number; readonly cpus: number };
  /** Bytes. `limit`: the host's memory when there is none. `stat`: the kernel's own names. */
  readonly memory: { readonly usage: number; readonly limit: number; readonly most?: number; readonly failures?: number; readonly stat: Readonly<Record<string, number>> };
  /** `limit`: undefined when there is none. */
  readonly pids: { readonly current: number; readonly limit: number | undefined };
  readonly bytes: readonly BlockCount[];
  readonly operations: readonly BlockCount[];
  /** By the names they have inside; empty when the container has no network of its own. */
  readonly interfaces: Readonly<Record<string, Interface>>;
};

/** op: "Read", "Write" and others of the kernel's. */
export type BlockCount = { readonly major: number; readonly minor: number; readonly op: string; readonly value: number };

type Counts = { readonly bytes: number; readonly packets: number; readonly errors: number; readonly dropped: number };
export type Interface = { readonly received: Counts; readonly sent: Counts };

/** Files that are not there count as empty: the host does not count that, or the container has just ended. */
export async function readUsage(cgroups: CgroupHost, cgroup: string, pid: number): Promise<Usage> {
  const read = async (path: string | undefined) => (path === undefined ? "" : await readFile(path, "utf8").catch(() => ""));
  const paths = Object.entries(statFiles(cgroups, cgroup)) as [StatName, string][];
  const [files, stat, meminfo, net] = await Promise.all([
    Promise.all(paths.map(async ([name, path]) => [name, await read(path)] as const)),
    read("/proc/stat"),
    read("/proc/meminfo"),
    read(`/proc/${pid}/net/dev`),
  ]);
  return parseUsage({ version: cgroups.version === "v2" ? "2" : "1", files: Object.fromEntries(files), stat, meminfo, net });
}

export type UsageFiles = {
  readonly version: "1" | "2";
  readonly files: Readonly<Partial<Record<StatName, string>>>;
  readonly stat: string;
  readonly meminfo: string;
  readonly net: string;
};

/** Pure. */
export function parseUsage({ version, files, stat, meminfo, net }: UsageFiles): Usage {
  const pidsLimit = (files.pidsLimit ?? "").trim();
  return {
    version,
    cpu: version === "2" ? unifiedCpu(pairs(files.cpuUsage)) : legacyCpu(files),
    throttling: throttlingOf(version, pairs(files.cpuStat)),
    host: hostCpu(stat),
    memory: memoryOf(files, meminfo),
    pids: { current: Number(files.pidsCurrent ?? 0), limit: pidsLimit === "" || pidsLimit === "max" ? undefined : Number(pidsLimit) },
    ...(version === "2" ? unifiedBlocks(files.io ?? "") : { bytes: legacyBlocks(files.io ?? ""), operations: legacyBlocks(files.ioOps ?? "") }),
    interfaces: interfacesOf(net),
  };
}

const TICK = 10_000_000;

/** Lines of a name and a number. */
function pairs(text = ""): Record<string, number> {
  return Object.fromEntries(text.split("\n").flatMap((line) => {
    const [name, value] = line.split(" ");
    return name === undefined || value === undefined ? [] : [[name, Number(value)]];
  }));
}

function unifiedCpu(stat: Record<string, number>): Usage["cpu"] {
  const nanos = (name: string) => (stat[name] ?? 0) * 1000;
  return { total: nanos("usage_usec"), user: nanos("user_usec"), kernel: nanos("system_usec") };
}

function legacyCpu({ cpuUsage = "0", cpuSplit, cpuEach = "" }: UsageFiles["files"]): Usage["cpu"] {
  const split = pairs(cpuSplit);
  return {
    total: Number(cpuUsage),
    user: (split["user"] ?? 0) * TICK,
    kernel: (split["system"] ?? 0) * TICK,
    each: cpuEach.trim().split(" ").filter((word) => word !== "").map(Number),
  };
}

function throttlingOf(version: "1" | "2", stat: Record<string, number>): Usage["throttling"] {
  const nanoseconds = version === "2" ? (stat["throttled_usec"] ?? 0) * 1000 : (stat["throttled_time"] ?? 0);
  return { periods: stat["nr_periods"] ?? 0, throttled: stat["nr_throttled"] ?? 0, nanoseconds };
}

/** The first line of /proc/stat counts ticks of a hundredth of a second: user, nice, system, idle, iowait, irq, softirq. */
function hostCpu(stat: string): Usage["host"] {
  const [first = "", ...rest] = stat.split("\n");
  const ticks = first.trim().split(/\s+/).slice(1, 8).map(Number);
  return { cpu: ticks.reduce((sum, value) => sum + value, 0) * TICK, cpus: rest.filter((line) => /^cpu\d/.test(line)).length };
}

function memoryOf(files: UsageFiles["files"], meminfo: string): Usage["memory"] {
  const host = Number(/^MemTotal:\s+(\d+) kB/m.exec(meminfo)?.[1] ?? 0) * 1024;
  const text = (files.memoryLimit ?? "").trim();
  const limit = text === "" || text === "max" ? host : Math.min(Number(text), host);
  return {
    usage: Number(files.memoryUsage ?? 0),
    limit,
    ...(files.memoryMost === undefined ? {} : { most: Number(files.memoryMost) }),
    ...(files.memoryFailures === undefined ? {} : { failures: Number(files.memoryFailures) }),
    stat: pairs(files.memoryStat),
  };
}

/** "8:0 Read 4096" */
function legacyBlocks(text: string): BlockCount[] {
  return [...text.matchAll(/^(\d+):(\d+) (\w+) (\d+)$/gm)].map(([, major, minor, op, value]) => ({ major: Number(major), minor: Number(minor), op: op!, value: Number(value) }));
}

/** "8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0" */
function unifiedBlocks(text: string): Pick<Usage, "bytes" | "operations"> {
  const count = (names: Readonly<Record<string, string>>) =>
    [...text.matchAll(/^(\d+):(\d+) (.*)$/gm)].flatMap(([, major, minor, rest = ""]) =>
      rest.split(" ").flatMap((word) => {
        const [name = "", value] = word.split("=");
        const op = names[name];
        return op === undefined ? [] : [{ major: Number(major), minor: Number(minor), op, value: Number(value) }];
      }),
    );
  return { bytes: count({ rbytes: "read", wbytes: "write" }), operations: count({ rios: "read", wios: "write" }) };
}

/** Two lines of heads, then "eth0: 1 2 3 4 5 6 7 8 1 2 3 4 5 6 7 8". */
function interfacesOf(text: string): Usage["interfaces"] {
  const found: Record<string, Interface> = {};
  for (const [, name, rest = ""] of text.matchAll(/^\s*([^\s:]+):\s*(.*)$/gm)) {
    if (name === undefined || name === "lo") continue;
    const values = rest.split(/\s+/).map(Number);
    const counts = (at: number): Counts => ({ bytes: values[at] ?? 0, packets: values[at + 1] ?? 0, errors: values[at + 2] ?? 0, dropped: values[at + 3] ?? 0 });
    found[name] = { received: counts(0), sent: counts(8) };
  }
  return found;
}
