/**
 * The body of POST /containers/create becomes a CreateRequest: older clients' habits translated, Docker's defaults filled
 * in, Docker's checks made. Pure: what needs the disk or other containers (does a bind's source exist, is a name taken)
 * is for who creates.
 *
 *     const { request, warnings } = parseCreateRequest(json, { version: 50, host });
 */
import { fail } from "#base/errors.ts";
import type { Json } from "#base/json.ts";
import type { ContainerConfig, CreateRequest, EgressPolicy, EndpointSettings, HostConfig, PortBinding } from "#spec/docker.ts";
import { settingsOf } from "../networks/endpoint.ts";
import { type CreateBody, decodeCreateBody, type MountBody } from "./create-body.ts";
import { translateOldClient } from "./create-compat.ts";
import { refuseUnsupported } from "./unsupported.ts";
import { checkConfig } from "./check-config.ts";
import { checkModes } from "./check-modes.ts";
import { checkMounts } from "./check-mounts.ts";
import { checkResources } from "./check-resources.ts";

export type CreateHost = {
  readonly cpus: number;
  readonly memoryNodes: number;
  readonly cgroupVersion: "1" | "2";
  /** What the configuration of the engine says when the request does not. */
  readonly shmSize: number;
  readonly ipcMode: string;
  readonly cgroupnsMode: string;
  readonly logDriver: string;
  readonly logOptions: Readonly<Record<string, string>>;
};

export type ParsedCreate = { readonly request: CreateRequest; readonly warnings: string[] };

export function parseCreateRequest(json: Json, options: { version: number; host: CreateHost }): ParsedCreate {
  const body = decodeCreateBody(json, "ContainerCreateRequest");
  if (json === null || isBlank(json)) throw fail("invalid", "config cannot be empty in order to create a container");
  const warnings = translateOldClient(body, options.version, options.host);
  checkConfig(body, options.host);
  checkModes(body, warnings);
  checkMounts(body.HostConfig);
  checkResources(body.HostConfig, options.host, warnings);
  refuseUnsupported(body);
  return { request: { config: configOf(body), hostConfig: hostConfigOf(body, options.host), networking: networkingOf(body) }, warnings };
}

const isBlank = (json: Json) => typeof json === "object" && json !== null && Object.keys(json).length === 0;

function configOf(body: CreateBody): ContainerConfig {
  return {
    Hostname: body.Hostname,
    Domainname: body.Domainname,
    User: body.User,
    AttachStdin: body.AttachStdin,
    AttachStdout: body.AttachStdout,
    AttachStderr: body.AttachStderr,
    Tty: body.Tty,
    OpenStdin: body.OpenStdin,
    StdinOnce: body.StdinOnce,
    Env: body.Env ?? [],
    Cmd: body.Cmd,
    Entrypoint: body.Entrypoint,
    Image: body.Image,
    WorkingDir: body.WorkingDir,
    Labels: plain(body.Labels),
    ExposedPorts: emptyObjects(body.ExposedPorts),
    Volumes: emptyObjects(body.Volumes),
    ...(body.StopSignal === undefined || body.StopSignal === "" ? {} : { StopSignal: body.StopSignal }),
    ...(body.StopTimeout === undefined ? {} : { StopTimeout: body.StopTimeout }),
    ...(body.NetworkDisabled === true ? { NetworkDisabled: true } : {}),
    ...(body.ArgsEscaped === true ? { ArgsEscaped: true } : {}),
    OnBuild: body.OnBuild,
    ...(body.Shell === null ? {} : { Shell: body.Shell }),
    ...healthcheckOf(body),
  };
}

function healthcheckOf({ Healthcheck: given }: CreateBody): Pick<ContainerConfig, "Healthcheck"> {
  if (given === undefined) return {};
  return { Healthcheck: Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined && value !== null)) };
}

function hostConfigOf(body: CreateBody, host: CreateHost): HostConfig {
  const given = body.HostConfig;
  const logType = given.LogConfig.Type === "" ? host.logDriver : given.LogConfig.Type;
  const logOptions = plain(given.LogConfig.Config);
  return {
    Binds: given.Binds,
    Mounts: (given.Mounts ?? []).map(mountOf),
    VolumesFrom: given.VolumesFrom,
    ...(given.VolumeDriver === "" ? {} : { VolumeDriver: given.VolumeDriver }),
    Tmpfs: plain(given.Tmpfs),
    ContainerIDFile: given.ContainerIDFile,
    LogConfig: { Type: logType, Config: logType === host.logDriver ? { ...host.logOptions, ...logOptions } : logOptions },
    NetworkMode: given.NetworkMode,
    PortBindings: portBindingsOf(given.PortBindings),
    ...(given.Links === null ? {} : { Links: given.Links }),
    ...(given.Egress === undefined ? {} : { Egress: egressOf(given.Egress) }),
    ...(given.NetworkRate === undefined ? {} : { NetworkRate: withoutUndefined(given.NetworkRate) }),
    PublishAllPorts: given.PublishAllPorts,
    RestartPolicy: { Name: given.RestartPolicy.Name === "" ? "no" : given.RestartPolicy.Name, MaximumRetryCount: given.RestartPolicy.MaximumRetryCount },
    AutoRemove: given.AutoRemove,
    CapAdd: given.CapAdd,
    CapDrop: given.CapDrop,
    CgroupnsMode: given.CgroupnsMode || host.cgroupnsMode || (host.cgroupVersion === "2" ? "private" : "host"),
    Dns: given.Dns ?? [],
    DnsOptions: given.DnsOptions ?? [],
    DnsSearch: given.DnsSearch ?? [],
    ExtraHosts: given.ExtraHosts,
    GroupAdd: given.GroupAdd,
    IpcMode: given.IpcMode || host.ipcMode,
    PidMode: given.PidMode,
    UTSMode: given.UTSMode,
    UsernsMode: given.UsernsMode,
    Cgroup: given.Cgroup,
    OomScoreAdj: given.OomScoreAdj,
    Privileged: given.Privileged,
    ReadonlyRootfs: given.ReadonlyRootfs,
    SecurityOpt: given.SecurityOpt,
    ShmSize: given.ShmSize === 0 ? host.shmSize : given.ShmSize,
    ...(given.Sysctls === null ? {} : { Sysctls: plain(given.Sysctls) }),
    Runtime: given.Runtime === "" ? "runc" : given.Runtime,
    ...(given.Init === null ? {} : { Init: given.Init }),
    ConsoleSize: [given.ConsoleSize?.[0] ?? 0, given.ConsoleSize?.[1] ?? 0],
    ...(given.Annotations === null ? {} : { Annotations: plain(given.Annotations) }),
    MaskedPaths: given.MaskedPaths,
    ReadonlyPaths: given.ReadonlyPaths,
    CgroupParent: given.CgroupParent,
    CpuShares: given.CpuShares,
    NanoCpus: given.NanoCpus,
    CpuPeriod: given.CpuPeriod,
    CpuQuota: given.CpuQuota,
    CpusetCpus: given.CpusetCpus,
    CpusetMems: given.CpusetMems,
    Memory: given.Memory,
    MemoryReservation: given.MemoryReservation,
    // As much swap as memory, unless said otherwise.
    MemorySwap: given.Memory > 0 && given.MemorySwap === 0 ? 2 * given.Memory : given.MemorySwap,
    MemorySwappiness: given.MemorySwappiness === -1 ? null : given.MemorySwappiness,
    OomKillDisable: given.OomKillDisable ?? false,
    PidsLimit: given.PidsLimit !== null && given.PidsLimit <= 0 ? null : given.PidsLimit,
    BlkioWeight: given.BlkioWeight,
    Devices: given.Devices ?? [],
    DeviceCgroupRules: given.DeviceCgroupRules,
    Ulimits: given.Ulimits ?? [],
  };
}

function egressOf({ Default, Allow }: NonNullable<CreateBody["HostConfig"]["Egress"]>): EgressPolicy {
  return { Default: Default === "allow" ? "allow" : "deny", Allow: Allow ?? [] };
}

function mountOf(mount: MountBody): HostConfig["Mounts"][number] {
  const { BindOptions: bind, VolumeOptions: volume, TmpfsOptions: tmpfs, ImageOptions: image } = mount;
  return {
    Type: mount.Type as HostConfig["Mounts"][number]["Type"],
    Source: mount.Source,
    Target: mount.Target,
    ReadOnly: mount.ReadOnly,
    ...(mount.Consistency ? { Consistency: mount.Consistency } : {}),
    ...(bind === undefined ? {} : { BindOptions: withoutUndefined(bind) }),
    ...(volume === undefined ? {} : { VolumeOptions: volumeOptionsOf(volume) }),
    ...(tmpfs === undefined ? {} : { TmpfsOptions: tmpfsOptionsOf(tmpfs) }),
    ...(image === undefined ? {} : { ImageOptions: withoutUndefined(image) }),
  };
}

function volumeOptionsOf(volume: NonNullable<MountBody["VolumeOptions"]>) {
  const { NoCopy, Labels, DriverConfig, Subpath } = volume;
  return {
    ...(Subpath ? { Subpath } : {}),
    ...(NoCopy === undefined ? {} : { NoCopy }),
    ...(Labels ? { Labels: plain(Labels) } : {}),
    ...(DriverConfig === undefined ? {} : { DriverConfig: { Name: DriverConfig.Name, Options: plain(DriverConfig.Options) } }),
  };
}

function tmpfsOptionsOf(tmpfs: NonNullable<MountBody["TmpfsOptions"]>) {
  const { SizeBytes, Mode, Options } = tmpfs;
  return {
    ...(SizeBytes === undefined ? {} : { SizeBytes }),
    ...(Mode === undefined ? {} : { Mode }),
    ...(Options ? { Options: Options.map((option) => option ?? []) } : {}),
  };
}

function networkingOf(body: CreateBody): Record<string, EndpointSettings> {
  const endpoints = Object.entries(body.NetworkingConfig.EndpointsConfig ?? {});
  return Object.fromEntries(endpoints.map(([name, endpoint]) => [name, settingsOf(endpoint)]));
}

/** "80" means "80/tcp". */
function portBindingsOf(given: CreateBody["HostConfig"]["PortBindings"]): HostConfig["PortBindings"] {
  const entries = Object.entries(given ?? {}).map(([port, bindings]) => [port.includes("/") ? port : `${port}/tcp`, (bindings ?? []).map(bindingOf)] as const);
  return Object.fromEntries(entries);
}

function bindingOf({ HostIp, HostPort, Allow }: { HostIp: string; HostPort: string; Allow?: string[] | null | undefined }): PortBinding {
  return { HostIp, HostPort, ...(Allow ? { Allow } : {}) };
}

/** Maps by names that are data come without a prototype; what is stored and compared is a plain object. */
function plain<T>(record: Readonly<Record<string, T>> | null): Record<string, T> {
  return Object.fromEntries(Object.entries(record ?? {}));
}

function emptyObjects(record: Readonly<Record<string, unknown>> | null): Record<string, Record<string, never>> {
  return Object.fromEntries(Object.keys(record ?? {}).map((name) => [name, {}]));
}

function withoutUndefined<T extends object>(object: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as { [K in keyof T]: Exclude<T[K], undefined> };
}
