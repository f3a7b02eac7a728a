/** The body of POST /containers/create as sent: every field of Docker's model, decoded and typed, nothing judged. */
import { any, boolean, type Decoder, int, list, nullable, optional, record, string, struct } from "../decode.ts";
import { decodeEndpoint } from "../networks/endpoint.ts";

const strings = list(string);
const options = record(string);

const mount = struct({
  Type: string,
  Source: string,
  Target: string,
  ReadOnly: boolean,
  Consistency: optional(string),
  BindOptions: optional(
    struct({
      Propagation: optional(string),
      NonRecursive: optional(boolean),
      CreateMountpoint: optional(boolean),
      ReadOnlyNonRecursive: optional(boolean),
      ReadOnlyForceRecursive: optional(boolean),
    }),
  ),
  VolumeOptions: optional(
    struct({
      NoCopy: optional(boolean),
      Labels: optional(options),
      Subpath: optional(string),
      DriverConfig: optional(struct({ Name: string, Options: options })),
    }),
  ),
  TmpfsOptions: optional(struct({ SizeBytes: optional(int), Mode: optional(int), Options: optional(list(list(string))) })),
  ImageOptions: any,
  ClusterOptions: any,
});

/** nullable numbers are Go's pointers: null and 0 differ. */
const hostConfig = struct({
  Binds: strings,
  Mounts: list(mount),
  VolumesFrom: strings,
  Tmpfs: options,
  ContainerIDFile: string,
  LogConfig: struct({ Type: string, Config: options }),
  NetworkMode: string,
  PortBindings: record(list(struct({ HostIp: string, HostPort: string, Allow: optional(list(string)) }))),
  Links: strings,
  Egress: optional(struct({ Default: string, Allow: strings })),
  NetworkRate: optional(struct({ Egress: optional(int), Ingress: optional(int) })),
  PublishAllPorts: boolean,
  RestartPolicy: struct({ Name: string, MaximumRetryCount: int }),
  AutoRemove: boolean,
  CapAdd: strings,
  CapDrop: strings,
  CgroupnsMode: string,
  Dns: strings,
  DnsOptions: strings,
  DnsSearch: strings,
  ExtraHosts: strings,
  GroupAdd: strings,
  IpcMode: string,
  PidMode: string,
  UTSMode: string,
  UsernsMode: string,
  Cgroup: string,
  OomScoreAdj: int,
  Privileged: boolean,
  ReadonlyRootfs: boolean,
  SecurityOpt: strings,
  ShmSize: int,
  Sysctls: options,
  Runtime: string,
  Init: nullable(boolean),
  ConsoleSize: list(int),
  Annotations: options,
  MaskedPaths: strings,
  ReadonlyPaths: strings,
  CgroupParent: string,
  CpuShares: int,
  NanoCpus: int,
  CpuPeriod: int,
  CpuQuota: int,
  CpusetCpus: string,
  CpusetMems: string,
  Memory: int,
  MemoryReservation: int,
  MemorySwap: int,
  MemorySwappiness: nullable(int),
  OomKillDisable: nullable(boolean),
  PidsLimit: nullable(int),
  BlkioWeight: int,
  Devices: list(struct({ PathOnHost: string, PathInContainer: string, CgroupPermissions: string })),
  DeviceCgroupRules: strings,
  Ulimits: list(struct({ Name: string, Soft: int, Hard: int })),
  // Known, not acted on: see unsupported.ts.
  VolumeDriver: string,
  Isolation: string,
  StorageOpt: options,
  BlkioWeightDevice: any,
  BlkioDeviceReadBps: any,
  BlkioDeviceWriteBps: any,
  BlkioDeviceReadIOps: any,
  BlkioDeviceWriteIOps: any,
  CpuRealtimePeriod: int,
  CpuRealtimeRuntime: int,
  CpuCount: int,
  CpuPercent: int,
  IOMaximumIOps: int,
  IOMaximumBandwidth: int,
  DeviceRequests: any,
  KernelMemory: int,
  KernelMemoryTCP: int,
});

const word: Decoder<string[] | null> = (value, path) => (typeof value === "string" ? [value] : strings(value, path));

const body = struct({
  Hostname: string,
  Domainname: string,
  User: string,
  AttachStdin: boolean,
  AttachStdout: boolean,
  AttachStderr: boolean,
  Tty: boolean,
  OpenStdin: boolean,
  StdinOnce: boolean,
  Env: strings,
  // Early clients sent one string; Go still takes it.
  Cmd: word,
  Entrypoint: word,
  Image: string,
  WorkingDir: string,
  Labels: options,
  ExposedPorts: record(any),
  Volumes: record(any),
  StopSignal: optional(string),
  StopTimeout: optional(int),
  NetworkDisabled: optional(boolean),
  ArgsEscaped: optional(boolean),
  OnBuild: strings,
  Shell: strings,
  MacAddress: string,
  Healthcheck: optional(
    struct({
      Test: optional(strings),
      Interval: optional(int),
      Timeout: optional(int),
      StartPeriod: optional(int),
      StartInterval: optional(int),
      Retries: optional(int),
    }),
  ),
  HostConfig: hostConfig,
  NetworkingConfig: struct({ EndpointsConfig: record(nullable(decodeEndpoint)) }),
});

export const decodeCreateBody = body;
export type CreateBody = ReturnType<typeof body>;
export type HostConfigBody = CreateBody["HostConfig"];
export type MountBody = NonNullable<HostConfigBody["Mounts"]>[number];
