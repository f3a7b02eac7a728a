/** A place for one engine: folders, socket, bridge, subnet and cgroup of its own, so that many engines run side by side. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

export type Place = {
  readonly folder: string;
  readonly dataRoot: string;
  readonly execRoot: string;
  readonly socket: string;
  readonly pidfile: string;
  readonly log: string;
  /** A configuration file without keys: the machine's own is none of the tests' business. */
  readonly config: string;
  readonly bridge: string;
  /** "10.221.7": the first three bytes of the default bridge's /24. */
  readonly subnet: string;
  /** Parent of all containers' cgroups. */
  readonly cgroupParent: string;
  /** A cgroup that holds the engine and whatever it starts. */
  readonly cell: string;
};

/** Paths are short: a unix socket's has 107 bytes. */
export async function makePlace(): Promise<Place> {
  await sweep();
  const place = placeAt(mkdtempSync(`${prefix}`), freeSubnet());
  writeFileSync(join(place.folder, "owner"), String(process.pid));
  mkdirSync(place.cell);
  writeFileSync(place.config, "{}");
  return place;
}

const prefix = "/tmp/ge-";

function placeAt(folder: string, subnet: string): Place {
  const tag = folder.slice(prefix.length);
  return {
    folder,
    dataRoot: join(folder, "d"),
    execRoot: join(folder, "x"),
    socket: join(folder, "s"),
    pidfile: join(folder, "pid"),
    log: join(folder, "log"),
    config: join(folder, "daemon.json"),
    bridge: `ge${tag}`,
    subnet,
    cgroupParent: `/gp-${tag}`,
    cell: join(trackingRoot(), `ge-${tag}`),
  };
}

/** Takes away places whose test was ended before it could. */
async function sweep(): Promise<void> {
  for (const name of readdirSync("/tmp").filter((entry) => entry.startsWith(basename(prefix)))) {
    const owner = join("/tmp", name, "owner");
    if (existsSync(owner) && !existsSync(`/proc/${readFileSync(owner, "utf8")}`)) await removePlace(placeAt(join("/tmp", name), ""));
  }
}

/** Processes that the engine started and that have not ended, itself among them. */
export function processesOf(place: Place): number[] {
  if (!existsSync(place.cell)) return [];
  return readFileSync(join(place.cell, "cgroup.procs"), "utf8").split("\n").filter(Boolean).map(Number);
}

/** Puts a process, and so its children to come, under the place's cgroup. */
export function adopt(place: Place, pid: number): void {
  writeFileSync(join(place.cell, "cgroup.procs"), String(pid));
}

/** Ends everything and removes what is left. What an engine should have removed itself, `leaks.ts` looks for. */
export async function removePlace(place: Place): Promise<void> {
  for (let round = 0; round < 100 && processesOf(place).length + containerProcesses(place).length > 0; round++) {
    for (const pid of [...processesOf(place), ...containerProcesses(place)]) tryTo(() => process.kill(pid, "SIGKILL"));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  for (const line of readFileSync("/proc/self/mountinfo", "utf8").split("\n").reverse()) {
    const point = line.split(" ")[4];
    if (point?.startsWith(`${place.folder}/`)) tryTo(() => execFileSync("umount", ["-l", point], { stdio: "ignore" }));
  }
  removeDockerBridges(dockerBridges(place));
  for (const folder of containerCgroups(place)) tryTo(() => rmdirSync(folder));
  tryTo(() => rmdirSync(place.cell));
  tryTo(() => execFileSync("ip", ["link", "delete", place.bridge], { stdio: "ignore" }));
  tryTo(() => execFileSync("nft", ["delete", "table", "inet", `gantry-${place.bridge}`], { stdio: "ignore" }));
  rmSync(place.folder, { recursive: true, force: true });
}

/** Of a dockerd: its own bridge, and those of the networks that its database has or had, also after it was killed. None of another engine's. */
function dockerBridges(place: Place): string[] {
  const database = join(place.dataRoot, "network/files/local-kv.db");
  if (!existsSync(database)) return [];
  const networks = readFileSync(database, "latin1").matchAll(/docker\/network\/v1\.0\/bridge\/([0-9a-f]{12})[0-9a-f]{52}\//g);
  return [...new Set([place.bridge, ...Array.from(networks, ([, id]) => `br-${id}`)])];
}

/** What a dockerd leaves on the host when it ends: every packet of anybody else passes its rules. */
function removeDockerBridges(bridges: readonly string[]): void {
  if (bridges.length === 0) return;
  for (const table of ["filter", "nat"]) {
    const rules = execFileSync("iptables", ["-w", "-t", table, "-S"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).split("\n");
    for (const rule of rules.filter((line) => line.startsWith("-A") && bridges.some((name) => line.split(" ").includes(name)))) {
      tryTo(() => execFileSync("iptables", ["-w", "-t", table, "-D", ...rule.split(" ").slice(1)], { stdio: "ignore" }));
    }
  }
  for (const name of bridges) tryTo(() => execFileSync("ip", ["link", "delete", name], { stdio: "ignore" }));
}

/** Folders of the place's containers in every cgroup hierarchy, deepest first. */
export function containerCgroups(place: Place): string[] {
  const roots = ["/sys/fs/cgroup", ...readdirSync("/sys/fs/cgroup").map((name) => join("/sys/fs/cgroup", name))];
  return roots.flatMap((root) => foldersBelow(join(root, place.cgroupParent)));
}

function containerProcesses(place: Place): number[] {
  return containerCgroups(place).flatMap((folder) => {
    const file = join(folder, "cgroup.procs");
    return existsSync(file) ? readFileSync(file, "utf8").split("\n").filter(Boolean).map(Number) : [];
  });
}

function foldersBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  const inside = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return [...inside.flatMap((entry) => foldersBelow(join(folder, entry.name))), folder];
}

/** The hierarchy in which processes are followed: v2's, or on a v1 host the one without controllers. */
function trackingRoot(): string {
  return ["/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup"].find((root) => existsSync(join(root, "cgroup.procs"))) as string;
}

/** A /24 that no route of the host touches; spread by pid, so that files running side by side differ. */
function freeSubnet(): string {
  const routes = execFileSync("ip", ["-4", "route"], { encoding: "utf8" });
  for (let tried = 0; tried < 250; tried++) {
    const subnet = `10.${200 + (process.pid % 50)}.${(Math.floor(process.pid / 50) + tried) % 250}`;
    if (!routes.includes(`${subnet}.`)) return subnet;
  }
  throw new Error("no free subnet");
}

function tryTo(action: () => void): void {
  try {
    action();
  } catch {
    // What is gone already is gone.
  }
}
