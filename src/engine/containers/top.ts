/**
 * top: `ps` as the host sees the container's processes. The usual columns are read from /proc by ourselves; other
 * options are handed to the host's ps, and of what it lists the container's processes are kept.
 */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { fail, messageOf } from "#base/errors.ts";
import { isRunning, publish, type Context } from "./context.ts";
import { listProcesses } from "./ps.ts";

export type Top = { titles: string[]; processes: string[][] };

const run = promisify(execFile);
const PS_MS = 10_000;

export async function top(ctx: Context, ref: string, psArgs: string): Promise<Top> {
  const record = ctx.store.find(ref);
  if (!isRunning(record)) throw fail("conflict", `container ${record.id} is not running`);
  const renamed = /\s+([^\s]*)=\s*(PID[^\s]*)/.exec(` ${psArgs}`);
  if (renamed !== null) throw fail("invalid", `specifying "${renamed[1]}=${renamed[2]}" is not allowed`);
  const pids = await ctx.tasks.pids(ctx.cgroupOf(record));
  const found = psArgs.trim() === "-ef" ? await listProcesses(pids, await readFile("/etc/passwd", "utf8").catch(() => "")) : await hostPs(psArgs, new Set(pids));
  publish(ctx, record, "top");
  return found;
}

async function hostPs(psArgs: string, pids: ReadonlySet<number>): Promise<Top> {
  const args = psArgs.split(/\s+/).filter((word) => word !== "");
  const { stdout } = await run("ps", args, { timeout: PS_MS, maxBuffer: 64 << 20, env: { PATH: process.env["PATH"] ?? "/usr/bin:/bin", LC_ALL: "C" } }).catch((error: unknown) => {
    const code = (error as NodeJS.ErrnoException).code;
    throw fail("invalid", code === "ENOENT" ? 'exec: "ps": executable file not found in $PATH' : `error running ps: ${messageOf(error)}`, { cause: error });
  });
  return parsePs(stdout, pids);
}

/** The last column takes the rest of its line. */
export function parsePs(output: string, pids: ReadonlySet<number>): Top {
  const [head = "", ...lines] = output.split("\n");
  const titles = head.trim().split(/\s+/);
  const column = titles.indexOf("PID");
  if (column < 0) throw fail("invalid", "couldn't find PID field in ps output");
  const processes = lines.flatMap((line) => {
    const words = line.trim().split(/\s+/);
    if (!pids.has(Number(words[column]))) return [];
    return [[...words.slice(0, titles.length - 1), words.slice(titles.length - 1).join(" ")]];
  });
  return { titles, processes };
}
