/**
 * From the flags of `create` and `run` to the body of POST /containers/create, field for field what the official
 * client sends (a test compares the two). Pure but for the files it is told to read.
 */
import { fail } from "#base/errors.ts";
import type { OptionsOf } from "../flags/flags.ts";
import { isCdiDevice, parseDevice } from "./devices.ts";
import { creationFlags, containerFlags } from "./flags.ts";
import { checkMac } from "./network.ts";
import { buildNetworking } from "./networking.ts";
import { parsePorts } from "./ports.ts";
import { parseSecurity } from "./security.ts";
import { buildEgress } from "./traffic.ts";
import type { Ulimit } from "./ulimits.ts";
import { readVariables, toMap } from "./variables.ts";
import { parseVolumes } from "./volumes.ts";

const all = { ...containerFlags, ...creationFlags };
export type CreateOptions = OptionsOf<typeof all>;

export type CreateBody = {
  AttachStdin: boolean;
  AttachStdout: boolean;
  AttachStderr: boolean;
  Tty: boolean;
  OpenStdin: boolean;
  StdinOnce: boolean;
  Image: string;
  HostConfig: { ConsoleSize: [number, number]; AutoRemove: boolean; [field: string]: unknown };
  [field: string]: unknown;
};

export type RequestContext = {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Variables that stand before those of the user: proxies. */
  readonly proxies: readonly string[];
};

export function buildRequest(options: CreateOptions, [image = "", ...command]: readonly string[], context: RequestContext): CreateBody {
  if (options["mac-address"] !== "") checkMac(options["mac-address"]);
  if (options["use-api-socket"]) throw fail("not-implemented", "--use-api-socket: this Gantry does not have it yet");
  const attach = options.attach;
  const swappiness = options["memory-swappiness"];
  if (swappiness !== -1 && (swappiness < 0 || swappiness > 100)) {
    throw fail("invalid", `invalid value: ${swappiness}. Valid memory swappiness range is 0-100`);
  }
  const volumes = parseVolumes(options.volume);
  const ports = parsePorts(options.publish, options.expose);
  const cdi = options.device.filter(isCdiDevice);
  const devices = options.device.filter((device) => !isCdiDevice(device)).map(parseDevice);
  const env = readVariables(options["env-file"], [...context.proxies, ...options.env], context.env);
  const labels = toMap(readVariables(options["label-file"], options.label, undefined));
  checkModes(options);
  const restart = parseRestart(options.restart);
  const logConfig = parseLogging(options);
  const security = parseSecurity(options["security-opt"]);
  const storage = parseStorage(options["storage-opt"]);
  const health = parseHealth(options);
  const networking = buildNetworking(options);
  const gpus = [...options.gpus, ...(cdi.length > 0 ? [{ Driver: "cdi", Count: 0, DeviceIDs: cdi, Capabilities: null, Options: null }] : [])];
  if (options.rm && restart.Name !== "no" && restart.Name !== "") {
    throw fail("invalid", "conflicting options: cannot specify both --restart and --rm");
  }
  const attachStdin = attach.includes("stdin") || options.interactive;
  // Without -a, outputs are attached; `run -d` undoes it.
  const none = attach.length === 0;
  return {
    Hostname: options.hostname,
    Domainname: options.domainname,
    User: options.user,
    AttachStdin: attachStdin,
    AttachStdout: none || attach.includes("stdout"),
    AttachStderr: none || attach.includes("stderr"),
    ...(Object.keys(ports.exposed).length === 0 ? {} : { ExposedPorts: ports.exposed }),
    Tty: options.tty,
    OpenStdin: options.interactive,
    StdinOnce: options.interactive && attachStdin,
    Env: orNull(env),
    Cmd: orNull(command),
    ...(health === undefined ? {} : { Healthcheck: health }),
    Image: image,
    Volumes: volumes.anonymous,
    WorkingDir: options.workdir,
    Entrypoint: options.given.has("entrypoint") ? [options.entrypoint] : null,
    OnBuild: null,
    Labels: labels,
    ...(options["stop-signal"] === "" ? {} : { StopSignal: options["stop-signal"] }),
    ...(options.given.has("stop-timeout") ? { StopTimeout: options["stop-timeout"] } : {}),
    HostConfig: {
      Binds: orNull(volumes.binds),
      ContainerIDFile: options.cidfile,
      LogConfig: logConfig,
      NetworkMode: networking.mode,
      PortBindings: ports.bindings,
      ...buildEgress(options.egress, options["egress-allow"]),
      ...(options["network-rate"] === undefined ? {} : { NetworkRate: options["network-rate"] }),
      RestartPolicy: restart,
      AutoRemove: options.rm,
      VolumeDriver: options["volume-driver"],
      VolumesFrom: orNull(options["volumes-from"]),
      ConsoleSize: [0, 0],
      ...(Object.keys(options.annotation).length === 0 ? {} : { Annotations: options.annotation }),
      CapAdd: orNull(normalizeCapabilities(options["cap-add"])),
      CapDrop: orNull(normalizeCapabilities(options["cap-drop"])),
      CgroupnsMode: options.cgroupns,
      Dns: options.dns,
      DnsOptions: options["dns-option"],
      DnsSearch: options["dns-search"],
      ExtraHosts: orNull(options["add-host"]),
      GroupAdd: orNull(options["group-add"]),
      IpcMode: options.ipc,
      Cgroup: "",
      Links: orNull(options.link),
      OomScoreAdj: options["oom-score-adj"],
      PidMode: options.pid,
      Privileged: options.privileged,
      PublishAllPorts: options["publish-all"],
      ReadonlyRootfs: options["read-only"],
      SecurityOpt: security.options,
      ...(storage === undefined ? {} : { StorageOpt: storage }),
      ...(options.tmpfs.length === 0 ? {} : { Tmpfs: splitTmpfs(options.tmpfs) }),
      UTSMode: options.uts,
      UsernsMode: options.userns,
      ShmSize: options["shm-size"],
      ...(Object.keys(options.sysctl).length === 0 ? {} : { Sysctls: options.sysctl }),
      ...(options.runtime === "" ? {} : { Runtime: options.runtime }),
      Isolation: options.isolation,
      ...resources(options),
      Devices: devices,
      DeviceRequests: orNull(gpus),
      MemorySwappiness: swappiness,
      ...(options.mount.length === 0 ? {} : { Mounts: options.mount }),
      MaskedPaths: security.maskedPaths,
      ReadonlyPaths: security.readonlyPaths,
      ...(options.given.has("init") ? { Init: options.init } : {}),
    },
    NetworkingConfig: { EndpointsConfig: networking.endpoints },
  };
}

function resources(options: CreateOptions): Record<string, unknown> {
  return {
    CpuShares: options["cpu-shares"],
    Memory: options.memory,
    NanoCpus: options.cpus,
    CgroupParent: options["cgroup-parent"],
    BlkioWeight: options["blkio-weight"],
    BlkioWeightDevice: options["blkio-weight-device"],
    BlkioDeviceReadBps: options["device-read-bps"],
    BlkioDeviceWriteBps: options["device-write-bps"],
    BlkioDeviceReadIOps: options["device-read-iops"],
    BlkioDeviceWriteIOps: options["device-write-iops"],
    CpuPeriod: options["cpu-period"],
    CpuQuota: options["cpu-quota"],
    CpuRealtimePeriod: options["cpu-rt-period"],
    CpuRealtimeRuntime: options["cpu-rt-runtime"],
    CpusetCpus: options["cpuset-cpus"],
    CpusetMems: options["cpuset-mems"],
    DeviceCgroupRules: orNull(options["device-cgroup-rule"]),
    ...(options["kernel-memory"] === 0 ? {} : { KernelMemory: options["kernel-memory"] }),
    MemoryReservation: options["memory-reservation"],
    MemorySwap: options["memory-swap"],
    OomKillDisable: options["oom-kill-disable"],
    PidsLimit: options["pids-limit"],
    Ulimits: lastOfEach(options.ulimit),
    CpuCount: options["cpu-count"],
    CpuPercent: options["cpu-percent"],
    IOMaximumIOps: options["io-maxiops"],
    IOMaximumBandwidth: options["io-maxbandwidth"],
  };
}

function checkModes(options: CreateOptions): void {
  const valid = (mode: string, ...words: string[]) => mode === "" || words.includes(mode);
  if (!valid(options.pid, "host") && !/^container:.+/.test(options.pid)) throw fail("invalid", "--pid: invalid PID mode");
  if (!valid(options.uts, "host")) throw fail("invalid", "--uts: invalid UTS mode");
  if (!valid(options.userns, "host")) throw fail("invalid", "--userns: invalid USER mode");
  if (!valid(options.cgroupns, "host", "private")) throw fail("invalid", "--cgroupns: invalid CGROUP mode");
}

export function parseRestart(value: string): { Name: string; MaximumRetryCount: number } {
  const colon = value.indexOf(":");
  if (colon === 0) throw fail("invalid", "invalid restart policy format: no policy provided before colon");
  if (colon < 0) return { Name: value, MaximumRetryCount: 0 };
  const count = value.slice(colon + 1);
  if (!/^[+-]?\d+$/.test(count)) throw fail("invalid", "invalid restart policy format: maximum retry count must be an integer");
  return { Name: value.slice(0, colon), MaximumRetryCount: Number(count) };
}

function parseLogging(options: CreateOptions): { Type: string; Config: Record<string, string> } {
  const config = toMap(options["log-opt"]);
  if (options["log-driver"] === "none" && options["log-opt"].length > 0) throw fail("invalid", "invalid logging opts for driver none");
  return { Type: options["log-driver"], Config: config };
}

function parseStorage(values: readonly string[]): Record<string, string> | undefined {
  if (values.some((value) => !value.includes("="))) throw fail("invalid", "invalid storage option");
  return values.length === 0 ? undefined : toMap(values);
}

function parseHealth(options: CreateOptions): Record<string, unknown> | undefined {
  const times = ["health-interval", "health-timeout", "health-start-period", "health-start-interval"] as const;
  const given = options["health-cmd"] !== "" || options["health-retries"] !== 0 || times.some((name) => options[name] !== 0);
  if (options["no-healthcheck"]) {
    if (given) throw fail("invalid", "--no-healthcheck conflicts with --health-* options");
    return { Test: ["NONE"] };
  }
  if (!given) return undefined;
  for (const name of ["health-interval", "health-timeout", "health-retries", "health-start-period", "health-start-interval"] as const) {
    if (options[name] < 0) throw fail("invalid", `--${name} cannot be negative`);
  }
  const optional = (name: string, value: number) => (value === 0 ? {} : { [name]: value });
  return {
    ...(options["health-cmd"] === "" ? {} : { Test: ["CMD-SHELL", options["health-cmd"]] }),
    ...optional("Interval", options["health-interval"]),
    ...optional("Timeout", options["health-timeout"]),
    ...optional("StartPeriod", options["health-start-period"]),
    ...optional("StartInterval", options["health-start-interval"]),
    ...optional("Retries", options["health-retries"]),
  };
}

function splitTmpfs(values: readonly string[]): Record<string, string> {
  const map: Record<string, string> = {};
  for (const value of values) {
    const colon = value.indexOf(":");
    map[colon < 0 ? value : value.slice(0, colon)] = colon < 0 ? "" : value.slice(colon + 1);
  }
  return map;
}

/** One spelling of each: CAP_NET_ADMIN, ALL. */
function normalizeCapabilities(names: readonly string[]): string[] {
  const all = names.map((name) => {
    const upper = name.trim().toUpperCase();
    return upper === "ALL" || upper === "RESET" || upper.startsWith("CAP_") ? upper : `CAP_${upper}`;
  });
  return [...new Set(all)].sort();
}

/** By name; of several with one name the last counts. */
function lastOfEach(limits: readonly Ulimit[]): Ulimit[] {
  return [...new Map(limits.map((limit) => [limit.Name, limit])).values()].sort((a, b) => (a.Name < b.Name ? -1 : 1));
}

function orNull<T>(items: readonly T[]): readonly T[] | null {
  return items.length === 0 ? null : items;
}
