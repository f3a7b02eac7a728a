/** update: other limits and another restart policy for a container that is there. */
import { fail, kindOf, messageOf } from "#base/errors.ts";
import { cpus } from "node:os";
import type { HostConfig } from "#spec/docker.ts";
import type { ContainerRecord, ContainerUpdate } from "../engine.ts";
import { isRunning, publish, type Context } from "./context.ts";
import { mergePorts, refuseForeignNetwork, updateNetwork } from "./networking/update-network.ts";
import { checkResources, containerResources } from "./spec/resources.ts";

/** @throws invalid, conflict, with Docker's texts; then nothing has changed */
export async function update(ctx: Context, ref: string, change: ContainerUpdate): Promise<{ warnings: string[] }> {
  const { id } = ctx.store.find(ref);
  const live = ctx.lives.of(id);
  return await live.lock.run(async () => {
    const before = ctx.store.find(id);
    refuseForeignNetwork(before, change);
    const hostConfig = mergeUpdate(before, change);
    const warnings = checkResources(hostConfig, { cgroups: ctx.host.cgroups, cpus: cpus().length });
    if (isRunning(before)) await limit(ctx, before, hostConfig);
    const saved = await updateNetwork(ctx, live, change, hostConfig);
    const after = { ...ctx.store.find(id), hostConfig };
    if (!saved) await ctx.store.put(after);
    publish(ctx, after, "update");
    return { warnings };
  });
}

/** On failure the limits that were are written again: some of the new may have been taken. */
async function limit(ctx: Context, before: ContainerRecord, hostConfig: HostConfig): Promise<void> {
  const cgroup = ctx.cgroupOf(before);
  try {
    await ctx.tasks.limit(cgroup, containerResources(hostConfig), grows(before.hostConfig, hostConfig));
  } catch (error) {
    await ctx.tasks.limit(cgroup, containerResources(before.hostConfig), grows(hostConfig, before.hostConfig)).catch(() => {});
    throw fail(kindOf(error), `Cannot update container ${before.id}: ${messageOf(error)}`, { cause: error });
  }
}

const UNLIMITED = Number.POSITIVE_INFINITY;
const orUnlimited = (bytes: number) => (bytes > 0 ? bytes : UNLIMITED);
const grows = (before: HostConfig, after: HostConfig) => orUnlimited(after.MemorySwap) > orUnlimited(before.MemorySwap);

/** Pure: the configuration after the change. */
export function mergeUpdate(record: Pick<ContainerRecord, "id" | "name" | "hostConfig" | "ports">, change: ContainerUpdate): HostConfig {
  const { id, hostConfig: before } = record;
  const { PidsLimit: pids, RestartPolicy: restart, NetworkRate: rate, PublishAdd: _, PublishRemove: __, ...numbers } = change;
  const conflict = (text: string) => fail("conflict", `Cannot update container ${id}: ${text}`);
  if (before.NanoCpus > 0 && (change.CpuPeriod ?? 0) > 0) throw conflict("Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set");
  if (before.NanoCpus > 0 && (change.CpuQuota ?? 0) > 0) throw conflict("Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set");
  if ((change.NanoCpus ?? 0) > 0 && before.CpuQuota > 0) throw conflict("Conflicting options: NanoCPUs cannot be updated as CPU Quota has already been set");
  if ((change.NanoCpus ?? 0) > 0 && before.CpuPeriod > 0) throw conflict("Conflicting options: NanoCPUs cannot be updated as CPU Period has already been set");
  if ((change.Memory ?? 0) > 0 && (change.MemorySwap ?? 0) === 0 && before.MemorySwap > 0 && change.Memory! > before.MemorySwap) {
    throw conflict("Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time");
  }
  const policy = restart === undefined || restart.Name === "" ? before.RestartPolicy : restart;
  if (before.AutoRemove && policy.Name !== "no" && policy.Name !== "") throw conflict("Restart policy cannot be updated because AutoRemove is enabled for the container");
  const { NetworkRate: rateBefore, ...others } = before;
  return {
    ...others,
    ...limitsOf(rate ?? rateBefore),
    ...Object.fromEntries(Object.entries(numbers).filter(([, value]) => value !== 0 && value !== "" && value !== undefined)),
    ...(pids === undefined || pids === null ? {} : { PidsLimit: pids <= 0 ? null : pids }),
    RestartPolicy: policy,
    PortBindings: mergePorts(record, change),
  };
}

/** 0 is no limit. */
const limitsOf = (rate: HostConfig["NetworkRate"]) => (rate === undefined || ((rate.Egress ?? 0) === 0 && (rate.Ingress ?? 0) === 0) ? {} : { NetworkRate: rate });
