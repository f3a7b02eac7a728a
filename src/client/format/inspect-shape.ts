/**
 * What a template sees of an inspected object. JSON has one null and one kind of object; Go has nil lists ("[]"), nil
 * maps ("map[]"), nil pointers ("<nil>"), maps and structs, and prints each in its own way. Which is which is told by
 * the name of the field.
 */
import { absent, formatValue, printed } from "#spec/go-template-print.ts";
import { goType } from "#spec/go-template-type.ts";
import { goTimeOf } from "./time.ts";

const MAPS = new Set(
  (
    "Labels Annotations Sysctls Tmpfs ExposedPorts Volumes PortBindings Ports Networks Options AuxiliaryAddresses DriverOpts Data Config:LogConfig " +
    "StorageOpt Containers Driver:Status Status:Volume Links:map"
  ).split(" "),
);

const LISTS = new Set(
  (
    "Args ExecIDs Binds VolumesFrom CapAdd CapDrop Dns DnsOptions DnsSearch ExtraHosts GroupAdd Links SecurityOpt Devices " +
    "DeviceCgroupRules DeviceRequests Ulimits MaskedPaths ReadonlyPaths Mounts Env Cmd Entrypoint OnBuild Shell Aliases DNSNames " +
    "SecondaryIPAddresses SecondaryIPv6Addresses BlkioWeightDevice BlkioDeviceReadBps BlkioDeviceWriteBps BlkioDeviceReadIOps " +
    "BlkioDeviceWriteIOps RepoTags RepoDigests Layers"
  ).split(" "),
);

/** Left out of the JSON when they are not set, but there in the struct: templates ask for them. */
const OPTIONAL: Readonly<Record<string, readonly (readonly [name: string, kind: "pointer" | "map" | "list" | "text"])[]>> = {
  "": [
    ["SizeRw", "pointer"],
    ["SizeRootFs", "pointer"],
    ["ImageManifestDescriptor", "pointer"],
    ["Variant", "text"],
  ],
  Config: [
    ["Healthcheck", "pointer"],
    ["ExposedPorts", "map"],
    ["StopSignal", "text"],
    ["StopTimeout", "pointer"],
    ["Shell", "list"],
    ["MacAddress", "text"],
    ["NetworkDisabled", "pointer"],
    ["ArgsEscaped", "pointer"],
  ],
  State: [["Health", "pointer"]],
  HostConfig: [
    ["Init", "pointer"],
    ["Tmpfs", "map"],
    ["Sysctls", "map"],
    ["StorageOpt", "map"],
    ["Annotations", "map"],
    ["Mounts", "list"],
    ["MaskedPaths", "list"],
    ["ReadonlyPaths", "list"],
  ],
};

/** `type`: the name of the whole object's type, where docker tells it in errors. */
/** Fields whose name in JSON is not their name in Go: a template may use either. */
const GO_NAMES: Readonly<Record<string, string>> = {
  Id: "ID",
  ApiVersion: "APIVersion",
  HostIp: "HostIP",
  Dns: "DNS",
  DnsOptions: "DNSOptions",
  DnsSearch: "DNSSearch",
  NanoCpus: "NanoCPUs",
  CpuShares: "CPUShares",
  CpuPeriod: "CPUPeriod",
  CpuQuota: "CPUQuota",
  CpuRealtimePeriod: "CPURealtimePeriod",
  CpuRealtimeRuntime: "CPURealtimeRuntime",
  CpuCfsPeriod: "CPUCfsPeriod",
  CpuCfsQuota: "CPUCfsQuota",
};

export function shapeTyped(data: unknown, lenient: WeakSet<object>, type?: string): unknown {
  const shaped = shape(data, "", "", lenient);
  if (type !== undefined && typeof shaped === "object" && shaped !== null) Object.defineProperty(shaped, goType, { value: type });
  return shaped;
}

function shape(value: unknown, key: string, parent: string, lenient: WeakSet<object>): unknown {
  if (value === null) return nothing(LISTS.has(key) ? "list" : isMapKey(key, parent) ? "map" : "pointer", lenient, null);
  if (Array.isArray(value)) return value.map((each) => shape(each, "", key, lenient));
  if (TIMES.has(`${parent}.${key}`) && typeof value === "string") return timeOf(value);
  if (typeof value !== "object") return value;
  // Only a network's and an image's times are times to Go; a container's are texts.
  const within = "IPAM" in value ? "network" : key;
  const entries = Object.entries(value).map(([name, each]) => [name, shape(each, name, within, lenient)] as const);
  const shaped: Record<PropertyKey, unknown> = Object.fromEntries(entries);
  if (isMapKey(key, parent)) {
    lenient.add(shaped);
    return shaped;
  }
  Object.defineProperty(shaped, printed, {
    get: () => `{${Object.values(shaped).map((each) => formatValue(each, false)).join(" ")}}`,
  });
  for (const name of Object.keys(shaped)) {
    const goName = GO_NAMES[name];
    if (goName !== undefined && !(goName in shaped)) Object.defineProperty(shaped, goName, { value: shaped[name] });
  }
  for (const [name, kind] of OPTIONAL[key] ?? []) {
    if (name in shaped) continue;
    const value = nothing(kind, lenient, undefined);
    if (kind === "pointer") Object.defineProperty(value, absent, { value: name });
    Object.defineProperty(shaped, name, { value, enumerable: name === "Health" });
  }
  return shaped;
}

const TIMES = new Set(["network.Created", "Metadata.LastTagTime"]);

function timeOf(text: string): object {
  return Object.defineProperties({ time: text }, { [printed]: { value: goTimeOf(text) }, toJSON: { value: () => text } });
}

function isMapKey(key: string, parent: string): boolean {
  return MAPS.has(key) || MAPS.has(`${key}:${parent}`);
}

/** A value of Go that is there and is nothing. `json`: what `{{json .}}` makes of it. */
function nothing(kind: "pointer" | "map" | "list" | "text", lenient: WeakSet<object>, json: null | undefined): unknown {
  if (kind === "text") return "";
  const value: object = kind === "list" ? [] : {};
  Object.defineProperty(value, "toJSON", { value: () => json });
  if (kind === "map") lenient.add(value);
  if (kind === "pointer") Object.defineProperty(value, printed, { value: "<nil>" });
  return value;
}
