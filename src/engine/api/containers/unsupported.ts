/**
 * What Docker's model has and Gantry does not act on yet. Set to anything but its default it is refused with a
 * sentence, never ignored: a container without the limit or the health check that was asked for is a surprise later.
 */
import { fail } from "#base/errors.ts";
import type { Json } from "#base/json.ts";
import type { CreateBody, HostConfigBody } from "./create-body.ts";

/** Types of mounts that Docker has. */
export const LATER_MOUNTS: readonly string[] = ["npipe", "cluster"];

type Value = Json | undefined;
type Rule<T> = { readonly field: keyof T & string; readonly what: string; readonly isDefault?: (value: Value) => boolean };

const oneOf =
  (...values: readonly string[]) =>
  (value: Value) =>
    typeof value === "string" && values.includes(value);

const HOST: readonly Rule<HostConfigBody>[] = [
  { field: "Isolation", what: "isolation technologies", isDefault: oneOf("", "default") },
  { field: "StorageOpt", what: "storage options of a container" },
  { field: "BlkioWeightDevice", what: "block I/O weights of single devices" },
  { field: "BlkioDeviceReadBps", what: "block I/O limits of single devices" },
  { field: "BlkioDeviceWriteBps", what: "block I/O limits of single devices" },
  { field: "BlkioDeviceReadIOps", what: "block I/O limits of single devices" },
  { field: "BlkioDeviceWriteIOps", what: "block I/O limits of single devices" },
  { field: "CpuRealtimePeriod", what: "real-time scheduling budgets" },
  { field: "CpuRealtimeRuntime", what: "real-time scheduling budgets" },
  { field: "CpuCount", what: "CPU counts (an option of Windows)" },
  { field: "CpuPercent", what: "CPU percentages (an option of Windows)" },
  { field: "IOMaximumIOps", what: "I/O limits of the system drive (an option of Windows)" },
  { field: "IOMaximumBandwidth", what: "I/O limits of the system drive (an option of Windows)" },
  { field: "DeviceRequests", what: "device requests (--gpus, CDI)" },
  { field: "KernelMemory", what: "limits of kernel memory" },
  { field: "KernelMemoryTCP", what: "limits of TCP buffer memory" },
  { field: "Runtime", what: "other OCI runtimes", isDefault: oneOf("", "runc", "gantry", "io.containerd.runc.v2") },
];

/** Throws not-implemented for the first field that is set and not acted on. */
export function refuseUnsupported(body: CreateBody): void {
  apply(HOST, body.HostConfig, "HostConfig.");
  for (const [i, mount] of (body.HostConfig.Mounts ?? []).entries()) {
    if (LATER_MOUNTS.includes(mount.Type)) throw refuse(`HostConfig.Mounts[${i}].Type`, `mounts of type ${JSON.stringify(mount.Type)}`);
  }
}

function apply<T>(rules: readonly Rule<T>[], object: T, prefix: string): void {
  for (const { field, what, isDefault = isEmpty } of rules) {
    if (!isDefault(object[field] as Value)) throw refuse(prefix + field, what);
  }
}

const refuse = (path: string, what: string) => fail("not-implemented", `${path}: ${what} are not there yet in this version of Gantry; leave it out`);

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === "" || value === 0 || value === false) return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}
