/** A container's record as GET /containers/{id}/json shows it, at the newest version. */
import type { ContainerConfig, HostConfig, Mount } from "#spec/docker.ts";
import type { ContainerRecord, MountPoint } from "../../engine.ts";
import type { Health } from "../../health/health.ts";
import { isUp, networksOf, portsOf } from "./networking.ts";

export function inspectContainer(record: ContainerRecord, size?: { rw: number; root: number }): object {
  const { state } = record;
  return {
    Id: record.id,
    Created: record.created,
    Path: record.path,
    Args: record.args,
    State: {
      Status: state.status,
      Running: isUp(record),
      Paused: state.status === "paused",
      Restarting: state.status === "restarting",
      OOMKilled: state.oomKilled,
      Dead: state.status === "dead",
      Pid: state.pid,
      ExitCode: state.exitCode,
      Error: state.error,
      StartedAt: state.startedAt,
      FinishedAt: state.finishedAt,
      ...(state.health === undefined ? {} : { Health: healthJson(state.health) }),
    },
    Image: record.imageId,
    ResolvConfPath: record.resolvConfPath,
    HostnamePath: record.hostnamePath,
    HostsPath: record.hostsPath,
    LogPath: record.logPath,
    Name: `/${record.name}`,
    RestartCount: record.restartCount,
    Driver: record.driver,
    Platform: record.platform.os,
    MountLabel: "",
    ProcessLabel: "",
    AppArmorProfile: record.appArmorProfile,
    ExecIDs: record.execIds.length === 0 ? null : record.execIds,
    HostConfig: hostConfigJson(record.hostConfig),
    Storage: { RootFS: { Snapshot: { Name: record.driver } } },
    ...(size === undefined ? {} : { SizeRw: size.rw, SizeRootFs: size.root }),
    Mounts: record.mounts.map(mountPointJson),
    Config: configJson(record.config),
    NetworkSettings: {
      SandboxID: record.sandboxKey === "" ? "" : record.id,
      SandboxKey: record.sandboxKey,
      Ports: portsOf(record),
      Networks: networksOf(record),
    },
  };
}

function healthJson({ status, failingStreak, log }: Health): object {
  return {
    Status: status,
    FailingStreak: failingStreak,
    Log: log.map(({ start, end, exitCode, output }) => ({ Start: start, End: end, ExitCode: exitCode, Output: output })),
  };
}

export function mountPointJson(mount: MountPoint): object {
  return {
    Type: mount.Type,
    ...(mount.Name === undefined ? {} : { Name: mount.Name }),
    Source: mount.Source,
    Destination: mount.Destination,
    ...(mount.Driver === undefined ? {} : { Driver: mount.Driver }),
    Mode: mount.Mode,
    RW: mount.RW,
    Propagation: mount.Propagation,
  };
}

/** Go leaves out or nulls what is empty; the key order is Docker's. */
function configJson(config: ContainerConfig): object {
  return {
    Hostname: config.Hostname,
    Domainname: config.Domainname,
    User: config.User,
    AttachStdin: config.AttachStdin,
    AttachStdout: config.AttachStdout,
    AttachStderr: config.AttachStderr,
    ...(isBare(config.ExposedPorts) ? {} : { ExposedPorts: config.ExposedPorts }),
    Tty: config.Tty,
    OpenStdin: config.OpenStdin,
    StdinOnce: config.StdinOnce,
    Env: config.Env,
    Cmd: config.Cmd,
    ...(config.ArgsEscaped ? { ArgsEscaped: true } : {}),
    Image: config.Image,
    Volumes: isBare(config.Volumes) ? null : config.Volumes,
    WorkingDir: config.WorkingDir,
    Entrypoint: config.Entrypoint,
    ...(config.NetworkDisabled ? { NetworkDisabled: true } : {}),
    ...(config.OnBuild ? { OnBuild: config.OnBuild } : {}),
    Labels: config.Labels,
    ...(config.StopSignal === undefined ? {} : { StopSignal: config.StopSignal }),
    ...(config.StopTimeout === undefined ? {} : { StopTimeout: config.StopTimeout }),
    ...(config.Shell === undefined ? {} : { Shell: config.Shell }),
    ...(config.Healthcheck === undefined ? {} : { Healthcheck: config.Healthcheck }),
  };
}

/** What is stored, and what Docker's model has beside it: refused at creation unless empty, so empty here. */
function hostConfigJson(given: HostConfig): object {
  const { Mounts, Tmpfs, Sysctls, Annotations, Init, Links, ...rest } = given;
  return {
    VolumeDriver: "",
    ...rest,
    Links: Links ?? null,
    Isolation: "",
    BlkioWeightDevice: [],
    BlkioDeviceReadBps: [],
    BlkioDeviceWriteBps: [],
    BlkioDeviceReadIOps: [],
    BlkioDeviceWriteIOps: [],
    CpuRealtimePeriod: 0,
    CpuRealtimeRuntime: 0,
    DeviceRequests: null,
    CpuCount: 0,
    CpuPercent: 0,
    IOMaximumIOps: 0,
    IOMaximumBandwidth: 0,
    ...(Mounts.length === 0 ? {} : { Mounts: Mounts.map(mountJson) }),
    ...(isBare(Tmpfs) ? {} : { Tmpfs }),
    ...(isBare(Sysctls) ? {} : { Sysctls }),
    ...(isBare(Annotations) ? {} : { Annotations }),
    ...(Init === undefined ? {} : { Init }),
  };
}

function mountJson(mount: Mount): object {
  const { Source, ReadOnly, ...rest } = mount;
  return { ...rest, ...(Source === "" ? {} : { Source }), ...(ReadOnly ? { ReadOnly } : {}) };
}

const isBare = (record: object | undefined) => record === undefined || Object.keys(record).length === 0;
