/** What `stats` shows of a container: rates and sums of one reading. */
import type { View } from "./rows.ts";
import { binarySize, humanSize, shortId } from "./units.ts";

type Cpu = { readonly cpu_usage: { readonly total_usage: number; readonly percpu_usage?: readonly number[] | null }; readonly system_cpu_usage?: number; readonly online_cpus?: number };
type Block = { readonly op: string; readonly value: number };

/** GET /containers/{id}/stats, as far as it is shown. */
export type StatsJson = {
  readonly id: string;
  readonly name: string;
  readonly cpu_stats: Cpu;
  readonly precpu_stats: Cpu;
  readonly memory_stats: { readonly usage?: number; readonly limit?: number; readonly stats?: Readonly<Record<string, number>> };
  readonly pids_stats?: { readonly current?: number };
  readonly blkio_stats?: { readonly io_service_bytes_recursive?: readonly Block[] | null };
  readonly networks?: Readonly<Record<string, { readonly rx_bytes: number; readonly tx_bytes: number }>>;
};

export type StatsRow = {
  /** As it was asked for. */
  readonly container: string;
  readonly id: string;
  readonly name: string;
  /** Percent of one CPU: 200 is two at full. */
  readonly cpu: number;
  /** Bytes, without what the kernel can take back at once. */
  readonly memory: number;
  readonly limit: number;
  readonly network: readonly [received: number, sent: number];
  readonly block: readonly [read: number, written: number];
  readonly pids: number;
};

export function statsRow(container: string, json: StatsJson): StatsRow {
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const networks = Object.values(json.networks ?? {});
  const blocks = json.blkio_stats?.io_service_bytes_recursive ?? [];
  const moved = (op: string) => sum(blocks.filter((block) => block.op.toLowerCase() === op).map(({ value }) => value));
  return {
    container,
    id: json.id,
    name: json.name.replace(/^\//, ""),
    cpu: cpuPercent(json.precpu_stats, json.cpu_stats),
    memory: usedMemory(json.memory_stats),
    limit: json.memory_stats.limit ?? 0,
    network: [sum(networks.map(({ rx_bytes }) => rx_bytes)), sum(networks.map(({ tx_bytes }) => tx_bytes))],
    block: [moved("read"), moved("write")],
    pids: json.pids_stats?.current ?? 0,
  };
}

function cpuPercent(before: Cpu, now: Cpu): number {
  const own = now.cpu_usage.total_usage - before.cpu_usage.total_usage;
  const host = (now.system_cpu_usage ?? 0) - (before.system_cpu_usage ?? 0);
  const cpus = now.online_cpus || now.cpu_usage.percpu_usage?.length || 0;
  return own > 0 && host > 0 ? (own / host) * cpus * 100 : 0;
}

/** Pages of files that were not used lately are the kernel's to take: v1 counts them with the group's children, v2 always does. */
function usedMemory({ usage = 0, stats = {} }: StatsJson["memory_stats"]): number {
  const idle = stats["total_inactive_file"] ?? stats["inactive_file"] ?? 0;
  return idle < usage ? usage - idle : usage;
}

export function statsView({ full }: { full: boolean }): View<StatsRow> {
  const percent = (value: number) => `${value.toFixed(2)}%`;
  const pair = ([left, right]: readonly [number, number]) => `${humanSize(left)} / ${humanSize(right)}`;
  return {
    type: "*formatter.statsContext",
    table: ["ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs"],
    raw: [["container", "Container"], ["name", "Name"], ["cpu", "CPUPerc"], ["memory", "MemUsage"]],
    quiet: "ID",
    labels: () => null,
    fields: {
      BlockIO: ["BLOCK I/O", (row) => pair(row.block)],
      CPUPerc: ["CPU %", (row) => percent(row.cpu)],
      Container: ["CONTAINER", (row) => row.container],
      ID: ["CONTAINER ID", (row) => (full ? row.id : shortId(row.id))],
      MemPerc: ["MEM %", (row) => percent(row.limit === 0 ? 0 : (row.memory / row.limit) * 100)],
      MemUsage: ["MEM USAGE / LIMIT", (row) => `${binarySize(row.memory)} / ${binarySize(row.limit)}`],
      Name: ["NAME", (row) => row.name],
      NetIO: ["NET I/O", (row) => pair(row.network)],
      PIDs: ["PIDS", (row) => String(row.pids)],
    },
  };
}
