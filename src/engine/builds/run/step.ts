/** A step as the engine's code for containers wants it: a record that is nowhere written down. */
import { randomBytes } from "node:crypto";
import { formatTime, nowNanos, ZERO_TIME } from "#base/clock.ts";
import { fail } from "#base/errors.ts";
import type { ExecOp } from "#builder/graph.ts";
import type { StepContext } from "#builder/solve/solve.ts";
import type { HostConfig } from "#spec/docker.ts";
import { hostPlatform } from "#spec/platform.ts";
import type { ContainerRecord, MountPoint } from "../../engine.ts";
import type { Context } from "../../containers/context.ts";
import { containerFolder } from "../../containers/folders.ts";
import { settleNetworking } from "../../containers/networking/endpoints.ts";
import { checkResources } from "../../containers/spec/resources.ts";
import { availableParallelism } from "node:os";

/** As BuildKit's, so that what a step writes does not differ from build to build. */
const HOSTNAME = "buildkitsandbox";

/** What a step has mounted besides what every container has. */
type StepMounts = { readonly points: readonly MountPoint[]; readonly env: readonly string[]; readonly tmpfs: HostConfig["Mounts"] };

/** 64 hexadecimal digits, as a container's: its task, cgroup, endpoint and folder are called so. */
export const newStepId = (): string => randomBytes(32).toString("hex");

/** @throws invalid, for limits that dockerd would refuse; forbidden, for what the build is not entitled to */
export function stepRecord(ctx: Context, id: string, op: ExecOp, mounts: StepMounts, context: Pick<StepContext, "run">): ContainerRecord {
  const hostConfig = stepHostConfig(ctx, op, mounts, context);
  checkResources(hostConfig, { cgroups: ctx.host.cgroups, cpus: availableParallelism() });
  const folder = containerFolder(ctx, id);
  const [path = "", ...args] = op.args;
  if (path === "") throw fail("invalid", "RUN: no command specified");
  return {
    id,
    name: id.slice(0, 12),
    created: formatTime(nowNanos()),
    image: "",
    imageId: "",
    manifestDigest: "",
    platform: hostPlatform(),
    config: {
      Hostname: op.hostname || HOSTNAME, Domainname: "", User: op.user, AttachStdin: false, AttachStdout: true, AttachStderr: true, Tty: false, OpenStdin: false, StdinOnce: false,
      Env: firstOfEach([...op.env, ...mounts.env, ...op.proxies]), Cmd: [...op.args], Entrypoint: null, Image: "", WorkingDir: op.cwd, Labels: {}, ExposedPorts: {}, Volumes: {},
      // As a container's, where the engine keeps no bridge.
      ...(ctx.config.network.bridge === "none" && isDefault(hostConfig.NetworkMode) ? { NetworkDisabled: true } : {}),
    },
    hostConfig,
    path,
    args,
    mounts: mounts.points,
    state: { status: "created", pid: 0, exitCode: 0, error: "", oomKilled: false, startedAt: ZERO_TIME, finishedAt: ZERO_TIME },
    restartCount: 0,
    driver: ctx.snapshots.driver,
    snapshotKey: id,
    logPath: "",
    hostnamePath: `${folder}/hostname`,
    hostsPath: `${folder}/hosts`,
    resolvConfPath: `${folder}/resolv.conf`,
    ...settleNetworking(ctx, hostConfig.NetworkMode, {}),
    ports: {},
    sandboxKey: "",
    appArmorProfile: "",
    execIds: [],
  };
}

/** The first to set a variable has it. */
function firstOfEach(env: readonly string[]): string[] {
  const names = new Set<string>();
  return env.filter((entry) => {
    const name = entry.split("=", 1)[0]!;
    return !names.has(name) && names.add(name);
  });
}

const isDefault = (mode: string) => ["", "default", "bridge"].includes(mode);

/** What the step's mode is when it says none of its own. */
export const networkModeOf = (op: Pick<ExecOp, "network">, { run }: Pick<StepContext, "run">): string => (op.network === "default" || op.network === "" ? run.network || "default" : op.network);

/** The classic builder takes a container's network, too. @throws not-found */
const withId = ({ store }: Context, mode: string) => (mode.startsWith("container:") ? `container:${store.find(mode.slice("container:".length)).id}` : mode);

/** What `docker run` without options sends, and what the build says for all its steps. */
function stepHostConfig(ctx: Context, op: ExecOp, { tmpfs }: StepMounts, context: Pick<StepContext, "run">): HostConfig {
  const { run } = context;
  const insecure = op.security === "insecure";
  const limits = run.limits as Partial<HostConfig>;
  const memory = limits.Memory ?? 0;
  return {
    Binds: null, Mounts: tmpfs, VolumesFrom: null, Tmpfs: {}, ContainerIDFile: "", LogConfig: { Type: "none", Config: {} },
    NetworkMode: withId(ctx, networkModeOf(op, context)), PortBindings: {}, PublishAllPorts: false, RestartPolicy: { Name: "no", MaximumRetryCount: 0 }, AutoRemove: false,
    CapAdd: null, CapDrop: null, CgroupnsMode: "", Dns: [], DnsOptions: [], DnsSearch: [], ExtraHosts: [...run.extraHosts], GroupAdd: null,
    IpcMode: "", PidMode: "", UTSMode: "", UsernsMode: "", Cgroup: "", OomScoreAdj: 0, Privileged: insecure, ReadonlyRootfs: false, SecurityOpt: null,
    ShmSize: run.shmSize || ctx.config.containers.shmSize, Runtime: "runc", Init: false, ConsoleSize: [0, 0], MaskedPaths: null, ReadonlyPaths: null,
    CgroupParent: run.cgroupParent, NanoCpus: 0, CpuShares: limits.CpuShares ?? 0, CpuPeriod: limits.CpuPeriod ?? 0, CpuQuota: limits.CpuQuota ?? 0,
    CpusetCpus: limits.CpusetCpus ?? "", CpusetMems: limits.CpusetMems ?? "", Memory: memory, MemoryReservation: 0,
    MemorySwap: limits.MemorySwap || (memory > 0 ? 2 * memory : 0), MemorySwappiness: null, OomKillDisable: false, PidsLimit: null, BlkioWeight: 0,
    Devices: [], DeviceCgroupRules: null, Ulimits: run.ulimits.map((one) => ({ ...one })),
  };
}
