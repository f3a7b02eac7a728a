/** An engine for a test file: ours, or with PEER=dockerd the reference, at a place of its own. */
import { spawn, execFileSync, type ChildProcess } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { makePlace, removePlace, type Place } from "./place.ts";

export type EngineKind = "gantry" | "dockerd";
export const peer: EngineKind = process.env["PEER"] === "dockerd" ? "dockerd" : "gantry";
export const root = join(import.meta.dirname, "../../..");

export type Engine = AsyncDisposable & {
  readonly place: Place;
  readonly pid: number;
  /** Text of its log so far. */
  log(): string;
  /** SIGKILL, awaited. */
  kill(): Promise<void>;
  /** SIGTERM, awaited; the exit code. */
  stop(): Promise<number | null>;
  /** Starts it again at the same place. */
  start(): Promise<void>;
  /** A request to the API; the body is JSON, decoded, or text. */
  api(method: string, path: string, body?: unknown): Promise<{ status: number; body: unknown }>;
};

/** `flags`: more of the engine's flags. */
export async function openEngine(flags: readonly string[] = [], kind: EngineKind = peer): Promise<Engine> {
  const place = await makePlace();
  let child: ChildProcess | undefined;
  const engine: Engine = {
    place,
    get pid() {
      return child?.pid ?? 0;
    },
    log: () => readFileSync(place.log, "utf8"),
    async start() {
      child = launch(kind, place, flags);
      await untilListening(child, place);
    },
    async kill() {
      await end(child, "SIGKILL");
      if (kind === "dockerd") await killContainerd(place);
    },
    async stop() {
      return await end(child, "SIGTERM");
    },
    api: (method, path, body) => call(place.socket, method, path, body),
    async [Symbol.asyncDispose]() {
      await end(child, "SIGTERM");
      await removePlace(place);
    },
  };
  try {
    await engine.start();
  } catch (error) {
    await engine[Symbol.asyncDispose]();
    throw error;
  }
  return engine;
}

function launch(kind: EngineKind, place: Place, flags: readonly string[]): ChildProcess {
  const [program, ...argv] = kind === "dockerd" ? dockerdCommand(place) : gantryCommand(place);
  const log = openSync(place.log, "a");
  // The shell joins the place's cgroup before it becomes the engine, so that nothing is started outside of it.
  const child = spawn("/bin/sh", ["-c", `echo $$ >"$0/cgroup.procs" && exec "$@"`, place.cell, program as string, ...argv, ...flags], {
    stdio: ["ignore", log, log],
    env: { ...process.env, DOCKER_HOST: undefined },
  });
  closeSync(log);
  return child;
}

function gantryCommand(place: Place): string[] {
  return [join(root, "gantry"), "daemon", ...commonFlags(place), "--config-file", place.config, "--bip", `${place.subnet}.1/24`];
}

function dockerdCommand(place: Place): string[] {
  try {
    execFileSync("ip", ["link", "add", place.bridge, "type", "bridge"], { stdio: "ignore" });
    execFileSync("ip", ["addr", "add", `${place.subnet}.1/24`, "dev", place.bridge], { stdio: "ignore" });
  } catch {
    // It is there already: a second start.
  }
  return ["dockerd", ...commonFlags(place), "--config-file", place.config, "--live-restore"];
}

function commonFlags(place: Place): string[] {
  return [
    ...["--data-root", place.dataRoot, "--exec-root", place.execRoot, "-H", `unix://${place.socket}`],
    ...["--pidfile", place.pidfile, "--bridge", place.bridge, "--cgroup-parent", place.cgroupParent],
  ];
}

async function untilListening(child: ChildProcess, place: Place): Promise<void> {
  const deadline = Date.now() + 60_000;
  while ((await call(place.socket, "GET", "/_ping").catch(() => undefined))?.status !== 200) {
    if (child.exitCode !== null || child.signalCode !== null || Date.now() > deadline) {
      throw new Error(`the engine did not start:\n${readFileSync(place.log, "utf8").slice(-4000)}`);
    }
    await pause(20);
  }
}

/** A dockerd that was killed leaves its containerd behind, and the next one does not get along with it. */
async function killContainerd(place: Place): Promise<void> {
  const pid = Number(readFileSync(join(place.execRoot, "containerd/containerd.pid"), "utf8"));
  process.kill(pid, "SIGKILL");
  while (existsSync(`/proc/${pid}`)) await pause(20);
}

async function end(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<number | null> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  child.kill(signal);
  const late = AbortSignal.timeout(60_000);
  late.addEventListener("abort", () => child.kill("SIGKILL"));
  return await ended;
}

function call(socketPath: string, method: string, path: string, body?: unknown): Promise<{ status: number; body: unknown }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: unknown }>();
  const json = body === undefined ? undefined : JSON.stringify(body);
  const headers = json === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(json) };
  const sent = request({ socketPath, method, path, headers, agent: false }, async (response) => {
    try {
      const text = (await response.setEncoding("utf8").toArray()).join("");
      const isJson = response.headers["content-type"]?.startsWith("application/json") === true && text !== "";
      resolve({ status: response.statusCode ?? 0, body: isJson ? JSON.parse(text) : text });
    } catch (error) {
      reject(error as Error);
    }
  });
  sent.on("error", reject);
  sent.end(json);
  return promise;
}

