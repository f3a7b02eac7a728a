/** The engine, composed: the only place where its parts meet. `serve` resolves when it listens. */
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fail } from "#base/errors.ts";
import { openLog } from "#base/log.ts";
import { openCore } from "#core/core.ts";
import { openTasks } from "#core/tasks/tasks.ts";
import { openApi, type Address, type Facts } from "#engine/api/api.ts";
import type { Config, Host } from "#engine/config/config.ts";
import { openDisk } from "#engine/disk/disk.ts";
import { openContainers, type OpenContainers } from "#engine/containers/open.ts";
import type { Events } from "#engine/engine.ts";
import { openEvents } from "#engine/events/events.ts";
import { openFiles } from "#engine/files/files.ts";
import { openImages } from "#engine/images/images.ts";
import { openNetworks } from "#engine/networks/networks.ts";
import { openVolumes } from "#engine/volumes/volumes.ts";
import { describeProgram } from "#linux/describe.ts";
import { openKernel } from "#linux/host.ts";
import { openNetwork, readHostFacts as readNetworkFacts } from "#network/network.ts";
import { readHostFacts, type HostFacts } from "#runtime/facts.ts";
import { openTrust, type Refusal } from "#transfer/trust/trust.ts";
import { openBuildsLater } from "./builds.ts";
import { openPluginsLater } from "./plugins.ts";
import { openRegistriesLater } from "./registries.ts";
import packageJson from "../../package.json" with { type: "json" };

const BUILD = fileURLToPath(new URL("../../build", import.meta.url));

export type Engine = { close(): Promise<void>; reload(config: Config): Promise<void> };

export async function serve(given: Config): Promise<Engine> {
  // Parts read what a reload may change where they use it, from this one value.
  const config = structuredClone(given);
  const log = openLog({ level: config.logLevel, format: config.logFormat });
  await using opening = new AsyncDisposableStack();
  await mkdir(config.dataRoot, { recursive: true, mode: 0o710 });
  await mkdir(config.execRoot, { recursive: true, mode: 0o711 });
  const kernel = opening.use(await openKernel({ cell: join(BUILD, "cell"), ...failpoints() }));
  const host = await readHostFacts();
  const core = opening.use(await openCore({ root: config.dataRoot, kernel, driver: config.storageDriver }));
  const plugins = openPluginsLater({ execRoot: config.execRoot, timeout: () => config.pluginTimeout, expected: (name) => isKept(name), log });
  const network = opening.use(await openNetwork({ kernel, db: core.db, execRoot: config.execRoot, config: config.network, remotes: plugins.networks, log, host: await readNetworkFacts() }));
  const events = openEvents(core.db);
  opening.defer(() => events.close());

  // Containers use images and volumes, which ask who uses them: joined by name here, used only when all are open.
  const users = (): OpenContainers => open;
  const trust = await openTrust({ path: config.trustPolicy, log, refused: (refusal) => events.publish(refusalEvent(refusal)) });
  const images = openImages({ core, users: { usedImages: () => users().usedImages(), usedManifests: () => users().usedManifests() }, publish: events.publish, trust });
  const registries = opening.use(openRegistriesLater({ core, settings: () => config.registries, publish: events.publish, trust, log, limits: waits(config.registryTimeout) }));
  const volumes = openVolumes({ db: core.db, kernel, root: join(config.dataRoot, "volumes"), events, usersOf: (name) => users().users(name), drivers: plugins.volumes, log });
  // What belongs to a plugin makes it worth waiting for.
  const isKept = (name: string) => volumes.list(new Map()).some(({ driver }) => driver === name) || network.list().some(({ driver, ipam }) => driver === name || ipam.driver === name);
  const tasks = await openTasks({ kernel, execRoot: config.execRoot, host });
  const open = await openContainers({
    kernel, db: core.db, config, images, snapshots: core.snapshots, leases: core.leases, link: core.link, tasks, network, volumes, events,
    host, describe: describeProgram, initBinary: config.containers.initPath || join(BUILD, "init"), log,
  });
  opening.defer(() => open.close());
  const files = openFiles({ containers: open.context, core, publish: events.publish });
  const disk = openDisk({ core, images, containers: open.containers, volumes, publish: events.publish, settings: () => config.imageGc, log });
  opening.defer(() => disk.close());
  opening.defer(() => images.flushUse());
  const later = opening.use(openBuildsLater({
    core, root: join(config.dataRoot, "build"), containers: open.context, images, registries, transfer: () => registries.transfer(), trust,
    publish: events.publish, settings: () => config.builder, proxies: () => config.registries.proxies, version: packageJson.version, log,
  }));

  await images.addBuiltin("hello:latest", join(BUILD, "hello"));
  await volumes.recover();
  await network.reconcile(new Set(open.containers.all().map(({ id }) => id)));
  const facts = await engineFacts(config, host, { warnings: network.warnings(), volumePlugins: plugins.volumeNames });
  const api = openApi({
    containers: open.containers, execs: open.execs, files, volumes, events, images, registries, disk, trust, networks: openNetworks({ containers: open.context }),
    builds: () => later.builds(), facts, containerDefaults: config.containers, log,
  });
  opening.defer(() => api.close());
  for (const address of config.hosts) await api.listen(toAddress(address, config));
  void open.recover().catch((error: unknown) => log.error("look for running containers", { error: String(error) }));

  const opened = opening.move();
  return {
    close: () => opened.disposeAsync(),
    async reload(fresh) {
      await trust.reload(fresh.trustPolicy);
      Object.assign(config, { ...fresh, network: config.network, containers: Object.assign(config.containers, fresh.containers) });
      Object.assign(facts, { labels: fresh.labels, liveRestore: fresh.liveRestore, debug: fresh.debug, registries: fresh.registries });
      disk.reload();
      log.setLevel(fresh.logLevel);
      events.publish({ Type: "daemon", Action: "reload", Actor: { ID: facts.id, Attributes: reloadable(fresh) } });
    },
  };
}

/** What a registry's silence of so many seconds means for each wait. */
const waits = (seconds: number) => ({ connectMs: Math.min(seconds, 15) * 1000, idleMs: seconds * 1000, rateMs: seconds * 2000 });

function refusalEvent({ act, reference, digest, rule, reason }: Refusal): Parameters<Events["publish"]>[0] {
  return { Type: "image", Action: "refuse", Actor: { ID: digest === "" ? reference : digest, Attributes: { name: reference, act, rule, reason } } };
}

/** What the event of a reload tells: the values in effect. */
function reloadable({ debug, labels, liveRestore, shutdownTimeout, defaultStopTimeout, containers, registries }: Config): Record<string, string> {
  return {
    name: hostname(),
    debug: String(debug),
    labels: JSON.stringify(labels),
    "live-restore": String(liveRestore),
    "shutdown-timeout": String(shutdownTimeout),
    "default-stop-timeout": String(defaultStopTimeout),
    "default-shm-size": String(containers.shmSize),
    "default-ipc-mode": containers.ipcMode,
    "insecure-registries": JSON.stringify(registries.insecureRegistries),
    "registry-mirrors": JSON.stringify(registries.mirrors),
    "max-concurrent-downloads": String(registries.maxDownloads),
    "max-concurrent-uploads": String(registries.maxUploads),
    "max-download-attempts": String(registries.maxAttempts),
  };
}

/** Tests switch cell's failpoints on from outside. */
function failpoints(): { failpoints?: string } {
  const given = process.env["CELL_FAILPOINTS"];
  return given === undefined ? {} : { failpoints: given };
}

function toAddress(host: Host, config: Config): Address {
  if (host.kind === "unix") return { kind: "unix", path: host.path, group: config.group };
  if (host.kind === "tcp") return { kind: "tcp", host: host.address, port: host.port, insecure: true };
  throw fail("not-implemented", `listen on fd://${host.name}: sockets from systemd are not supported yet; give a unix:// address`);
}

async function engineFacts(config: Config, host: HostFacts, told: Pick<Facts, "warnings" | "volumePlugins">): Promise<Facts> {
  return {
    version: packageJson.version,
    commit: "",
    id: await engineId(config.dataRoot),
    dataRoot: config.dataRoot,
    execRoot: config.execRoot,
    startedAt: new Date(),
    storageDriver: config.storageDriver,
    driverStatus: [["driver-type", "io.containerd.snapshotter.v1"]],
    loggingDriver: config.containers.logDriver,
    cgroupDriver: "cgroupfs",
    cgroupVersion: host.cgroups.version === "v2" ? "2" : "1",
    securityOptions: ["name=seccomp,profile=builtin", ...(host.cgroups.version === "v2" ? ["name=cgroupns"] : [])],
    labels: config.labels,
    liveRestore: config.liveRestore,
    debug: config.debug,
    experimental: config.experimental,
    initBinary: config.containers.initPath || "docker-init",
    firewallBackend: config.network.iptables ? "nftables" : "none",
    registries: config.registries,
    ...told,
  };
}

/** Stays the same for a data root. */
async function engineId(dataRoot: string): Promise<string> {
  const path = join(dataRoot, "engine-id");
  if (!existsSync(path)) await writeFile(path, randomUUID(), { mode: 0o600 });
  return (await readFile(path, "utf8")).trim();
}

