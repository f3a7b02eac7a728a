/**
 * What was asked for, what the image says and who the user is → the OCI runtime specification, with Docker's defaults:
 * the hardening contract. Pure: everything that is looked up is handed in.
 *
 *     const user = resolveUser(config.User, files, hostConfig.GroupAdd ?? []);
 *     const devices = await containerDevices(hostConfig);
 *     const spec = containerSpec({ ...record, user, devices, host, files, joined });
 */
import { fail } from "#base/errors.ts";
import type { HostFacts } from "#runtime/compile.ts";
import { cgroupPath } from "#spec/cgroup-path.ts";
import type { ContainerConfig, HostConfig } from "#spec/docker.ts";
import { kernelAtLeast } from "#spec/kernel.ts";
import type { NamespaceType, Process, Rlimit, Spec } from "#spec/oci-runtime.ts";
import { type Profile, resolveProfile } from "#spec/seccomp-profile.ts";
import type { MountPoint } from "../../engine.ts";
import { allCapabilities, containerCapabilities } from "./capabilities.ts";
import type { ContainerDevices } from "./devices.ts";
import { containerResources } from "./resources.ts";
import { parseSecurityOptions } from "./security-options.ts";
import { INIT_INSIDE, specMounts, usesInit } from "./spec-mounts.ts";
import { containerSysctls } from "./sysctls.ts";
import type { ResolvedUser } from "./user.ts";

export type SpecInput = {
  readonly id: string;
  readonly config: ContainerConfig;
  readonly hostConfig: HostConfig;
  /** The command after merging with the image. */
  readonly path: string;
  readonly args: readonly string[];
  readonly mounts: readonly MountPoint[];
  readonly user: ResolvedUser;
  readonly devices: ContainerDevices;
  readonly host: HostFacts;
  /** Files of the host that are mounted at /etc/hostname, /etc/hosts, /etc/resolv.conf; "" leaves one out. */
  readonly files: { readonly hostname: string; readonly hosts: string; readonly resolvConf: string };
  /** Pid of the first process of the container named by a mode "container:ID". */
  readonly joined: { readonly network?: number; readonly ipc?: number; readonly pid?: number };
  /** The program behind --init: `build/init`. */
  readonly initPath?: string;
  /** What the engine's configuration says where the request says nothing. */
  readonly defaults?: {
    readonly noNewPrivileges?: boolean;
    readonly profile?: Profile | "unconfined";
    readonly ulimits?: HostConfig["Ulimits"];
    readonly cgroupParent?: string;
    readonly cgroupnsMode?: string;
    readonly ipcMode?: string;
  };
};

/** Covered in every container that is not privileged. */
export const DEFAULT_MASKED_PATHS = [
  "/proc/acpi",
  "/proc/asound",
  "/proc/interrupts",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/sys/devices/virtual/powercap",
  "/sys/firmware",
] as const;

export const DEFAULT_READONLY_PATHS = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"] as const;

export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** @throws invalid, not-implemented, with Docker's texts */
export function containerSpec(input: SpecInput): Spec {
  const { config, hostConfig, host, id } = input;
  const security = securityOf(input);
  const modes = namespaceModes(input);
  const own = { network: modes.network === "new", ipc: modes.ipc === "new", uts: modes.uts === "new" };
  const capabilities = grantedCapabilities(containerCapabilities(hostConfig, host.lastCapability), host);
  const seccomp = security.seccomp && resolveProfile(security.seccomp, { arch: host.arch, kernel: host.kernel, capabilities });
  const { mounts, propagation } = specMounts(input, { writableCgroups: security.writableCgroups, ipc: modes.ipc });
  return {
    ociVersion: "1.2.0",
    process: containerProcess(input, capabilities, security.noNewPrivileges),
    root: { path: "rootfs", readonly: hostConfig.ReadonlyRootfs },
    ...(own.uts ? { hostname: config.Hostname, domainname: config.Domainname } : {}),
    mounts,
    linux: {
      namespaces: namespacesOf(modes),
      cgroupsPath: cgroupPath(hostConfig.CgroupParent || input.defaults?.cgroupParent || "", id),
      resources: { devices: [...input.devices.rules], ...containerResources(hostConfig) },
      devices: [...input.devices.devices],
      sysctl: containerSysctls(hostConfig.Sysctls ?? {}, own),
      maskedPaths: hostConfig.Privileged ? [] : (hostConfig.MaskedPaths ?? maskedPaths(host)),
      readonlyPaths: hostConfig.Privileged ? [] : (hostConfig.ReadonlyPaths ?? [...DEFAULT_READONLY_PATHS]),
      ...(seccomp === undefined ? {} : { seccomp }),
      ...(propagation === undefined ? {} : { rootfsPropagation: propagation }),
    },
  };
}

/** The list for this host: also what each processor says about its heat. */
export function maskedPaths(host: Pick<HostFacts, "thermalThrottle">): string[] {
  return [...DEFAULT_MASKED_PATHS, ...host.thermalThrottle];
}

export type ExecInput = SpecInput & {
  readonly exec: {
    readonly Cmd: readonly string[];
    readonly Env: readonly string[];
    readonly Tty: boolean;
    readonly WorkingDir: string;
    readonly Privileged: boolean;
    readonly ConsoleSize?: [number, number];
  };
};

/** A process that joins the container; `user` is the one it runs as. */
export function execProcess(input: ExecInput): Process {
  const { exec, config, hostConfig, host, user } = input;
  const capabilities = exec.Privileged ? allCapabilities(host.lastCapability) : containerCapabilities(hostConfig, host.lastCapability);
  const base = mergeEnvironment(daemonEnvironment(config, exec.Tty), config.Env);
  return {
    ...processOf(input, { capabilities: grantedCapabilities(capabilities, host), noNewPrivileges: securityOf(input).noNewPrivileges }),
    terminal: exec.Tty,
    args: exec.Cmd,
    env: withHome(mergeEnvironment(base, exec.Env), user.home),
    cwd: exec.WorkingDir || config.WorkingDir || "/",
    ...consoleSize(exec.Tty, exec.ConsoleSize ?? [0, 0]),
  };
}

function securityOf({ hostConfig, defaults }: SpecInput) {
  return parseSecurityOptions(hostConfig.SecurityOpt ?? [], {
    privileged: hostConfig.Privileged,
    noNewPrivileges: defaults?.noNewPrivileges ?? false,
    ...(defaults?.profile === undefined ? {} : { profile: defaults.profile }),
  });
}

function containerProcess(input: SpecInput, capabilities: readonly string[], noNewPrivileges: boolean): Process {
  const { config, hostConfig, user } = input;
  const command = [input.path, ...input.args];
  return {
    ...processOf(input, { capabilities, noNewPrivileges }),
    terminal: config.Tty,
    args: usesInit(input) ? [INIT_INSIDE, "--", ...command] : command,
    env: withHome(mergeEnvironment(daemonEnvironment(config, config.Tty), config.Env), user.home),
    cwd: config.WorkingDir || "/",
    ...consoleSize(config.Tty, hostConfig.ConsoleSize),
  };
}

const consoleSize = (terminal: boolean, [height, width]: readonly [number, number]) => (terminal && height > 0 && width > 0 ? { consoleSize: { height, width } } : {});

/** Who is not root has what execve would leave: nothing but the bound. */
function processOf({ hostConfig, user, defaults }: SpecInput, { capabilities, noNewPrivileges }: { capabilities: readonly string[]; noNewPrivileges: boolean }) {
  const used = user.uid === 0 ? capabilities : [];
  return {
    user: { uid: user.uid, gid: user.gid, additionalGids: user.groups },
    capabilities: { bounding: capabilities, effective: used, permitted: used, inheritable: [], ambient: [] },
    rlimits: rlimits([...(defaults?.ulimits ?? []), ...(hostConfig.Ulimits ?? [])]),
    noNewPrivileges,
    oomScoreAdj: hostConfig.OomScoreAdj,
  } satisfies Partial<Process>;
}

/** Nobody can hand out what he does not have. */
function grantedCapabilities(names: readonly string[], host: HostFacts): string[] {
  const all = allCapabilities(host.lastCapability);
  return names.filter((name) => (host.capabilities >> BigInt(all.indexOf(name))) & 1n);
}

/** Of equal names the last counts. */
function rlimits(ulimits: HostConfig["Ulimits"]): Rlimit[] {
  const byName = new Map(ulimits.map(({ Name, Soft, Hard }) => [Name.toLowerCase(), { type: `RLIMIT_${Name.toUpperCase()}`, soft: Soft, hard: Hard }]));
  return [...byName.values()];
}

function daemonEnvironment(config: ContainerConfig, terminal: boolean): string[] {
  return [`PATH=${DEFAULT_PATH}`, `HOSTNAME=${config.Hostname}`, ...(terminal ? ["TERM=xterm"] : [])];
}

/** Values replace in place, new ones follow; a name without "=" takes the variable away. */
export function mergeEnvironment(base: readonly string[], more: readonly string[]): string[] {
  const entries = new Map(base.map((entry) => [nameOf(entry), entry]));
  for (const entry of more) {
    if (entry.includes("=")) entries.set(nameOf(entry), entry);
    else entries.delete(entry);
  }
  return [...entries.values()];
}

const nameOf = (entry: string) => entry.slice(0, entry.includes("=") ? entry.indexOf("=") : entry.length);

/** Last, as the runtime below dockerd adds it. */
function withHome(env: readonly string[], home: string): string[] {
  const set = env.find((entry) => entry.startsWith("HOME="));
  return set !== undefined && set !== "HOME=" ? [...env] : [...env.filter((entry) => entry !== "HOME="), `HOME=${home}`];
}

/** Of each namespace: a new one, the host's, or one that is joined by its path. */
export type NamespaceModes = Readonly<Record<"network" | "ipc" | "pid" | "uts" | "cgroup" | "time", "new" | "host" | { readonly path: string }>>;

function namespaceModes({ hostConfig, joined, host, defaults }: SpecInput): NamespaceModes {
  const cgroupns = hostConfig.CgroupnsMode || defaults?.cgroupnsMode || (host.cgroups.version === "v2" ? "private" : "host");
  return {
    network: modeOf(hostConfig.NetworkMode, joined.network, "net"),
    ipc: modeOf(hostConfig.IpcMode || defaults?.ipcMode || "private", joined.ipc, "ipc"),
    pid: modeOf(hostConfig.PidMode, joined.pid, "pid"),
    uts: hostConfig.UTSMode === "host" ? "host" : "new",
    cgroup: cgroupns === "host" ? "host" : "new",
    time: kernelAtLeast(host, 5, 6) ? "new" : "host",
  };
}

function modeOf(mode: string, pid: number | undefined, file: string): "new" | "host" | { path: string } {
  if (mode === "host") return "host";
  if (!mode.startsWith("container:")) return "new";
  if (pid === undefined || pid <= 0) throw fail("conflict", `cannot join ${file} of a non running container: ${mode.slice("container:".length)}`);
  return { path: `/proc/${pid}/ns/${file}` };
}

function namespacesOf(modes: NamespaceModes): { type: NamespaceType; path?: string }[] {
  const types = ["pid", "network", "ipc", "uts", "cgroup", "time"] as const;
  const listed = types.flatMap((type) => {
    const mode = modes[type];
    return mode === "host" ? [] : [{ type, ...(mode === "new" ? {} : { path: mode.path }) }];
  });
  return [...listed, { type: "mount" }];
}
