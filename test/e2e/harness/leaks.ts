/** What an engine holds of the machine, so that a test can say that nothing was left behind. */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Engine } from "./engine.ts";
import { containerCgroups, processesOf, type Place } from "./place.ts";

export type Holdings = Readonly<Record<string, readonly string[]>>;

/** The engine keeps a few hosts of cell and adds to them under load, up to this many: a pool, no leak. */
const mostHosts = 16;

/** Folders that are made when first needed, and kept: what is in them belongs to networks, volumes and plugins, and goes with these. */
const madeOnce = (place: Place): string[] => [join(place.execRoot, "names"), join(place.dataRoot, "volumes/.filled"), join(place.execRoot, "plugins"), join(place.execRoot, "ssh")];

/** What the builder keeps for the next time: its own tests look at it. */
const kept = (place: Place): string => join(place.dataRoot, "build");

/** The builder keeps what it was sent, and what it told, within bounds of its own: what steps resulted in is elsewhere. */
const isBuilders = (place: Place, path: string): boolean => path === join(place.dataRoot, "build") || path.startsWith(join(place.dataRoot, "build/"));

/** Lists, by kind. Compare two of them with `settled`. */
export function holdings(engine: Engine): Holdings {
  const { place } = engine;
  const processes = processesOf(place).map((pid) => commandOf(pid));
  const hosts = processes.filter((command) => /cell host/.test(command)).length;
  return {
    descriptors: withoutHosts(descriptors(engine.pid), hosts).filter((path) => !path.startsWith(kept(place))),
    processes: hosts <= mostHosts ? processes.filter((command) => !/cell host/.test(command)) : processes,
    mounts: mounts(place),
    interfaces: interfaces(place),
    cgroups: containerCgroups(place).filter((folder) => !folder.endsWith(place.cgroupParent)),
    rules: rules(place),
    folders: [...entries(place.dataRoot, 4), ...entries(place.execRoot, 3)].filter((path) => !madeOnce(place).includes(path) && !path.startsWith(kept(place))),
  };
}

/** What stands in `after` and not in `before`, once it no longer changes; {} when nothing does. */
export async function settled(engine: Engine, before: Holdings): Promise<Holdings> {
  const deadline = Date.now() + 10_000;
  for (;;) {
    const more = added(before, holdings(engine));
    if (Object.keys(more).length === 0 || Date.now() > deadline) return more;
    await pause(50);
  }
}

function added(before: Holdings, after: Holdings): Holdings {
  const kinds = Object.entries(after).map(([kind, list]): [string, string[]] => {
    const left = [...(before[kind] ?? [])];
    return [kind, list.filter((entry) => !take(left, entry))];
  });
  return Object.fromEntries(kinds.filter(([, list]) => list.length > 0));
}

function take(list: string[], entry: string): boolean {
  const at = list.indexOf(entry);
  if (at >= 0) list.splice(at, 1);
  return at >= 0;
}

/**
 * Each host has a socket. inotify is opened once, by the first log that is followed. SQLite keeps a descriptor of a second
 * connection (a check's) until the first one closes, and takes it for the next.
 */
function withoutHosts(list: readonly string[], hosts: number): string[] {
  let left = hosts;
  let databases = 0;
  return list.filter((entry) => !(entry === "socket" && left-- > 0) && entry !== "anon_inode:inotify" && !(entry.endsWith("/gantry.db") && ++databases === 2));
}

/** By what they are, not by number: an engine may reopen a file under another one. */
function descriptors(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((name) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${name}`).replace(/:\[\d+\]$/, "")];
    } catch {
      return [];
    }
  });
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").slice(0, 80);
  } catch {
    return "gone";
  }
}

function mounts(place: Place): string[] {
  return readFileSync("/proc/self/mountinfo", "utf8").split("\n").filter((line) => line.includes(`${place.folder}/`)).map((line) => line.split(" ")[4] as string);
}

/** Interfaces that hang on the place's bridge. */
function interfaces(place: Place): string[] {
  if (!existsSync(`/sys/class/net/${place.bridge}/brif`)) return [];
  return readdirSync(`/sys/class/net/${place.bridge}/brif`);
}

/** Lines of the rule set that name the place's bridge or its addresses. */
function rules(place: Place): string[] {
  const text = execFileSync("nft", ["list", "ruleset"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  return text.split("\n").filter((line) => line.includes(place.bridge) || line.includes(`${place.subnet}.`)).map((line) => line.trim());
}

function entries(folder: string, depth: number): string[] {
  if (depth === 0 || !existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? [path, ...entries(path, depth - 1)] : [path];
  });
}
