/** The server's part of `info`, line by line as docker prints it. */
import { binarySize } from "../../format/units.ts";

export type Info = {
  readonly Containers: number;
  readonly ContainersRunning: number;
  readonly ContainersPaused: number;
  readonly ContainersStopped: number;
  readonly Images: number;
  readonly ServerVersion: string;
  readonly Driver: string;
  readonly DriverStatus: readonly (readonly [string, string])[] | null;
  readonly LoggingDriver: string;
  readonly CgroupDriver: string;
  readonly CgroupVersion?: string;
  readonly Plugins: Readonly<Record<"Volume" | "Network" | "Authorization" | "Log", readonly string[] | null | undefined>>;
  readonly CDISpecDirs?: readonly string[] | null;
  readonly DiscoveredDevices?: readonly { readonly Source: string; readonly ID: string }[] | null;
  readonly Swarm?: { readonly LocalNodeState?: string } | null;
  readonly Runtimes?: Readonly<Record<string, unknown>> | null;
  readonly DefaultRuntime?: string;
  readonly InitBinary?: string;
  readonly ContainerdCommit?: { readonly ID: string };
  readonly RuncCommit?: { readonly ID: string };
  readonly InitCommit?: { readonly ID: string };
  readonly SecurityOptions?: readonly string[] | null;
  readonly KernelVersion: string;
  readonly OperatingSystem: string;
  readonly OSType: string;
  readonly Architecture: string;
  readonly NCPU: number;
  readonly MemTotal: number;
  readonly Name: string;
  readonly ID: string;
  readonly DockerRootDir: string;
  readonly Debug: boolean;
  readonly NFd?: number;
  readonly NGoroutines?: number;
  readonly SystemTime?: string;
  readonly NEventsListener?: number;
  readonly HttpProxy?: string;
  readonly HttpsProxy?: string;
  readonly NoProxy?: string;
  readonly Labels?: readonly string[] | null;
  readonly ExperimentalBuild: boolean;
  readonly RegistryConfig?: RegistryConfig | null;
  readonly LiveRestoreEnabled: boolean;
  readonly DefaultAddressPools?: readonly { readonly Base: string; readonly Size: number }[] | null;
  readonly FirewallBackend?: { readonly Driver: string; readonly Info?: readonly (readonly [string, string])[] } | null;
  readonly Warnings?: readonly string[] | null;
};

type RegistryConfig = {
  readonly InsecureRegistryCIDRs?: readonly string[] | null;
  readonly IndexConfigs?: Readonly<Record<string, { readonly Name: string; readonly Secure: boolean }>> | null;
  readonly Mirrors?: readonly string[] | null;
};

export function infoLines(info: Info): string[] {
  return [
    ` Containers: ${info.Containers}`,
    `  Running: ${info.ContainersRunning}`,
    `  Paused: ${info.ContainersPaused}`,
    `  Stopped: ${info.ContainersStopped}`,
    ` Images: ${info.Images}`,
    ...optional("Server Version", info.ServerVersion),
    ` Storage Driver: ${info.Driver}`,
    ...(info.DriverStatus ?? []).map(([name, value]) => `  ${name}: ${value}`),
    ...optional("Logging Driver", info.LoggingDriver),
    ...optional("Cgroup Driver", info.CgroupDriver),
    ...optional("Cgroup Version", info.CgroupVersion),
    " Plugins:",
    `  Volume: ${(info.Plugins.Volume ?? []).join(" ")}`,
    `  Network: ${(info.Plugins.Network ?? []).join(" ")}`,
    ...((info.Plugins.Authorization ?? []).length > 0 ? [`  Authorization: ${info.Plugins.Authorization?.join(" ")}`] : []),
    `  Log: ${(info.Plugins.Log ?? []).join(" ")}`,
    ...listed("CDI spec directories", info.CDISpecDirs),
    ...listed("Discovered Devices", info.DiscoveredDevices?.map((device) => `${device.Source}: ${device.ID}`)),
    ` Swarm: ${info.Swarm?.LocalNodeState ?? "inactive"}`,
    ...runtimes(info),
    ...security(info.SecurityOptions ?? []),
    ...optional("Kernel Version", info.KernelVersion),
    ...optional("Operating System", info.OperatingSystem),
    ...optional("OSType", info.OSType),
    ...optional("Architecture", info.Architecture),
    ` CPUs: ${info.NCPU}`,
    ` Total Memory: ${binarySize(info.MemTotal)}`,
    ...optional("Name", info.Name),
    ...optional("ID", info.ID),
    ` Docker Root Dir: ${info.DockerRootDir}`,
    ` Debug Mode: ${info.Debug}`,
    ...(info.Debug ? debug(info) : []),
    ...optional("HTTP Proxy", info.HttpProxy),
    ...optional("HTTPS Proxy", info.HttpsProxy),
    ...optional("No Proxy", info.NoProxy),
    ...listed("Labels", info.Labels),
    ` Experimental: ${info.ExperimentalBuild}`,
    ...registries(info),
    ` Live Restore Enabled: ${info.LiveRestoreEnabled}`,
    ...listed("Default Address Pools", info.DefaultAddressPools?.map((pool) => `Base: ${pool.Base}, Size: ${pool.Size}`)),
    ...(info.FirewallBackend ? [` Firewall Backend: ${info.FirewallBackend.Driver}`, ...(info.FirewallBackend.Info ?? []).map(([name, value]) => `  ${name}: ${value}`)] : []),
  ];
}

function optional(name: string, value: string | undefined): string[] {
  return value === undefined || value === "" ? [] : [` ${name}: ${value}`];
}

function listed(name: string, values: readonly string[] | null | undefined): string[] {
  return values === null || values === undefined || values.length === 0 ? [] : [` ${name}:`, ...values.map((value) => `  ${value}`)];
}

function runtimes(info: Info): string[] {
  if (info.OSType === "windows") return [];
  return [
    ` Runtimes: ${Object.keys(info.Runtimes ?? {}).sort().join(" ")}`,
    ` Default Runtime: ${info.DefaultRuntime ?? ""}`,
    ` Init Binary: ${info.InitBinary ?? ""}`,
    ` containerd version: ${info.ContainerdCommit?.ID ?? ""}`,
    ` runc version: ${info.RuncCommit?.ID ?? ""}`,
    ` init version: ${info.InitCommit?.ID ?? ""}`,
  ];
}

/** "name=seccomp,profile=builtin": a line for the name, an indented one for each other key. */
function security(options: readonly string[]): string[] {
  if (options.length === 0) return [];
  const lines = options.flatMap((option) =>
    option.split(",").map((pair) => {
      const equals = pair.indexOf("=");
      const [key, value] = equals < 0 ? ["name", pair] : [pair.slice(0, equals), pair.slice(equals + 1)];
      return key === "name" ? `  ${value}` : `   ${key[0]!.toUpperCase()}${key.slice(1)}: ${value}`;
    }),
  );
  return [" Security Options:", ...lines];
}

function debug(info: Info): string[] {
  return [
    `  File Descriptors: ${info.NFd ?? 0}`,
    `  Goroutines: ${info.NGoroutines ?? 0}`,
    `  System Time: ${info.SystemTime ?? ""}`,
    `  EventsListeners: ${info.NEventsListener ?? 0}`,
  ];
}

function registries(info: Info): string[] {
  const config = info.RegistryConfig;
  if (!config) return [];
  const insecure = [
    ...Object.values(config.IndexConfigs ?? {}).filter((index) => !index.Secure).map((index) => index.Name),
    ...(config.InsecureRegistryCIDRs ?? []),
  ];
  return [...listed("Insecure Registries", insecure), ...listed("Registry Mirrors", config.Mirrors)];
}
