/**
 * The part of Docker's API model (version 1.56) that is stored and passed between parts of the engine: what a client
 * asks for when it creates a container. Field names are Docker's, because they are sent, stored and shown as they are.
 * Only fields that Gantry acts on are here; the API refuses the others when they are set (engine/api/containers).
 */
export type ContainerConfig = {
  Hostname: string;
  Domainname: string;
  User: string;
  AttachStdin: boolean;
  AttachStdout: boolean;
  AttachStderr: boolean;
  Tty: boolean;
  OpenStdin: boolean;
  StdinOnce: boolean;
  Env: string[];
  Cmd: string[] | null;
  Entrypoint: string[] | null;
  Image: string;
  WorkingDir: string;
  Labels: Record<string, string>;
  /** "80/tcp" → {}. */
  ExposedPorts: Record<string, Record<string, never>>;
  Volumes: Record<string, Record<string, never>>;
  StopSignal?: string;
  StopTimeout?: number;
  NetworkDisabled?: boolean;
  ArgsEscaped?: boolean;
  OnBuild?: string[] | null;
  Shell?: string[];
  Healthcheck?: HealthConfig;
};

/** Times in nanoseconds; 0: Docker's default. Test: ["NONE"], ["CMD", …], ["CMD-SHELL", line]; empty: the image's. */
export type HealthConfig = { Test?: string[]; Interval?: number; Timeout?: number; StartPeriod?: number; StartInterval?: number; Retries?: number };

/** `Allow` (ours): prefixes and addresses that may connect; absent: all. */
export type PortBinding = { HostIp: string; HostPort: string; Allow?: string[] };
export type Ulimit = { Name: string; Soft: number; Hard: number };
export type DeviceMapping = { PathOnHost: string; PathInContainer: string; CgroupPermissions: string };

export type Mount = {
  Type: "bind" | "volume" | "tmpfs" | "image";
  Source: string;
  Target: string;
  ReadOnly: boolean;
  Consistency?: string;
  BindOptions?: {
    Propagation?: string;
    NonRecursive?: boolean;
    CreateMountpoint?: boolean;
    ReadOnlyNonRecursive?: boolean;
    ReadOnlyForceRecursive?: boolean;
    /** Ours: "match-user": the owner of the source and the container's user change places. */
    IDMapping?: string;
  };
  VolumeOptions?: { NoCopy?: boolean; Subpath?: string; Labels?: Record<string, string>; DriverConfig?: { Name: string; Options: Record<string, string> } };
  ImageOptions?: { Subpath?: string };
  TmpfsOptions?: { SizeBytes?: number; Mode?: number; Options?: string[][] };
};

export type HostConfig = {
  Binds: string[] | null;
  Mounts: Mount[];
  VolumesFrom: string[] | null;
  /** Of volumes that -v names and those without a name; absent: local. */
  VolumeDriver?: string;
  Tmpfs: Record<string, string>;
  ContainerIDFile: string;
  LogConfig: { Type: string; Config: Record<string, string> };
  /** "default", "bridge", "none", "host", "container:ID". */
  NetworkMode: string;
  /** "other" or "other:alias". */
  Links?: string[] | null;
  /** Ours: what the container may send to; absent: everything. */
  Egress?: EgressPolicy;
  /** Ours: bits per second of its interfaces, each way; absent: no limit. */
  NetworkRate?: { Egress?: number; Ingress?: number };
  PortBindings: Record<string, PortBinding[]>;
  PublishAllPorts: boolean;
  RestartPolicy: { Name: string; MaximumRetryCount: number };
  AutoRemove: boolean;
  CapAdd: string[] | null;
  CapDrop: string[] | null;
  CgroupnsMode: string;
  Dns: string[];
  DnsOptions: string[];
  DnsSearch: string[];
  ExtraHosts: string[] | null;
  GroupAdd: string[] | null;
  IpcMode: string;
  PidMode: string;
  UTSMode: string;
  UsernsMode: string;
  Cgroup: string;
  OomScoreAdj: number;
  Privileged: boolean;
  ReadonlyRootfs: boolean;
  SecurityOpt: string[] | null;
  ShmSize: number;
  Sysctls?: Record<string, string>;
  Runtime: string;
  Init?: boolean;
  ConsoleSize: [number, number];
  Annotations?: Record<string, string>;
  MaskedPaths: string[] | null;
  ReadonlyPaths: string[] | null;
  // Resources.
  CgroupParent: string;
  CpuShares: number;
  NanoCpus: number;
  CpuPeriod: number;
  CpuQuota: number;
  CpusetCpus: string;
  CpusetMems: string;
  Memory: number;
  MemoryReservation: number;
  MemorySwap: number;
  MemorySwappiness: number | null;
  OomKillDisable: boolean | null;
  PidsLimit: number | null;
  BlkioWeight: number;
  Devices: DeviceMapping[];
  DeviceCgroupRules: string[] | null;
  Ulimits: Ulimit[];
};

/** What POST /containers/create asks for, after parsing, defaults and validation by the API. */
export type CreateRequest = {
  config: ContainerConfig;
  hostConfig: HostConfig;
  /** Endpoint settings by network name or id, as asked for. */
  networking: Record<string, EndpointSettings>;
};

export type EndpointSettings = {
  IPAMConfig?: { IPv4Address?: string; IPv6Address?: string; LinkLocalIPs?: string[] } | null;
  /** "other" or "other:alias". */
  Links?: string[] | null;
  Aliases?: string[] | null;
  MacAddress?: string;
  /** com.docker.network.endpoint.ifname, com.docker.network.endpoint.sysctls */
  DriverOpts?: Record<string, string> | null;
  /** The endpoint with the highest gives the default route; equal: by network name. */
  GwPriority?: number;
};

/** Deny all but `Allow`: "host", "host:port", "address", "prefix", each with ":port" or "/protocol" behind it where that makes sense. */
export type EgressPolicy = { Default: "deny" | "allow"; Allow: string[] };

/** What POST /networks/create asks for, after parsing. */
export type NetworkCreateRequest = {
  Name: string;
  /** "" is bridge. */
  Driver: string;
  EnableIPv4: boolean;
  EnableIPv6: boolean;
  Internal: boolean;
  Attachable: boolean;
  Ingress: boolean;
  ConfigOnly: boolean;
  ConfigFrom: string;
  IPAM: { Driver: string; Options?: Record<string, string>; Config: IpamConfig[] };
  Options: Record<string, string>;
  Labels: Record<string, string>;
};

export type IpamConfig = { Subnet?: string; IPRange?: string; Gateway?: string; AuxiliaryAddresses?: Record<string, string> };

/** A stored event, as `docker events` prints it. */
export type EngineEvent = {
  Type: "builder" | "container" | "image" | "volume" | "network" | "daemon";
  Action: string;
  Actor: { ID: string; Attributes: Record<string, string> };
  scope: "local";
  /** Unix nanoseconds. */
  timeNano: bigint;
};
