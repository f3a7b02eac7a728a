/** Compose driven from outside: docker-compose 1.29, which is Python, and the plugin that came after it. */
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { onPath } from "../../packages.ts";
import { follow, type Result, type Running } from "./client.ts";
import type { Engine } from "./engine.ts";

export type ComposeTool = "docker-compose" | "plugin";

/** Where docker looks for plugins, and where a test's caller says that one is. */
const plugin = [
  process.env["GANTRY_TEST_COMPOSE"] ?? "",
  ...[join(process.env["HOME"] ?? "/root", ".docker"), "/usr/local/lib/docker", "/usr/local/libexec/docker", "/usr/lib/docker", "/usr/libexec/docker"].map((folder) => join(folder, "cli-plugins/docker-compose")),
].find((path) => path !== "" && existsSync(path));

export const composeMissing: Readonly<Record<ComposeTool, string | undefined>> = {
  "docker-compose": onPath("docker-compose") ? undefined : "docker-compose is not on this machine (apt-get install docker-compose)",
  plugin: plugin === undefined ? "the Compose plugin is not on this machine (GANTRY_TEST_COMPOSE names one)" : undefined,
};

export type Compose = {
  readonly tool: ComposeTool;
  (...argv: string[]): Promise<Result>;
  /** The same; it has to succeed. What it printed, standard error too. */
  ok(...argv: string[]): Promise<string>;
  /** The same, its standard output alone. */
  out(...argv: string[]): Promise<string>;
  spawn(...argv: string[]): Running;
  /** With more variables in its environment. */
  with(env: Record<string, string>): Compose;
};

/** `folder` holds compose.yaml. */
export function openCompose(tool: ComposeTool, engine: Engine, folder: string, project: string, env: Record<string, string> = {}): Compose {
  // A test of ours runs in a CI: no colours, no bars.
  const environment = { ...process.env, DOCKER_HOST: `unix://${engine.place.socket}`, DOCKER_CONFIG: join(engine.place.folder, "config"), COMPOSE_HTTP_TIMEOUT: "120", NO_COLOR: "1", ...env };
  const start = (argv: string[]): ChildProcess => {
    const [program, ...first] = tool === "plugin" ? [plugin as string, "--ansi", "never", "--progress", "plain"] : ["docker-compose", "--ansi", "never"];
    return spawn(program as string, [...first, "-p", project, ...argv], { cwd: folder, env: environment, stdio: ["ignore", "pipe", "pipe"], timeout: 150_000, killSignal: "SIGKILL" });
  };
  const run = (...argv: string[]): Promise<Result> => follow(start(argv)).ended;
  const must = async (argv: string[]): Promise<Result> => {
    const result = await run(...argv);
    assert.equal(result.code, 0, `${tool} ${argv.join(" ")}: code ${result.code}\n${result.stdout}\n${result.stderr}`);
    return result;
  };
  return Object.assign(run, {
    tool,
    ok: async (...argv: string[]) => Object.values(await must(argv)).slice(2).join(""),
    out: async (...argv: string[]) => (await must(argv)).stdout.trim(),
    spawn: (...argv: string[]) => follow(start(argv)),
    with: (more: Record<string, string>) => openCompose(tool, engine, folder, project, { ...env, ...more }),
  });
}
