/** A command-line client driven from outside: the official `docker`, or our `gantry`. */
import { spawn, type ChildProcess } from "node:child_process";
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { onPath } from "../../packages.ts";
import { root, type Engine } from "./engine.ts";
import { openTerminal, type Terminal } from "./terminal.ts";

export type ClientName = "docker" | "gantry";
export type Result = { code: number | null; signal: NodeJS.Signals | null; stdout: string; stderr: string };
export type CallOptions = { input?: string | Buffer; env?: Record<string, string>; cwd?: string; timeout?: number };

export type Client = {
  readonly name: ClientName;
  /** Runs a command to its end. */
  (...argv: string[]): Promise<Result>;
  /** The same; it has to succeed. Its standard output, without the last newline. */
  ok(...argv: string[]): Promise<string>;
  /** The same; it has to fail with this code, and its standard error has to match. */
  fails(code: number, message: RegExp, ...argv: string[]): Promise<Result>;
  with(options: CallOptions): (...argv: string[]) => Promise<Result>;
  /** A command that goes on. */
  spawn(...argv: string[]): Running;
  /** A command behind a terminal. */
  terminal(...argv: string[]): Terminal;
};

/** A client that is running: what it printed so far, and waits for more. */
export type Running = {
  readonly child: ChildProcess;
  readonly stdout: string;
  readonly stderr: string;
  /** Resolves when its output (standard output, then error) matches. */
  until(pattern: RegExp): Promise<RegExpExecArray>;
  readonly ended: Promise<Result>;
};

const longest = 60_000;

export function clientsHere(): ClientName[] {
  const wanted = (process.env["CLIENTS"] ?? "docker,gantry").split(",");
  const here: ClientName[] = [];
  if (onPath("docker")) here.push("docker");
  if (existsSync(join(root, "src/bin/gantry.ts"))) here.push("gantry");
  return here.filter((name) => wanted.includes(name));
}

export function openClient(name: ClientName, engine: Engine): Client {
  const program = name === "docker" ? "docker" : join(root, "gantry");
  const environment = { ...process.env, DOCKER_HOST: `unix://${engine.place.socket}`, DOCKER_CONFIG: join(engine.place.folder, "config"), DOCKER_CLI_HINTS: "false" };
  const start = (argv: string[], options: CallOptions = {}): ChildProcess =>
    spawn(program, argv, { cwd: options.cwd ?? "/", env: { ...environment, ...options.env }, timeout: options.timeout ?? longest, killSignal: "SIGKILL" });
  const run = async (argv: string[], options: CallOptions = {}): Promise<Result> => {
    const child = start(argv, options);
    const running = follow(child);
    child.stdin?.on("error", () => {});
    child.stdin?.end(options.input ?? "");
    return await running.ended;
  };
  const call = (...argv: string[]): Promise<Result> => run(argv);
  return Object.assign(Object.defineProperty(call, "name", { value: name }), {
    async ok(...argv: string[]) {
      const result = await run(argv);
      assert.equal(result.code, 0, `${name} ${argv.join(" ")}: code ${result.code}, stderr: ${result.stderr}`);
      return result.stdout.replace(/\n$/, "");
    },
    async fails(code: number, message: RegExp, ...argv: string[]) {
      const result = await run(argv);
      assert.match(result.stderr, message, `${name} ${argv.join(" ")}`);
      assert.equal(result.code, code, `${name} ${argv.join(" ")}: ${result.stderr}`);
      return result;
    },
    with: (options: CallOptions) => (...argv: string[]) => run(argv, options),
    spawn: (...argv: string[]) => follow(start(argv)),
    terminal: (...argv: string[]) => openTerminal([program, ...argv], environment),
  }) as Client;
}

/** Collects what a process prints. */
export function follow(child: ChildProcess): Running {
  let stdout = "";
  let stderr = "";
  const waiting = new Set<() => void>();
  const wake = (): void => waiting.forEach((look) => look());
  child.stdout?.setEncoding("utf8").on("data", (text: string) => ((stdout += text), wake()));
  child.stderr?.setEncoding("utf8").on("data", (text: string) => ((stderr += text), wake()));
  let over = false;
  const ended = new Promise<Result>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      over = true;
      wake();
      resolve({ code, signal, stdout, stderr });
    });
  });
  const until = (pattern: RegExp): Promise<RegExpExecArray> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const match = pattern.exec(stdout) ?? pattern.exec(stderr);
        if (match === null && !over) return;
        waiting.delete(look);
        if (match !== null) resolve(match);
        else reject(new Error(`ended before ${pattern} was printed\nstdout: ${stdout.slice(-2000)}\nstderr: ${stderr.slice(-2000)}`));
      };
      waiting.add(look);
      look();
    });
  return {
    child,
    get stdout() {
      return stdout;
    },
    get stderr() {
      return stderr;
    },
    until,
    ended,
  };
}
