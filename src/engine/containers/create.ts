/** create: from what was asked for to a record, a tree and volumes. Nothing runs. */
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { formatTime, nowNanos, ZERO_TIME } from "#base/clock.ts";
import { failpoint } from "#base/failpoint.ts";
import { formatPlatform, hostPlatform, platformFit } from "#spec/platform.ts";
import type { ContainerConfig, CreateRequest, HostConfig } from "#spec/docker.ts";
import type { ContainerRecord } from "../engine.ts";
import { generateName, parseName } from "../names/names.ts";
import { publish, type Context } from "./context.ts";
import { networkOf, settleNetworking } from "./networking/endpoints.ts";
import { containerFolder, logFile } from "./folders.ts";
import type { ResolvedImage } from "./images.ts";
import { settleLinks } from "./networking/links.ts";
import { checkLogging } from "./streams/logging.ts";
import { commandLine, mergeConfig } from "./spec/merge.ts";
import { makeMounts } from "./mounts/make-mounts.ts";
import { portWarnings, requirePorts } from "./networking/wanted-ports.ts";
import { checkSources, planMounts, pointOf, type PlannedMount } from "./mounts/mounts.ts";

export type CreateOptions = { name?: string; platform?: string; freePorts?: boolean };

export async function create(ctx: Context, request: CreateRequest, options: CreateOptions): Promise<{ id: string; warnings: string[] }> {
  using lease = ctx.leases.open();
  const image = await ctx.images.resolve(request.config.Image, { lease, ...(options.platform === undefined ? {} : { platform: options.platform }) });
  if (image.snapshot !== undefined) lease.hold(`snapshot/${image.snapshot}`);
  lease.hold(`content/${image.manifestDigest}`);
  const planned = await planRecord(ctx, request, { image, ...options });
  const { record, mounts } = planned;
  if (options.freePorts === true) await requirePorts(ctx, record);
  const portsBusy = options.freePorts === true ? [] : portWarnings(ctx, record);
  // With volumes to make it is only there when they are: one row more, and none where there are no volumes.
  const toMake = mounts.filter(({ wanted, Type }) => wanted !== undefined || Type === "image");
  const unfinished = toMake.flatMap(({ Name }) => (Name === undefined || ctx.volumes.has(Name) ? [] : [Name]));
  ctx.store.reserve(record.name, record.id);
  await using undo = new AsyncDisposableStack();
  undo.defer(() => ctx.store.release(record.name, record.id));
  undo.defer(() => ctx.lives.drop(record.id));
  const made: string[] = [];
  undo.defer(async () => {
    for (const name of made) await ctx.volumes.remove(name, { force: true }).catch(() => {});
  });
  for (const { Name } of mounts) if (Name !== undefined) ctx.claimedVolumes.set(`${record.id} ${Name}`, Name);
  undo.defer(() => {
    for (const { Name } of mounts) ctx.claimedVolumes.delete(`${record.id} ${Name}`);
  });
  await failpoint("create.named");
  // Seen by others from here on; the lock keeps them from it until it is whole.
  await ctx.lives.of(record.id).lock.run(async () => {
    undo.defer(() => ctx.snapshots.remove(record.snapshotKey));
    undo.defer(() => ctx.store.delete(record.id));
    await allDone([
      ctx.store.put(toMake.length > 0 ? { ...record, unfinished } : record),
      ctx.link(`snapshot/${record.snapshotKey}`, [`content/${image.manifestDigest}`]),
      ctx.snapshots.prepare(record.snapshotKey, image.snapshot, { init: true }),
    ]);
    await failpoint("create.prepared");
    if (toMake.length > 0) await ctx.store.put({ ...record, mounts: await makeMounts(ctx, record, mounts, { undo, lease, made }) });
  });
  undo.move();
  for (const { Name } of mounts) ctx.claimedVolumes.delete(`${record.id} ${Name}`);
  publish(ctx, record, "create");
  return { id: record.id, warnings: [...platformWarnings(image, options.platform), ...(await portsBusy)] };
}

/** All have settled when this does: an undo must not run beside them. */
async function allDone(work: readonly Promise<unknown>[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

export type Planned = { readonly record: ContainerRecord; readonly mounts: readonly PlannedMount[] };

/** What `create` would make: checks all, makes nothing. */
export async function planRecord(ctx: Context, request: CreateRequest, { image, name }: CreateOptions & { image: ResolvedImage }): Promise<Planned> {
  const referred = resolveReferences(ctx, request.hostConfig);
  const config = withNetworkDisabled(ctx, mergeConfig(request.config, image.config), referred);
  checkLogging(referred.LogConfig);
  await checkSources(referred);
  const id = newId();
  const taken = new Set(ctx.store.all().map((record) => record.name));
  const actualName = name === undefined ? generateName((one) => !taken.has(one)) : parseName(name);
  const hostConfig = settleLinks(ctx, referred, actualName);
  const mounts = planMounts({ hostConfig, volumes: config.Volumes, root: `${ctx.config.dataRoot}/volumes`, find: ctx.store.find });
  const record = newRecord(ctx, { id, name: actualName, image, hostConfig, mounts, networking: request.networking, config: withHostname(config, hostConfig, id) });
  return { record, mounts };
}

type Parts = Pick<ContainerRecord, "id" | "name" | "config" | "hostConfig" | "networking"> & { image: ResolvedImage; mounts: readonly PlannedMount[] };

function newRecord(ctx: Context, { image, mounts, ...given }: Parts): ContainerRecord {
  const folder = containerFolder(ctx, given.id);
  return {
    ...given,
    created: formatTime(nowNanos()),
    image: given.config.Image,
    imageId: image.id,
    manifestDigest: image.manifestDigest,
    platform: image.platform,
    ...commandLine(given.config),
    mounts: mounts.map(pointOf),
    state: { status: "created", pid: 0, exitCode: 0, error: "", oomKilled: false, startedAt: ZERO_TIME, finishedAt: ZERO_TIME },
    restartCount: 0,
    driver: ctx.snapshots.driver,
    snapshotKey: given.id,
    logPath: given.hostConfig.LogConfig.Type === "json-file" ? logFile(ctx, given.id) : "",
    hostnamePath: `${folder}/hostname`,
    hostsPath: `${folder}/hosts`,
    resolvConfPath: `${folder}/resolv.conf`,
    ...settleNetworking(ctx, given.hostConfig.NetworkMode, given.networking),
    ports: {},
    sandboxKey: "",
    appArmorProfile: "",
    execIds: [],
  };
}

/** 64 hexadecimal digits; the first 12 are not all decimal, so that no short id is taken for a number. */
function newId(): string {
  for (;;) {
    const id = randomBytes(32).toString("hex");
    if (/[a-f]/.test(id.slice(0, 12))) return id;
  }
}

/** "container:NAME" becomes "container:ID": a name may be given to another one later. @throws not-found */
function resolveReferences(ctx: Context, hostConfig: HostConfig): HostConfig {
  const resolve = (mode: string) => (mode.startsWith("container:") ? `container:${ctx.store.find(mode.slice("container:".length)).id}` : mode);
  return { ...hostConfig, NetworkMode: resolve(hostConfig.NetworkMode), PidMode: resolve(hostConfig.PidMode), IpcMode: resolve(hostConfig.IpcMode) };
}

function withHostname(config: ContainerConfig, { NetworkMode, UTSMode }: HostConfig, id: string): ContainerConfig {
  if (config.Hostname !== "" || NetworkMode.startsWith("container:")) return config;
  return { ...config, Hostname: NetworkMode === "host" || UTSMode === "host" ? hostname() : id.slice(0, 12) };
}

/** As Docker: without a bridge ("bridge": "none") a container of the default network has loopback only. */
function withNetworkDisabled(ctx: Context, config: ContainerConfig, { NetworkMode }: HostConfig): ContainerConfig {
  return ctx.config.network.bridge === "none" && networkOf(NetworkMode) === "bridge" ? { ...config, NetworkDisabled: true } : config;
}

function platformWarnings(image: ResolvedImage, asked: string | undefined): string[] {
  const host = hostPlatform();
  if (asked !== undefined || platformFit(host, image.platform) > 0) return [];
  return [`The requested image's platform (${formatPlatform(image.platform)}) does not match the detected host platform (${formatPlatform(host)}) and no specific platform was requested`];
}

