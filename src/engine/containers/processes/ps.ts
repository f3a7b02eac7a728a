/** What `ps` prints of some processes, from /proc: its usual forms, and columns that are asked for by name. */
import { readFile } from "node:fs/promises";
import { totalmem } from "node:os";
import { fail } from "#base/errors.ts";
import { columnsOf, type Column } from "./ps-options.ts";
import { formatElapsed, formatSpan, formatStart, longStart, terminalName } from "./ps-format.ts";

export type Listing = { titles: string[]; processes: string[][] };

/** @throws invalid for options that are not understood. */
export async function listProcesses(pids: readonly number[], options = "-ef"): Promise<Listing> {
  const columns = columnsOf(options);
  const [passwd, group, uptime, rows] = await Promise.all([
    readFile("/etc/passwd", "utf8").catch(() => ""),
    readFile("/etc/group", "utf8").catch(() => ""),
    readFile("/proc/uptime", "utf8"),
    Promise.all(pids.map(readProcess)),
  ]);
  const around: Around = { users: namesOf(passwd), groups: namesOf(group), uptime: Number(uptime.split(" ")[0]), now: Date.now(), memory: totalmem() };
  return formatProcesses(columns, rows.filter((row) => row !== undefined), around);
}

export function formatProcesses(columns: readonly Column[], rows: readonly Process[], around: Around): Listing {
  return {
    titles: columns.map(({ title }) => title),
    processes: rows.map((row) => columns.map(({ field }) => fieldOf(field, row, around))),
  };
}

/** Lines "name:…:id:…" by id. */
const namesOf = (text: string) => new Map(text.split("\n").map((line) => line.split(":")).map(([name = "", , id = ""]) => [id, name]));

export type Process = { readonly pid: number; readonly stat: string; readonly status: string; readonly cmdline: string };
export type Around = {
  readonly users: ReadonlyMap<string, string>;
  readonly groups: ReadonlyMap<string, string>;
  readonly uptime: number;
  readonly now: number;
  readonly memory: number;
};

async function readProcess(pid: number): Promise<Process | undefined> {
  try {
    const [stat, status, cmdline] = await Promise.all(["stat", "status", "cmdline"].map((name) => readFile(`/proc/${pid}/${name}`, "utf8")));
    return { pid, stat: stat!, status: status!, cmdline: cmdline! };
  } catch {
    return undefined; // it has just ended
  }
}

/** The kernel tells times in hundredths of a second, and memory in pages, on every architecture we run on. */
const TICKS = 100;
const PAGE = 4096;

function fieldOf(field: string, process: Process, around: Around): string {
  const { stat, status, cmdline, pid } = process;
  // The name in brackets may hold anything, brackets too.
  const name = stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")"));
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const at = (number: number) => Number(fields[number - 3] ?? 0);
  const ids = (key: "Uid" | "Gid") => new RegExp(`^${key}:\\s*(\\d+)\\s+(\\d+)`, "m").exec(status) ?? ["", "0", "0"];
  const [spent, age] = [(at(14) + at(15)) / TICKS, Math.max(around.uptime - at(22) / TICKS, 0.01)];
  const started = around.now - age * 1000;
  switch (field) {
    case "pid":
      return String(pid);
    case "ppid":
      return String(at(4));
    case "pgid":
      return String(at(5));
    case "sid":
      return String(at(6));
    case "uid":
      return ids("Uid")[2]!;
    case "gid":
      return ids("Gid")[2]!;
    case "user":
      return nameOf(ids("Uid")[2]!, around.users);
    case "ruser":
      return nameOf(ids("Uid")[1]!, around.users);
    case "group":
      return nameOf(ids("Gid")[2]!, around.groups);
    case "rgroup":
      return nameOf(ids("Gid")[1]!, around.groups);
    case "c":
      return String(Math.min(99, Math.floor((spent / age) * 100)));
    case "pcpu":
      return ((spent / age) * 100).toFixed(1);
    case "pmem":
      return ((at(24) * PAGE * 100) / around.memory).toFixed(1);
    case "vsz":
      return String(Math.floor(at(23) / 1024));
    case "rss":
      return String((at(24) * PAGE) / 1024);
    case "sz":
      return String(Math.ceil(at(23) / PAGE));
    case "tty":
      return terminalName(at(7));
    case "s":
      return fields[0] ?? "?";
    case "stat":
      return stateOf(fields[0] ?? "?", { nice: at(19), leader: at(6) === pid, threads: at(20), foreground: at(8) === at(5) });
    case "stime":
      return formatStart(started, around.now);
    case "lstart":
      return longStart(started);
    case "etime":
      return formatElapsed(Math.floor(age));
    case "etimes":
      return String(Math.floor(age));
    case "time":
      return formatSpan(Math.floor(spent));
    case "bsdtime":
      return `${Math.floor(spent / 60)}:${String(Math.floor(spent % 60)).padStart(2, "0")}`;
    case "ni":
      return String(at(19));
    case "pri":
      return String(39 - at(18));
    case "nlwp":
      return String(at(20));
    case "psr":
      return String(at(39));
    case "comm":
      return name;
    case "args":
      return cmdline.split("\0").join(" ").trim() || `[${name}]`;
  }
  throw fail("internal", `ps: no field ${field}`);
}

const nameOf = (id: string, names: ReadonlyMap<string, string>) => {
  const name = names.get(id) ?? id;
  return name.length <= 8 ? name : id.length <= 8 ? `${name.slice(0, 7)}+` : id;
};

function stateOf(state: string, { nice, leader, threads, foreground }: { nice: number; leader: boolean; threads: number; foreground: boolean }): string {
  return state + (nice < 0 ? "<" : nice > 0 ? "N" : "") + (leader ? "s" : "") + (threads > 1 ? "l" : "") + (foreground ? "+" : "");
}
