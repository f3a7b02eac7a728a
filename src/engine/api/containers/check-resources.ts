/** Checks of limits against what makes sense and what the machine has; the texts are Docker's. */
import { fail } from "#base/errors.ts";
import type { HostConfigBody } from "./create-body.ts";
import type { CreateHost } from "./create-request.ts";

const MINIMUM_MEMORY = 6 * 1024 * 1024;

export function checkResources(given: HostConfigBody, host: CreateHost, warnings: string[]): void {
  checkMemory(given, warnings);
  checkCpu(given, host);
  refuseIf(given.BlkioWeight !== 0 && (given.BlkioWeight < 10 || given.BlkioWeight > 1000), "Range of blkio weight is from 10 to 1000");
  refuseIf(Math.abs(given.OomScoreAdj) > 1000, `Invalid value ${given.OomScoreAdj}, range for oom score adj is [-1000, 1000]`);
  refuseIf(given.ShmSize < 0, "SHM size can not be less than 0");
  for (const device of given.Devices ?? []) {
    refuseIf(device.CgroupPermissions !== "" && !/^[rwm]{1,3}$/.test(device.CgroupPermissions), `invalid device mode ${JSON.stringify(device.CgroupPermissions)} of ${device.PathOnHost}: only r, w and m are allowed`);
  }
  for (const rule of given.DeviceCgroupRules ?? []) {
    refuseIf(!/^[acb] (\d+|\*):(\d+|\*) [rwm]{1,3}$/.test(rule), `invalid device cgroup rule format: '${rule}'`);
  }
}

function checkMemory(given: HostConfigBody, warnings: string[]): void {
  const { Memory: memory, MemorySwap: swap, MemoryReservation: reservation, MemorySwappiness: swappiness } = given;
  refuseIf(memory !== 0 && memory < MINIMUM_MEMORY, "Minimum memory limit allowed is 6MB");
  refuseIf(memory > 0 && swap > 0 && swap < memory, "Minimum memoryswap limit should be larger than memory limit, see usage");
  refuseIf(memory === 0 && swap > 0, "You should always set the Memory limit when using Memoryswap limit, see usage");
  refuseIf(swappiness !== null && (swappiness < -1 || swappiness > 100), `Invalid value: ${swappiness}, valid memory swappiness range is 0-100`);
  refuseIf(reservation !== 0 && reservation < MINIMUM_MEMORY, "Minimum memory reservation allowed is 6MB");
  refuseIf(memory > 0 && reservation > 0 && memory < reservation, "Minimum memory limit can not be less than memory reservation limit, see usage");
  if (given.OomKillDisable === true && memory === 0) {
    warnings.push("OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.");
  }
}

function checkCpu(given: HostConfigBody, host: CreateHost): void {
  const { NanoCpus: nano, CpuPeriod: period, CpuQuota: quota } = given;
  refuseIf(nano > 0 && period > 0, "Conflicting options: Nano CPUs and CPU Period cannot both be set");
  refuseIf(nano > 0 && quota > 0, "Conflicting options: Nano CPUs and CPU Quota cannot both be set");
  refuseIf(nano < 0 || nano > host.cpus * 1e9, `Range of CPUs is from 0.01 to ${host.cpus}.00, as there are only ${host.cpus} CPUs available`);
  refuseIf(period !== 0 && (period < 1000 || period > 1_000_000), "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
  refuseIf(quota > 0 && quota < 1000, "CPU cfs quota can not be less than 1ms (i.e. 1000)");
  refuseIf(given.CpuShares < 0, `invalid CPU shares (${given.CpuShares}): value must be a positive integer`);
  checkSet(given.CpusetCpus, host.cpus, { what: "cpuset cpus", owner: "CPUs" });
  checkSet(given.CpusetMems, host.memoryNodes, { what: "cpuset mems", owner: "memory nodes" });
}

/** "0-2,4": numbers below `count`. */
function checkSet(text: string, count: number, words: { what: string; owner: string }): void {
  if (text === "") return;
  for (const part of text.split(",")) {
    const match = /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(part.trim());
    const last = Number(match?.[2] ?? match?.[1]);
    refuseIf(match === null || Number(match[1]) > last, `Invalid value ${text} for ${words.what}: invalid format: ${text}`);
    refuseIf(last >= count, `Requested ${words.owner} are not available - requested ${text}, available: ${count === 1 ? "0" : `0-${count - 1}`}`);
  }
}

function refuseIf(bad: boolean, message: string): void {
  if (bad) throw fail("invalid", message);
}
