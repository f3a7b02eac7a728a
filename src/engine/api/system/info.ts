import { readdirSync, readFileSync } from "node:fs";
import { cpus, hostname, release, totalmem, machine } from "node:os";
import { formatTime, nowNanos } from "#base/clock.ts";
import type { ApiParts, Facts } from "../api.ts";

/** GET /info, at the newest version. */
export async function info({ facts, containers, images, networks }: ApiParts): Promise<object> {
  const records = await containers.list({ all: true, filters: new Map() });
  const count = (...statuses: readonly string[]) => records.filter((record) => statuses.includes(record.state.status)).length;
  const [running, paused] = [count("running", "restarting"), count("paused")];
  const commit = { ID: facts.commit || facts.version };
  return {
    ID: facts.id,
    Containers: records.length,
    ContainersRunning: running,
    ContainersPaused: paused,
    ContainersStopped: records.length - running - paused,
    Images: images.count(),
    Driver: facts.storageDriver,
    DriverStatus: facts.driverStatus,
    Plugins: { Volume: ["local", ...facts.volumePlugins()].toSorted(), Network: await networkDrivers(networks), Authorization: null, Log: ["json-file", "none"] },
    ...kernelAbilities(facts.cgroupVersion),
    IPv4Forwarding: readLine("/proc/sys/net/ipv4/ip_forward") === "1",
    Debug: facts.debug,
    NFd: countDescriptors(),
    NGoroutines: 0,
    SystemTime: formatTime(nowNanos()),
    LoggingDriver: facts.loggingDriver,
    CgroupDriver: facts.cgroupDriver,
    CgroupVersion: facts.cgroupVersion,
    NEventsListener: 0,
    KernelVersion: release(),
    ...operatingSystem(),
    OSType: "linux",
    Architecture: machine(),
    IndexServerAddress: "https://index.docker.io/v1/",
    RegistryConfig: registryConfig(facts.registries),
    NCPU: cpus().length,
    MemTotal: totalmem(),
    GenericResources: null,
    DockerRootDir: facts.dataRoot,
    HttpProxy: withoutPassword(facts.registries.proxies.http),
    HttpsProxy: withoutPassword(facts.registries.proxies.https),
    NoProxy: facts.registries.proxies.no,
    Name: hostname(),
    Labels: facts.labels,
    ExperimentalBuild: facts.experimental,
    ServerVersion: facts.version,
    Runtimes: { gantry: { path: "gantry-runtime", status: {} }, runc: { path: "gantry-runtime", status: {} } },
    DefaultRuntime: "runc",
    Swarm: { NodeID: "", NodeAddr: "", LocalNodeState: "inactive", ControlAvailable: false, Error: "", RemoteManagers: null },
    LiveRestoreEnabled: facts.liveRestore,
    Isolation: "",
    InitBinary: facts.initBinary,
    ContainerdCommit: commit,
    RuncCommit: commit,
    InitCommit: commit,
    SecurityOptions: facts.securityOptions,
    FirewallBackend: { Driver: facts.firewallBackend },
    CDISpecDirs: [],
    DiscoveredDevices: [],
    Warnings: facts.warnings.length === 0 ? null : facts.warnings,
  };
}

/** Our own, and those of networks that there are. */
async function networkDrivers(networks: ApiParts["networks"]): Promise<string[]> {
  const drivers = (await networks.list(new Map())).map(({ driver }) => driver);
  return [...new Set(["bridge", "host", "ipvlan", "macvlan", "null", ...drivers])].toSorted();
}

/** What is insecure besides loopback, by address or by name, and the mirrors of Docker Hub. */
function registryConfig({ insecureRegistries, mirrors }: Facts["registries"]): object {
  const isCidr = (text: string) => text.includes("/");
  const insecure = insecureRegistries.filter((text) => !isCidr(text)).map((name) => [name, { Name: name, Mirrors: [], Secure: false, Official: false }]);
  return {
    InsecureRegistryCIDRs: ["::1/128", "127.0.0.0/8", ...insecureRegistries.filter(isCidr)],
    IndexConfigs: { "docker.io": { Name: "docker.io", Mirrors: mirrors, Secure: true, Official: true }, ...Object.fromEntries(insecure) },
    Mirrors: mirrors,
  };
}

/** As Docker shows them. */
const withoutPassword = (proxy: string): string => proxy.replace(/\/\/[^/@]*@/, "//xxxxx:xxxxx@");

/** What the kernel can limit: version 2 of control groups can do all but one of these. */
function kernelAbilities(cgroupVersion: "1" | "2"): object {
  const controllers = cgroupVersion === "2" ? readLine("/sys/fs/cgroup/cgroup.controllers").split(" ") : controllersOfV1();
  const has = (name: string) => controllers.includes(name);
  return {
    MemoryLimit: has("memory"),
    SwapLimit: has("memory"),
    CpuCfsPeriod: has("cpu"),
    CpuCfsQuota: has("cpu"),
    CPUShares: has("cpu"),
    CPUSet: has("cpuset"),
    PidsLimit: has("pids"),
    OomKillDisable: cgroupVersion === "1" && has("memory"),
  };
}

function controllersOfV1(): string[] {
  const rows = readText("/proc/cgroups").split("\n").slice(1);
  return rows.map((row) => row.split("\t")).filter((row) => row[3] === "1").map((row) => row[0]!);
}

function operatingSystem(): object {
  const text = readText("/etc/os-release") || readText("/usr/lib/os-release");
  const field = (name: string) => new RegExp(`^${name}=(?:"(.*)"|'(.*)'|(.*))$`, "m").exec(text)?.slice(1).find((part) => part !== undefined) ?? "";
  return { OperatingSystem: field("PRETTY_NAME") || "Linux", OSVersion: field("VERSION_ID") };
}

function countDescriptors(): number {
  try {
    return readdirSync("/proc/self/fd").length;
  } catch {
    return -1;
  }
}

const readLine = (path: string) => readText(path).trim();

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
