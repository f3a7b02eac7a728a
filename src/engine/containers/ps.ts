/** What `ps -ef` prints, from /proc. */
import { readFile } from "node:fs/promises";

const TITLES = ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"];
/** The kernel tells times in hundredths of a second on every architecture we run on. */
const TICKS = 100;

export async function listProcesses(pids: readonly number[], passwd: string): Promise<{ titles: string[]; processes: string[][] }> {
  const names = new Map(passwd.split("\n").map((line) => line.split(":")).map(([name = "", , uid = ""]) => [uid, name]));
  const [uptime, rows] = [Number((await readFile("/proc/uptime", "utf8")).split(" ")[0]), await Promise.all(pids.map(readProcess))];
  const processes = rows.filter((row) => row !== undefined).map((row) => formatProcess(row, { names, uptime, now: Date.now() }));
  return { titles: TITLES, processes };
}

export type Process = { readonly pid: number; readonly stat: string; readonly uid: string; readonly cmdline: string };

async function readProcess(pid: number): Promise<Process | undefined> {
  try {
    const [stat, status, cmdline] = await Promise.all(["stat", "status", "cmdline"].map((name) => readFile(`/proc/${pid}/${name}`, "utf8")));
    return { pid, stat: stat!, uid: /^Uid:\s*\d+\s+(\d+)/m.exec(status!)?.[1] ?? "0", cmdline: cmdline! };
  } catch {
    return undefined; // it has just ended
  }
}

type Around = { readonly names: ReadonlyMap<string, string>; readonly uptime: number; readonly now: number };

export function formatProcess({ pid, stat, uid, cmdline }: Process, { names, uptime, now }: Around): string[] {
  // The name in brackets may hold anything, brackets too.
  const name = stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")"));
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const at = (number: number) => Number(fields[number - 3] ?? 0);
  const [spent, started] = [(at(14) + at(15)) / TICKS, at(22) / TICKS];
  const age = Math.max(uptime - started, 0.01);
  const words = cmdline.split("\0").join(" ").trim();
  return [
    userName(names.get(uid) ?? uid, uid),
    String(pid),
    String(at(4)),
    String(Math.min(99, Math.floor((spent / age) * 100))),
    formatStart(now - age * 1000, now),
    terminal(at(7)),
    formatSpan(Math.floor(spent)),
    words === "" ? `[${name}]` : words,
  ];
}

const userName = (name: string, uid: string) => (name.length <= 8 ? name : uid.length <= 8 ? `${name.slice(0, 7)}+` : uid);

function terminal(device: number): string {
  const major = (device >> 8) & 0xfff;
  const minor = (device & 0xff) | ((device >> 12) & 0xfff00);
  if (major >= 136 && major <= 143) return `pts/${minor + (major - 136) * 256}`;
  return major === 4 ? `tty${minor}` : "?";
}

/** HH:MM of today, MonDD of this year, or the year. */
function formatStart(started: number, now: number): string {
  const [then, today] = [new Date(started), new Date(now)];
  const two = (number: number) => String(number).padStart(2, "0");
  if (then.toDateString() === today.toDateString()) return `${two(then.getHours())}:${two(then.getMinutes())}`;
  if (then.getFullYear() !== today.getFullYear()) return String(then.getFullYear());
  return then.toLocaleString("en-US", { month: "short" }) + two(then.getDate());
}

function formatSpan(seconds: number): string {
  const two = (number: number) => String(Math.floor(number)).padStart(2, "0");
  const days = Math.floor(seconds / 86400);
  return `${days > 0 ? `${days}-` : ""}${two((seconds % 86400) / 3600)}:${two((seconds % 3600) / 60)}:${two(seconds % 60)}`;
}
