/** GET /containers/{id}/stats: readings in Docker's shape. */
import { formatTime, ZERO_TIME } from "#base/clock.ts";
import type { Answer, ApiCall, ApiRoute } from "../answer.ts";
import type { ApiParts } from "../api.ts";
import { flag, text } from "../query.ts";
import { begin, writeChunk } from "../streaming.ts";
import type { StatsReading, StatsSample } from "../../engine.ts";

export function containerStatsRoutes({ containers }: ApiParts): ApiRoute[] {
  async function stats(call: ApiCall): Promise<Answer> {
    const { query, version } = call;
    const follow = text(query, "stream") === "" || flag(query, "stream");
    const record = containers.get(call.params["id"]!);
    const oneShot = !follow && version >= 41 && flag(query, "one-shot");
    begin(call, "application/json");
    for await (const sample of containers.stats(record.id, { follow, oneShot, signal: call.signal })) {
      if (!(await writeChunk(call, `${JSON.stringify(statsJson(sample, version))}\n`))) return undefined;
    }
    call.response.end();
    return undefined;
  }

  return [{ method: "GET", path: "/containers/{id}/stats", run: stats }];
}

/** Of a container that does not run: zeros. */
export function statsJson({ record, reading, before }: StatsSample, version: number): object {
  return {
    id: record.id,
    name: `/${record.name}`,
    ...(version >= 52 ? { os_type: "linux" } : {}),
    read: reading === undefined ? ZERO_TIME : formatTime(reading.time),
    cpu_stats: cpuJson(reading),
    memory_stats: memoryJson(reading),
    pids_stats: pidsJson(reading),
    blkio_stats: blkioJson(reading),
    num_procs: 0,
    storage_stats: {},
    preread: before === undefined ? ZERO_TIME : formatTime(before.time),
    precpu_stats: cpuJson(before),
    ...(reading === undefined || Object.keys(reading.usage.interfaces).length === 0 ? {} : { networks: networksJson(reading) }),
  };
}

type Given = StatsReading | undefined;

function cpuJson(reading: Given): object {
  if (reading === undefined) return { cpu_usage: { total_usage: 0, usage_in_kernelmode: 0, usage_in_usermode: 0 }, throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 } };
  const { cpu, host, throttling } = reading.usage;
  return {
    cpu_usage: { total_usage: cpu.total, ...(cpu.each === undefined ? {} : { percpu_usage: cpu.each }), usage_in_kernelmode: cpu.kernel, usage_in_usermode: cpu.user },
    system_cpu_usage: host.cpu,
    online_cpus: host.cpus,
    throttling_data: { periods: throttling.periods, throttled_periods: throttling.throttled, throttled_time: throttling.nanoseconds },
  };
}

function memoryJson(reading: Given): object {
  if (reading === undefined) return {};
  const { usage, limit, most, failures, stat } = reading.usage.memory;
  return { usage, ...(most === undefined ? {} : { max_usage: most }), stats: stat, ...(failures === undefined || failures === 0 ? {} : { failcnt: failures }), limit };
}

/** No limit, as Docker has it with cgroup v2: 64 bits, which no number of JavaScript holds. With v1 it says nothing. */
const NO_LIMIT = (JSON as JSON & { rawJSON(text: string): object }).rawJSON("18446744073709551615");

function pidsJson(reading: Given): object {
  if (reading === undefined) return {};
  const { version, pids: { current, limit } } = reading.usage;
  return { current, ...(limit !== undefined ? { limit } : version === "2" ? { limit: NO_LIMIT } : {}) };
}

function blkioJson(reading: Given): object {
  const none = {
    io_service_bytes_recursive: null, io_serviced_recursive: null, io_queue_recursive: null, io_service_time_recursive: null,
    io_wait_time_recursive: null, io_merged_recursive: null, io_time_recursive: null, sectors_recursive: null,
  };
  if (reading === undefined) return none;
  return { ...none, io_service_bytes_recursive: reading.usage.bytes, io_serviced_recursive: reading.usage.operations };
}

function networksJson({ usage }: StatsReading): object {
  return Object.fromEntries(
    Object.entries(usage.interfaces).map(([name, { received, sent }]) => [
      name,
      {
        rx_bytes: received.bytes, rx_packets: received.packets, rx_errors: received.errors, rx_dropped: received.dropped,
        tx_bytes: sent.bytes, tx_packets: sent.packets, tx_errors: sent.errors, tx_dropped: sent.dropped,
      },
    ]),
  );
}
