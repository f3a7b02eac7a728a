/**
 * What the engine can do, as its doors (the REST API) see it. The doors know Docker's JSON; the parts behind these
 * interfaces know containers. Records are plain, immutable values; a door turns them into JSON.
 *
 * `ref` is what a user typed: full id, name (with or without a leading slash) or unique id prefix, looked up in that
 * order. Not found, ambiguous and conflicting states are `Failure`s whose message is Docker's text.
 */
import type { Duplex } from "node:stream";
import type { Failure } from "#base/errors.ts";
import type { Usage } from "#core/tasks/tasks.ts";
import type { Reach } from "#network/explain-reach.ts";
import type { NetworkRecord } from "#network/network.ts";
import type { ContainerConfig, CreateRequest, EndpointSettings, EngineEvent, HostConfig, NetworkCreateRequest, PortBinding } from "#spec/docker.ts";
import type { Health } from "./health/health.ts";

export type PruneOptions = {
  /** Says what would be removed, and removes nothing. */
  readonly dryRun?: boolean;
  /** With `dryRun`: containers, by id, that are thought to be gone already. */
  readonly without?: ReadonlySet<string>;
};

export type Status = "created" | "running" | "paused" | "restarting" | "removing" | "exited" | "dead";

/** A container as stored: what was asked for, what it was given, how it stands. */
export type ContainerRecord = {
  readonly id: string;
  /** Without the leading slash. */
  readonly name: string;
  /** RFC 3339 with nanoseconds, UTC. Unset times are "0001-01-01T00:00:00Z". */
  readonly created: string;
  /** The image as asked for, its id (digest of manifest or index), and the digest of the platform's manifest. */
  readonly image: string;
  readonly imageId: string;
  readonly manifestDigest: string;
  readonly platform: { os: string; architecture: string; variant?: string };
  /** Merged with the image's configuration. */
  readonly config: ContainerConfig;
  readonly hostConfig: HostConfig;
  readonly networking: Readonly<Record<string, EndpointSettings>>;
  /** The command after merging: Path and Args of inspect. */
  readonly path: string;
  readonly args: readonly string[];
  readonly mounts: readonly MountPoint[];
  /** Its mounts are not made yet: after a crash it never was. Volumes of these names were not there before. */
  readonly unfinished?: readonly string[];
  readonly state: {
    readonly status: Status;
    readonly pid: number;
    readonly exitCode: number;
    readonly error: string;
    readonly oomKilled: boolean;
    readonly startedAt: string;
    readonly finishedAt: string;
    /** Of a container with a health check. Not stored: it is found out again. */
    readonly health?: Health;
  };
  readonly restartCount: number;
  /** A user has stopped or killed it since its last start: its restart policy rests. */
  readonly manuallyStopped?: boolean;
  readonly driver: string;
  readonly snapshotKey: string;
  readonly logPath: string;
  readonly hostnamePath: string;
  readonly hostsPath: string;
  readonly resolvConfPath: string;
  /** Networks joined, by name; addresses empty while not running. */
  readonly endpoints: Readonly<Record<string, EndpointRecord>>;
  /** "80/tcp" → host bindings in force while running. */
  readonly ports: Readonly<Record<string, readonly { HostIp: string; HostPort: string }[]>>;
  readonly sandboxKey: string;
  readonly appArmorProfile: string;
  readonly execIds: readonly string[];
};

export type EndpointRecord = {
  readonly networkId: string;
  readonly endpointId: string;
  readonly gateway: string;
  readonly address: string;
  readonly prefixLength: number;
  readonly gateway6: string;
  readonly address6: string;
  readonly prefixLength6: number;
  readonly mac: string;
  readonly aliases: readonly string[];
  /** Names that it has in this network's DNS; absent in older records. */
  readonly dnsNames?: readonly string[];
};

export type MountPoint = {
  readonly Type: "bind" | "volume" | "tmpfs" | "image";
  readonly Name?: string;
  readonly Source: string;
  readonly Destination: string;
  readonly Driver?: string;
  /** As given with -v ("ro,z"); "" for --mount. */
  readonly Mode: string;
  readonly RW: boolean;
  readonly Propagation: string;
  /** A volume made because the image says VOLUME or no name was given: removed with the container (rm -v, --rm). */
  readonly Anonymous?: boolean;
  /** Only this part of a volume or an image. */
  readonly SubPath?: string;
  /** The owner of the source and the container's user change places. */
  readonly IdMap?: boolean;
  /** Of an image: the snapshot that is mounted. */
  readonly Snapshot?: string;
};

export type ListOptions = { all: boolean; limit?: number; filters: Filters };
export type Filters = ReadonlyMap<string, readonly string[]>;

export type Containers = {
  /** `freePorts`: refused when a host port that it asks for is not free; else that is a warning, and matters at the start. */
  create(request: CreateRequest, options: { name?: string; platform?: string; freePorts?: boolean }): Promise<{ id: string; warnings: string[] }>;
  /** Newest first, filtered as Docker does. Ports and names are read from the record. */
  list(options: ListOptions): Promise<ContainerRecord[]>;
  get(ref: string): ContainerRecord;
  start(ref: string, options?: { detachKeys?: string }): Promise<void>;
  /** not-modified when it is not running. timeout: seconds, -1 waits for ever. */
  stop(ref: string, options: { timeout?: number; signal?: string }): Promise<void>;
  restart(ref: string, options: { timeout?: number; signal?: string }): Promise<void>;
  kill(ref: string, signal: string): Promise<void>;
  pause(ref: string): Promise<void>;
  unpause(ref: string): Promise<void>;
  rename(ref: string, name: string): Promise<void>;
  stats(ref: string, options: StatsOptions): AsyncIterable<StatsSample>;
  /** New limits and policy: of a running container at once. What is not in `change` stays. */
  update(ref: string, change: ContainerUpdate): Promise<{ warnings: string[] }>;
  remove(ref: string, options: { force: boolean; volumes: boolean; link?: boolean }): Promise<void>;
  /** `dryRun`: says what would be removed, and removes nothing. */
  prune(filters: Filters, options?: { dryRun?: boolean }): Promise<{ deleted: string[]; reclaimed: number }>;
  wait(ref: string, condition: "not-running" | "next-exit" | "removed", signal: AbortSignal): Promise<{ code: number; error?: string }>;
  resize(ref: string, size: { rows: number; cols: number }): Promise<void>;
  top(ref: string, psArgs: string): Promise<{ titles: string[]; processes: string[][] }>;
  /** Bytes of the writable layer and of the whole root file system. */
  size(ref: string): Promise<{ rw: number; root: number }>;
  /**
   * A raw stream: what is written is stdin (end() is its end), what is read is Docker's frames, or the terminal's bytes.
   * On a created container it waits for the start. Ends when the container's outputs end.
   */
  attach(ref: string, options: AttachOptions): Promise<Duplex>;
  /** Docker's frames (raw for a terminal), as large chunks. Ends at the end of the log, or of the container if followed. */
  logs(ref: string, options: LogOptions): Promise<AsyncIterable<Buffer>>;
  /** What the container is made of, as it stands in the kernel (`gantry explain`). */
  explain(ref: string): Promise<unknown>;
  /** The program that create and start would perform, one line an op; nothing is made. */
  plan(request: CreateRequest, options: { name?: string; platform?: string }): Promise<string[]>;
};

export type StatsOptions = { follow: boolean; oneShot: boolean; signal: AbortSignal };
/** `time`: Unix nanoseconds. */
export type StatsReading = { readonly time: bigint; readonly usage: Usage };
/** `reading`: undefined when it does not run. `before`: the one that rates are told from. */
export type StatsSample = { readonly record: ContainerRecord; readonly reading: StatsReading | undefined; readonly before: StatsReading | undefined };

/** 0, "" and undefined: as it was. PidsLimit: 0 and below are no limit, null is as it was. */
export type ContainerUpdate = Partial<
  Pick<
    HostConfig,
    "Memory" | "MemorySwap" | "MemoryReservation" | "CpuShares" | "NanoCpus" | "CpuPeriod" | "CpuQuota" | "CpusetCpus" | "CpusetMems" | "PidsLimit" | "BlkioWeight" | "RestartPolicy" | "NetworkRate"
  > & {
    /** Ours: ports to publish, and to publish no longer: "80/tcp" → on which host addresses and ports; none named: on all. */
    readonly PublishAdd: Record<string, PortBinding[]>;
    readonly PublishRemove: Record<string, PortBinding[]>;
  }
>;

export type AttachOptions = {
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  logs: boolean;
  stream: boolean;
  detachKeys?: string;
  signal?: AbortSignal;
};

export type LogOptions = {
  stdout: boolean;
  stderr: boolean;
  follow: boolean;
  /** Unix nanoseconds. */
  since?: bigint;
  until?: bigint;
  timestamps: boolean;
  details: boolean;
  /** Lines from the end; undefined: all. */
  tail?: number;
  signal: AbortSignal;
};

export type ExecConfig = {
  Cmd: string[];
  AttachStdin: boolean;
  AttachStdout: boolean;
  AttachStderr: boolean;
  Tty: boolean;
  Env: string[];
  User: string;
  WorkingDir: string;
  Privileged: boolean;
  DetachKeys: string;
  ConsoleSize?: [number, number];
};

export type ExecRecord = {
  readonly id: string;
  readonly containerId: string;
  readonly config: ExecConfig;
  readonly running: boolean;
  /** null until it ended. */
  readonly exitCode: number | null;
  readonly pid: number;
};

export type Execs = {
  create(ref: string, config: ExecConfig): Promise<string>;
  get(id: string): ExecRecord;
  /** Resolves when the process runs; the stream is as for attach. A second start is a conflict. */
  start(id: string, options: { tty: boolean; consoleSize?: [number, number]; stdin: boolean; stdout: boolean; stderr: boolean }): Promise<Duplex>;
  startDetached(id: string): Promise<void>;
  resize(id: string, size: { rows: number; cols: number }): Promise<void>;
};

/** Networks as Docker's users see them (engine/networks). What they are made of is src/network's. */
export type Networks = {
  list(filters: Filters): Promise<NetworkRecord[]>;
  /** By full id, name, then a unique beginning of the id. @throws not-found, invalid (ambiguous) */
  get(ref: string): NetworkRecord;
  create(request: NetworkCreateRequest): Promise<{ id: string; warning: string }>;
  /** @throws forbidden for the predefined ones; forbidden while it has active endpoints (Docker's text) */
  remove(ref: string): Promise<void>;
  prune(filters: Filters, options?: PruneOptions): Promise<{ deleted: string[] }>;
  /** A running container gets the interface at once, another one at its next start. */
  connect(ref: string, container: string, settings: EndpointSettings): Promise<void>;
  /** `force`: also when the container is not known any more. */
  disconnect(ref: string, container: string, options: { force: boolean }): Promise<void>;
  /** Active endpoints by container id, as inspect shows them. */
  members(ref: string): { container: string; name: string; endpoint: EndpointRecord }[];
  /** What can reach a container, what it can reach, and by which rule (`gantry network explain`). */
  explain(container: string): Promise<Reach>;
};

export type VolumeRecord = {
  readonly name: string;
  readonly driver: string;
  readonly mountpoint: string;
  readonly created: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
  readonly anonymous: boolean;
  /** Absent: local. */
  readonly scope?: "local" | "global";
  /** It is a snapshot of the volume that had this name: nobody writes to it. */
  readonly snapshotOf?: string;
};

export type NewVolume = { name?: string; driver?: string; labels?: Record<string, string>; options?: Record<string, string> };

export type Volumes = {
  /** Idempotent by name; another driver is a conflict. No name: 64 hex characters. */
  create(options: NewVolume): Promise<VolumeRecord>;
  /** Those that the engine knows of. */
  list(filters: Filters): VolumeRecord[];
  /** With those that plugins have besides. A plugin that does not answer is a warning. */
  listAll(filters: Filters): Promise<{ volumes: VolumeRecord[]; warnings: string[] }>;
  get(name: string): VolumeRecord;
  /** As its driver knows it; one that only a plugin knows is found, too. */
  inspect(name: string): Promise<{ record: VolumeRecord; status?: Readonly<Record<string, unknown>> }>;
  remove(name: string, options: { force: boolean }): Promise<void>;
  prune(filters: Filters, options?: PruneOptions): Promise<{ deleted: string[]; reclaimed: number }>;
  /** Bytes of its files, and how many containers mount it. @throws not-found; and when its folder is gone */
  usage(name: string): Promise<{ bytes: number; inodes: number; users: number }>;
  /** @throws conflict while a container, running or not, has it; already-exists */
  rename(name: string, to: string): Promise<VolumeRecord>;
  /** A new volume with the same content; it shares blocks where the file system can. Whole, or not there. */
  clone(name: string, wish: { name?: string; labels?: Record<string, string>; signal: AbortSignal }): Promise<VolumeRecord>;
  /** A clone that nobody can write to. */
  snapshot(name: string, wish: { name?: string; labels?: Record<string, string>; signal: AbortSignal }): Promise<VolumeRecord>;
  /** Its content as an archive. */
  export(name: string, options: { signal: AbortSignal }): Promise<AsyncIterable<Uint8Array>>;
  /** A new volume of an archive, compressed or not. Whole, or not there. @throws already-exists; invalid */
  import(archive: AsyncIterable<Uint8Array>, wish: { name?: string; labels?: Record<string, string>; signal: AbortSignal }): Promise<VolumeRecord>;
};

export type Events = {
  /** Stored events of the span, then live ones until `until` or the signal. */
  subscribe(options: { since?: bigint; until?: bigint; filters: Filters; signal: AbortSignal }): AsyncIterable<EngineEvent>;
  publish(event: Omit<EngineEvent, "timeNano" | "scope">): void;
};

/** Text of a start that failed, and the exit code it stands for (126, 127, 128). */
export type StartFailure = Failure & { readonly facts: { readonly exitCode: number } };
