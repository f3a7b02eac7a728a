/** The engine started behind a command: detached, its log in the data root, waited for until it answers. */
import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, mkdirSync, openSync, readSync, fstatSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fail } from "#base/errors.ts";
import { loadConfig, type Config } from "#engine/config/config.ts";
import { holderOf } from "./instance.ts";

/** The descriptor on which an engine in the background says that it listens. */
export const readyDescriptor = 3;
export const readyVariable = "GANTRY_READY_FD";

/** Starts an engine unless one runs on this root; resolves to its pid when its socket takes connections. */
export async function startInBackground(argv: readonly string[]): Promise<{ pid: number; config: Config; started: boolean }> {
  const { config } = await loadConfig(argv);
  mustBeRoot();
  const running = holderOf(config);
  if (running !== undefined) {
    await untilConnects(config, () => holderOf(config) !== undefined);
    return { pid: running, config, started: false };
  }
  mkdirSync(config.dataRoot, { recursive: true, mode: 0o710 });
  const logPath = logFileOf(config);
  const log = openSync(logPath, "a+", 0o640);
  const from = fstatSync(log).size;
  const child = spawn(process.execPath, [...engineArguments, ...argv], {
    stdio: ["ignore", log, log, "pipe"],
    cwd: "/",
    detached: true,
    env: {
      ...scrubbed(process.env),
      [readyVariable]: String(readyDescriptor),
      NODE_COMPILE_CACHE: join(import.meta.dirname, "../../build/cache"),
    },
  });
  const ready = await untilReady(child);
  const tail = ready ? "" : readFrom(log, from);
  closeSync(log);
  if (ready) return { pid: child.pid as number, config, started: true };
  const other = holderOf(config);
  if (other === undefined) throw fail("unavailable", `the engine did not start; its log (${logPath}) says:\n${tail.trimEnd()}`);
  await untilConnects(config, () => holderOf(config) !== undefined);
  return { pid: other, config, started: false };
}

export function logFileOf(config: Config): string {
  return join(config.dataRoot, "gantryd.log");
}

export function mustBeRoot(): void {
  if (process.getuid?.() === 0) return;
  throw fail("forbidden", "the engine has to be started as root: containers need namespaces, mounts and cgroups of the whole machine (try sudo)");
}

/** Without what changes how programs of ours run: the engine starts from its flags and its file alone. */
export function scrubbed(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const hostile = /^(NODE_|LD_|GLIBC_|MALLOC_|BASH_|npm_|GANTRY_READY_FD$|ENV$|IFS$|CDPATH$)/;
  return Object.fromEntries(Object.entries(env).filter(([name]) => !hostile.test(name) || name === "NODE_EXTRA_CA_CERTS"));
}

/** As the launcher has them. */
const engineArguments = ["--disable-warning=ExperimentalWarning", "--disable-sigusr1", "--max-semi-space-size=2", join(import.meta.dirname, "daemon.ts")];

/** True when the engine said that it is ready; false when it ended before. */
function untilReady(child: ChildProcess): Promise<boolean> {
  const pipe = child.stdio[readyDescriptor] as NodeJS.ReadableStream & { destroy(): void };
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  child.once("error", reject);
  pipe.once("data", () => resolve(true));
  pipe.once("end", () => resolve(false));
  return promise.finally(() => {
    pipe.destroy();
    child.unref();
  });
}

/** Another process is starting the engine: its socket appears when it is ready. */
async function untilConnects(config: Config, goesOn: () => boolean): Promise<void> {
  const host = config.hosts.find((candidate) => candidate.kind === "unix");
  while (host !== undefined && !(await connects(host.path))) {
    if (!goesOn()) throw fail("unavailable", `the engine ended while starting; its log is ${logFileOf(config)}`);
    await pause(20);
  }
}

function connects(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => (socket.destroy(), resolve(true)));
    socket.once("error", () => resolve(false));
  });
}

/** What was written since `from`, its last 8 KiB. */
function readFrom(descriptor: number, from: number): string {
  const size = fstatSync(descriptor).size;
  const start = Math.max(from, size - 8192);
  const bytes = Buffer.alloc(size - start);
  return bytes.subarray(0, readSync(descriptor, bytes, 0, bytes.length, start)).toString();
}
