/**
 * The OCI runtime specification (1.2), as far as Linux containers go: what `config.json` of a bundle says, and what the
 * runtime compiles into a program. Field names are the specification's.
 * https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md
 */
export type Spec = {
  readonly ociVersion: string;
  readonly process?: Process;
  readonly root?: { readonly path: string; readonly readonly?: boolean };
  readonly hostname?: string;
  readonly domainname?: string;
  readonly mounts?: readonly Mount[];
  readonly annotations?: Readonly<Record<string, string>>;
  readonly linux?: Linux;
};

export type Process = {
  readonly terminal?: boolean;
  readonly consoleSize?: { readonly height: number; readonly width: number };
  readonly user: User;
  readonly args: readonly string[];
  readonly env?: readonly string[];
  readonly cwd: string;
  readonly capabilities?: Capabilities;
  readonly rlimits?: readonly Rlimit[];
  readonly noNewPrivileges?: boolean;
  readonly apparmorProfile?: string;
  readonly oomScoreAdj?: number;
};

export type User = {
  readonly uid: number;
  readonly gid: number;
  readonly umask?: number;
  readonly additionalGids?: readonly number[];
};

/** Names with the prefix: "CAP_CHOWN". */
export type Capabilities = {
  readonly bounding?: readonly string[];
  readonly effective?: readonly string[];
  readonly permitted?: readonly string[];
  readonly inheritable?: readonly string[];
  readonly ambient?: readonly string[];
};

/** Type is "RLIMIT_NOFILE"; -1 is unlimited. */
export type Rlimit = { readonly type: string; readonly soft: number; readonly hard: number };

/** A source "/proc/PID/root/PATH" is taken from the mount namespace of that process, not through its root link. */
export type Mount = {
  readonly destination: string;
  readonly type?: string;
  readonly source?: string;
  readonly options?: readonly string[];
};

export type NamespaceType = "pid" | "network" | "mount" | "ipc" | "uts" | "user" | "cgroup" | "time";

export type Linux = {
  readonly namespaces?: readonly { readonly type: NamespaceType; readonly path?: string }[];
  readonly uidMappings?: readonly IdMapping[];
  readonly gidMappings?: readonly IdMapping[];
  readonly devices?: readonly Device[];
  /** Absolute path in the cgroup tree: "/gantry/<id>". */
  readonly cgroupsPath?: string;
  readonly resources?: Resources;
  readonly rootfsPropagation?: string;
  readonly seccomp?: Seccomp;
  readonly sysctl?: Readonly<Record<string, string>>;
  readonly maskedPaths?: readonly string[];
  readonly readonlyPaths?: readonly string[];
};

export type IdMapping = { readonly containerID: number; readonly hostID: number; readonly size: number };

export type Device = {
  readonly path: string;
  /** c, u: character; b: block; p: fifo. */
  readonly type: "c" | "b" | "u" | "p";
  readonly major?: number;
  readonly minor?: number;
  readonly fileMode?: number;
  readonly uid?: number;
  readonly gid?: number;
};

/** A rule of the device cgroup. Left out or -1: any. */
export type DeviceRule = {
  readonly allow: boolean;
  readonly type?: "a" | "c" | "b";
  readonly major?: number;
  readonly minor?: number;
  /** Letters of "rwm". */
  readonly access?: string;
};

/** Sizes are bytes; -1 is unlimited. */
export type Resources = {
  readonly devices?: readonly DeviceRule[];
  readonly memory?: {
    readonly limit?: number;
    readonly reservation?: number;
    /** Memory and swap together. */
    readonly swap?: number;
    readonly swappiness?: number;
    readonly disableOOMKiller?: boolean;
  };
  readonly cpu?: {
    readonly shares?: number;
    readonly quota?: number;
    readonly period?: number;
    readonly cpus?: string;
    readonly mems?: string;
  };
  readonly pids?: { readonly limit: number };
  readonly blockIO?: { readonly weight?: number };
};

export type SeccompAction =
  | "SCMP_ACT_KILL"
  | "SCMP_ACT_KILL_PROCESS"
  | "SCMP_ACT_KILL_THREAD"
  | "SCMP_ACT_TRAP"
  | "SCMP_ACT_ERRNO"
  | "SCMP_ACT_TRACE"
  | "SCMP_ACT_ALLOW"
  | "SCMP_ACT_LOG"
  | "SCMP_ACT_NOTIFY";

export type SeccompOperator =
  | "SCMP_CMP_NE"
  | "SCMP_CMP_LT"
  | "SCMP_CMP_LE"
  | "SCMP_CMP_EQ"
  | "SCMP_CMP_GE"
  | "SCMP_CMP_GT"
  | "SCMP_CMP_MASKED_EQ";

/** value and valueTwo are unsigned 64-bit; for MASKED_EQ: argument & value == valueTwo. */
export type SeccompArg = {
  readonly index: number;
  readonly value: number;
  readonly valueTwo?: number;
  readonly op: SeccompOperator;
};

export type SeccompRule = {
  readonly names: readonly string[];
  readonly action: SeccompAction;
  readonly errnoRet?: number;
  readonly args?: readonly SeccompArg[];
};

export type Seccomp = {
  readonly defaultAction: SeccompAction;
  readonly defaultErrnoRet?: number;
  /** "SCMP_ARCH_X86_64". */
  readonly architectures?: readonly string[];
  /** "SECCOMP_FILTER_FLAG_LOG". */
  readonly flags?: readonly string[];
  readonly syscalls?: readonly SeccompRule[];
};
