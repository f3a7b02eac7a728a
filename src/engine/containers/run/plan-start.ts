/** From a record to the program that starts it: who it runs as, what it may, the files that tell it of names. */
import { readFile, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { fail } from "#base/errors.ts";
import { type BindTree, hostFolderProgram, TASK_SLOTS, type TaskNetwork, type TaskWish } from "#core/tasks/tasks.ts";
import type { Mounts } from "#core/snapshots/snapshots.ts";
import type { Program } from "#linux/ops.ts";
import { type Attachment, hostnameFile, hostsFile, loopbackOps } from "#network/network.ts";
import type { Spec } from "#spec/oci-runtime.ts";
import type { ContainerRecord } from "../../engine.ts";
import { readAccounts } from "../spec/accounts.ts";
import { isRunning, type Accounts, type Context } from "../context.ts";
import { containerDevices } from "../spec/devices.ts";
import { containerFolder } from "../folders.ts";
import { linkEnvironment, linkedContainers, linkLines } from "../networking/links.ts";
import { logOf } from "../streams/logging.ts";
import { resolvConfText } from "../networking/names.ts";
import { containerSpec, type SpecInput } from "../spec/spec.ts";
import { bindTrees, mountVolumes } from "../mounts/use-mounts.ts";
import { resolveUser } from "../spec/user.ts";

/** `record`: with what a start changes in it before anything runs. */
export type StartPlan = { readonly record: ContainerRecord; readonly program: Program };

/** Makes missing folders of the host that -v names; else nothing. */
export async function planStart(ctx: Context, given: ContainerRecord, attachments: readonly Attachment[]): Promise<StartPlan> {
  const record = await mountVolumes(ctx, withNamesOfOther(ctx, given));
  linkedContainers(ctx, record, { strict: true });
  const [accounts, files] = await Promise.all([readAccounts(ctx, record), nameFiles(ctx, record, attachments), makeSources(ctx, record)]);
  return { record, program: await planProgram(ctx, record, { accounts, files, attachments, root: ctx.snapshots.mounts(record.snapshotKey) }) };
}

type Parts = {
  readonly accounts: Accounts;
  readonly files: Readonly<Record<string, string>>;
  readonly attachments: readonly Attachment[];
  readonly root: Mounts;
  /** Binds besides those that the record's mounts say. */
  readonly trees?: Readonly<Record<string, BindTree>>;
  /** It ends with the engine. */
  readonly tied?: boolean;
};

export async function planProgram(ctx: Context, record: ContainerRecord, { accounts, files, attachments, root, trees: more = {}, tied = false }: Parts): Promise<Program> {
  const input = await specInput(ctx, record, accounts);
  const spec = containerSpec(input);
  const trees = { ...(await bindTrees(ctx, record, input.user)), ...more };
  const network = taskNetwork(ctx, spec, attachments);
  const log = logOf(record);
  const wish: TaskWish = {
    id: record.id,
    spec,
    root,
    stdin: { open: record.config.OpenStdin, once: record.config.StdinOnce },
    folder: { path: containerFolder(ctx, record.id), files },
    ...(log === undefined ? {} : { log }),
    ...(network === undefined ? {} : { network }),
    trees,
    tied,
  };
  return await ctx.tasks.plan(wish);
}

/** What the specification is made of; `user` is who: the container's own, or that of a command in it. */
export async function specInput(ctx: Context, record: ContainerRecord, accounts: Accounts, user: string = record.config.User): Promise<SpecInput> {
  const { hostConfig, config } = record;
  const links = hostConfig.Links ?? [];
  const defaults = ctx.config.containers;
  return {
    id: record.id,
    config: links.length === 0 ? config : { ...config, Env: [...linkEnvironment(ctx, record), ...config.Env] },
    hostConfig: { ...hostConfig, Init: hostConfig.Init ?? defaults.init },
    path: record.path,
    args: record.args,
    mounts: record.mounts,
    user: resolveUser(user, accounts, hostConfig.GroupAdd ?? []),
    devices: await containerDevices(hostConfig),
    host: ctx.host,
    files: { hostname: record.hostnamePath, hosts: record.hostsPath, resolvConf: record.resolvConfPath },
    joined: joinedPids(ctx, record),
    initPath: defaults.initPath || ctx.initBinary,
    defaults: {
      noNewPrivileges: defaults.noNewPrivileges,
      ulimits: Object.values(defaults.ulimits),
      cgroupParent: defaults.cgroupParent,
      cgroupnsMode: defaults.cgroupnsMode,
      ipcMode: defaults.ipcMode,
      ...(ctx.seccomp === undefined ? {} : { profile: ctx.seccomp }),
    },
  };
}

const otherOf = (mode: string) => (mode.startsWith("container:") ? mode.slice("container:".length) : undefined);

/** @throws not-found, conflict, with Docker's texts */
function joinedPids(ctx: Context, { hostConfig }: ContainerRecord): SpecInput["joined"] {
  const pidOf = (mode: string, what: string) => {
    const ref = otherOf(mode);
    if (ref === undefined) return undefined;
    const other = ctx.store.find(ref);
    if (!isRunning(other)) throw fail("conflict", `cannot join ${what} of a non running container: ${other.id}`);
    return other;
  };
  const network = pidOf(hostConfig.NetworkMode, "network");
  const pid = pidOf(hostConfig.PidMode, "PID namespace");
  const ipc = pidOf(hostConfig.IpcMode, "IPC");
  if (ipc !== undefined && !["shareable", "host"].includes(ipc.hostConfig.IpcMode)) {
    throw fail("conflict", `cannot join IPC of container ${ipc.id}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)`);
  }
  return {
    ...(network === undefined ? {} : { network: network.state.pid }),
    ...(pid === undefined ? {} : { pid: pid.state.pid }),
    ...(ipc === undefined ? {} : { ipc: ipc.state.pid }),
  };
}

function taskNetwork(ctx: Context, spec: Spec, attachments: readonly Attachment[]): TaskNetwork | undefined {
  if (attachments.length > 0) return ctx.network.programs(attachments, TASK_SLOTS);
  const own = spec.linux?.namespaces?.some(({ type, path }) => type === "network" && path === undefined) ?? false;
  return own ? { reserve: [], hold: 0n, host: [], inside: loopbackOps(), teardown: [] } : undefined;
}

/** A container in another one's network has its names and its files. */
export function withNamesOfOther(ctx: Context, record: ContainerRecord): ContainerRecord {
  const ref = otherOf(record.hostConfig.NetworkMode);
  if (ref === undefined) return record;
  const { config, hostsPath, hostnamePath, resolvConfPath } = ctx.store.find(ref);
  const { Hostname, Domainname } = config;
  return { ...record, config: { ...record.config, Hostname, Domainname }, hostsPath, hostnamePath, resolvConfPath };
}

/** hostname, hosts and resolv.conf, unless they are another container's. */
export async function nameFiles(ctx: Context, record: ContainerRecord, attachments: readonly Attachment[]): Promise<Record<string, string>> {
  const { config, hostConfig } = record;
  if (otherOf(hostConfig.NetworkMode) !== undefined) return {};
  const mode = hostConfig.NetworkMode === "host" ? "host" : "own";
  const [resolv, hosts] = await Promise.all([resolvConfText(ctx, record, attachments), mode === "host" ? readFile("/etc/hosts", "utf8").catch(() => "") : undefined]);
  return {
    hostname: hostnameFile(config.Hostname || hostname()),
    hosts: hostsFile({
      ...(hosts === undefined ? {} : { base: hosts }),
      extraHosts: hostConfig.ExtraHosts ?? [],
      hostGateways: hostGateways(ctx),
      links: linkLines(ctx, record),
      addresses: attachments.flatMap(({ address, address6 }) => [address, address6]).filter((address) => address !== ""),
      hostname: config.Hostname,
      domainname: config.Domainname,
    }),
    "resolv.conf": resolv,
  };
}

/** What "host-gateway" stands for. */
function hostGateways({ config, network }: Context): readonly string[] {
  if (config.network.hostGatewayIps.length > 0) return config.network.hostGatewayIps;
  if (config.network.bridge === "none") return [];
  return network.get("bridge").ipam.configs.map(({ gateway }) => gateway);
}

/** -v makes what is missing; --mount wants it there. */
async function makeSources(ctx: Context, record: ContainerRecord): Promise<void> {
  const asked = new Map(record.hostConfig.Mounts.map((mount) => [mount.Target, mount]));
  await Promise.all(
    record.mounts.map(async ({ Type, Source, Destination }) => {
      if (Type !== "bind" || (await stat(Source).catch(() => undefined)) !== undefined) return;
      const mount = asked.get(Destination);
      if (mount !== undefined && mount.BindOptions?.CreateMountpoint !== true) {
        throw fail("invalid", `invalid mount config for type "bind": bind source path does not exist: ${Source}`);
      }
      await ctx.kernel.perform(hostFolderProgram(Source));
    }),
  );
}
