/** -m, --cpus, --pids-limit and their like: checked as dockerd checks them, and as limits of the specification. Pure. */
import { fail } from "#base/errors.ts";
import type { CgroupHost } from "#linux/cgroups.ts";
import type { HostConfig } from "#spec/docker.ts";
import type { Resources } from "#spec/oci-runtime.ts";

const SMALLEST_MEMORY = 6 << 20;
const NANO = 1_000_000_000;
const PERIOD = 100_000;

export type ResourceHost = { readonly cgroups: CgroupHost; readonly cpus: number };

/** @returns warnings, as `docker create` prints them. @throws invalid, with Docker's texts */
export function checkResources(hostConfig: HostConfig, host: ResourceHost): string[] {
  return [...checkMemory(hostConfig, host), ...checkCpu(hostConfig, host), ...checkOthers(hostConfig)];
}

function invalid(text: string): never {
  throw fail("invalid", text);
}

function checkMemory(config: HostConfig, { cgroups }: ResourceHost): string[] {
  const { Memory: memory, MemorySwap: swap, MemoryReservation: reservation, MemorySwappiness: swappiness } = config;
  if (memory < 0) invalid("Memory limit can not be negative");
  if (memory !== 0 && memory < SMALLEST_MEMORY) invalid("Minimum memory limit allowed is 6MB");
  if (memory > 0 && swap > 0 && swap < memory) invalid("Minimum memoryswap limit should be larger than memory limit, see usage");
  if (memory === 0 && swap > 0) invalid("You should always set the Memory limit when using Memoryswap limit, see usage");
  if (reservation !== 0 && reservation < SMALLEST_MEMORY) invalid("Minimum memory reservation allowed is 6MB");
  if (memory > 0 && reservation > memory) invalid("Minimum memory limit can not be less than memory reservation limit, see usage");
  if (swappiness !== null && swappiness !== undefined && (swappiness < -1 || swappiness > 100)) invalid(`Invalid value: ${swappiness}, valid memory swappiness range is 0-100`);
  const warnings: string[] = [];
  if (memory > 0 && !cgroups.swap) warnings.push("Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.");
  if (config.OomKillDisable === true && cgroups.version === "v2") warnings.push("Your kernel does not support OomKillDisable. OomKillDisable discarded.");
  else if (config.OomKillDisable === true && memory === 0) {
    warnings.push("OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.");
  }
  if ((swappiness ?? -1) >= 0 && cgroups.version === "v2") warnings.push("Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.");
  return warnings;
}

function checkCpu(config: HostConfig, { cgroups, cpus }: ResourceHost): string[] {
  const { NanoCpus: nano, CpuPeriod: period, CpuQuota: quota, CpuShares: shares } = config;
  if (nano > 0 && period > 0) invalid("Conflicting options: Nano CPUs and CPU Period cannot both be set");
  if (nano > 0 && quota > 0) invalid("Conflicting options: Nano CPUs and CPU Quota cannot both be set");
  if (nano !== 0 && (nano < NANO / 100 || nano > cpus * NANO)) invalid(`range of CPUs is from 0.01 to ${cpus}.00, as there are only ${cpus} CPUs available`);
  if (shares < 0) invalid(`shares can't be negative: ${shares}`);
  if (period !== 0 && (period < 1000 || period > 1_000_000)) invalid("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
  if (quota > 0 && quota < 1000) invalid("CPU cfs quota can not be less than 1ms (i.e. 1000)");
  checkSet(config.CpusetCpus, { kind: "cpus", title: "CPUs", available: cgroups.cpus || `0-${cpus - 1}` });
  checkSet(config.CpusetMems, { kind: "mems", title: "memory nodes", available: cgroups.mems || "0" });
  return [];
}

/** The kernel's own limits: more CPUs than any machine has are refused before they cost memory (ID-19). */
const LARGEST_MEMBER = 8191;

function checkSet(text: string, { kind, title, available }: { kind: string; title: string; available: string }): void {
  if (text === "") return;
  const asked = parseSet(text);
  if (asked === undefined) invalid(`Invalid value ${text} for cpuset ${kind}`);
  const there = parseSet(available);
  if (there !== undefined && asked.some((member) => !there.includes(member))) invalid(`Requested ${title} are not available - requested ${text}, available: ${available}`);
}

/** "0-2,4" → [0, 1, 2, 4]. */
function parseSet(text: string): number[] | undefined {
  const members: number[] = [];
  for (const part of text.trim().split(",")) {
    const [, from, to = from] = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(part) ?? [];
    if (from === undefined || Number(to) < Number(from) || Number(to) > LARGEST_MEMBER) return undefined;
    for (let member = Number(from); member <= Number(to); member++) members.push(member);
    if (members.length > 2 * LARGEST_MEMBER) return undefined;
  }
  return members;
}

function checkOthers(config: HostConfig): string[] {
  const { BlkioWeight: weight, OomScoreAdj: score, ShmSize: shm } = config;
  if (weight !== 0 && (weight < 10 || weight > 1000)) invalid("Range of blkio weight is from 10 to 1000");
  if (score < -1000 || score > 1000) invalid(`Invalid value ${score}, range for oom score adj is [-1000, 1000]`);
  if (shm < 0) invalid("SHM size can not be less than 0");
  for (const { Name, Soft, Hard } of config.Ulimits ?? []) {
    if (Hard !== -1 && (Soft === -1 || Soft > Hard)) invalid(`ulimit soft limit must be less than or equal to hard limit: ${Soft} > ${Hard} (${Name})`);
  }
  return [];
}

/** Limits of the specification, without devices. Memory alone allows as much swap again, as in Docker. */
export function containerResources(config: HostConfig): Resources {
  const { Memory: memory, MemorySwappiness: swappiness, PidsLimit: pids } = config;
  const swap = config.MemorySwap === 0 && memory > 0 ? memory * 2 : config.MemorySwap;
  const period = config.NanoCpus > 0 ? PERIOD : config.CpuPeriod;
  const quota = config.NanoCpus > 0 ? Math.floor((config.NanoCpus * PERIOD) / NANO) : config.CpuQuota;
  return {
    memory: {
      ...(memory > 0 ? { limit: memory } : {}),
      ...(config.MemoryReservation > 0 ? { reservation: config.MemoryReservation } : {}),
      ...(swap !== 0 && memory > 0 ? { swap } : {}),
      ...((swappiness ?? -1) >= 0 ? { swappiness: swappiness! } : {}),
      ...(config.OomKillDisable === true ? { disableOOMKiller: true } : {}),
    },
    cpu: {
      ...(config.CpuShares > 0 ? { shares: config.CpuShares } : {}),
      ...(quota !== 0 ? { quota } : {}),
      ...(period !== 0 ? { period } : {}),
      ...(config.CpusetCpus === "" ? {} : { cpus: config.CpusetCpus }),
      ...(config.CpusetMems === "" ? {} : { mems: config.CpusetMems }),
    },
    ...(pids === null || pids === undefined ? {} : { pids: { limit: pids <= 0 ? -1 : pids } }),
    ...(config.BlkioWeight > 0 ? { blockIO: { weight: config.BlkioWeight } } : {}),
  };
}
