/** POST /containers/{id}/update. */
import { fail } from "#base/errors.ts";
import { type ApiCall, type ApiRoute, ok } from "../answer.ts";
import type { ApiParts } from "../api.ts";
import { requiredJsonBody } from "../body.ts";
import { any, boolean, int, list, nullable, optional, record, string, struct } from "../decode.ts";
import type { PortBinding } from "#spec/docker.ts";
import type { ContainerUpdate } from "../../engine.ts";
import { checkPortBindings, checkRestartPolicy, checkTraffic } from "./check-config.ts";

const ports = record(list(struct({ HostIp: string, HostPort: string, Allow: optional(list(string)) })));

const body = struct({
  Memory: int,
  MemorySwap: int,
  MemoryReservation: int,
  CpuShares: int,
  NanoCpus: int,
  CpuPeriod: int,
  CpuQuota: int,
  CpusetCpus: string,
  CpusetMems: string,
  PidsLimit: nullable(int),
  BlkioWeight: int,
  RestartPolicy: struct({ Name: string, MaximumRetryCount: int }),
  // Gantry's own.
  NetworkRate: optional(struct({ Egress: optional(int), Ingress: optional(int) })),
  PublishAdd: optional(ports),
  PublishRemove: optional(ports),
  // Known, not acted on.
  BlkioWeightDevice: any,
  BlkioDeviceReadBps: any,
  BlkioDeviceWriteBps: any,
  BlkioDeviceReadIOps: any,
  BlkioDeviceWriteIOps: any,
  CpuRealtimePeriod: int,
  CpuRealtimeRuntime: int,
  KernelMemory: int,
  OomKillDisable: nullable(boolean),
  MemorySwappiness: nullable(int),
});

const LATER = ["BlkioWeightDevice", "BlkioDeviceReadBps", "BlkioDeviceWriteBps", "BlkioDeviceReadIOps", "BlkioDeviceWriteIOps", "CpuRealtimePeriod", "CpuRealtimeRuntime", "KernelMemory"] as const;

export function containerUpdateRoutes({ containers }: ApiParts): ApiRoute[] {
  return [
    {
      method: "POST",
      path: "/containers/{id}/update",
      since: 22,
      run: async (call: ApiCall) => {
        const { warnings } = await containers.update(call.params["id"]!, parseUpdate(body(await requiredJsonBody(call), "UpdateConfig")));
        return ok({ Warnings: warnings });
      },
    },
  ];
}

function parseUpdate(given: ReturnType<typeof body>): ContainerUpdate {
  for (const field of LATER) {
    const value = given[field];
    if (value !== null && value !== 0 && !(Array.isArray(value) && value.length === 0)) {
      throw fail("not-implemented", `${field}: changing it is not there yet in this version of Gantry; leave it out`);
    }
  }
  checkRestartPolicy({ RestartPolicy: given.RestartPolicy, AutoRemove: false });
  checkTraffic({ Egress: undefined, NetworkRate: given.NetworkRate });
  const { Memory, MemorySwap, MemoryReservation, CpuShares, NanoCpus, CpuPeriod, CpuQuota, CpusetCpus, CpusetMems, PidsLimit, BlkioWeight, RestartPolicy } = given;
  const { NetworkRate, PublishAdd, PublishRemove } = given;
  return {
    Memory, MemorySwap, MemoryReservation, CpuShares, NanoCpus, CpuPeriod, CpuQuota, CpusetCpus, CpusetMems, PidsLimit, BlkioWeight, RestartPolicy,
    ...(NetworkRate === undefined ? {} : { NetworkRate: { Egress: NetworkRate.Egress ?? 0, Ingress: NetworkRate.Ingress ?? 0 } }),
    ...(isBare(PublishAdd) ? {} : { PublishAdd: portsOf(PublishAdd!) }),
    ...(isBare(PublishRemove) ? {} : { PublishRemove: portsOf(PublishRemove!) }),
  };
}

type Ports = NonNullable<ReturnType<typeof body>["PublishAdd"]>;

const isBare = (ports: Ports | null | undefined) => Object.keys(ports ?? {}).length === 0;

/** "80" and "80/TCP" are "80/tcp". */
function portsOf(given: Ports): Record<string, PortBinding[]> {
  checkPortBindings(given);
  return Object.fromEntries(
    Object.entries(given).map(([port, bindings]) => [
      (port.includes("/") ? port : `${port}/tcp`).toLowerCase(),
      (bindings ?? []).map(({ HostIp, HostPort, Allow }) => ({ HostIp, HostPort, ...(Allow === undefined || Allow === null ? {} : { Allow: [...Allow] }) })),
    ]),
  );
}
