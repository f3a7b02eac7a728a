/**
 * `gantry daemon`: the engine as a process. In the foreground, as dockerd; `start` behind the terminal, `stop`, `status`.
 * Signals: TERM and INT stop it (containers go on with live restore), a second one at once; HUP reads the file again.
 */
import { closeSync, writeSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { fail, messageOf } from "#base/errors.ts";
import { openLog, type Log } from "#base/log.ts";
import { helpText, loadConfig, reloadConfig, type Config, type Loaded } from "#engine/config/config.ts";
import { formatHost } from "#engine/config/hosts.ts";
import packageJson from "../../package.json" with { type: "json" };
import { mustBeRoot, readyVariable, scrubbed, startInBackground } from "./background.ts";
import { claim, holderOf } from "./instance.ts";
import { printStatus } from "./status.ts";

const notRunning = 3;

await main(process.argv.slice(2));

async function main([verb = "", ...rest]: string[]): Promise<void> {
  try {
    if (verb === "start") return await start(rest);
    if (verb === "stop") return await stop(rest);
    if (verb === "status") return await status(rest);
    await foreground(verb === "" ? [] : [verb, ...rest]);
    process.exit();
  } catch (error) {
    process.stderr.write(`gantry daemon: ${messageOf(error)}\n`);
    process.exit(1);
  }
}

async function start(argv: string[]): Promise<void> {
  if (told(await loadConfig(argv))) return;
  const { pid, config, started } = await startInBackground(argv);
  const where = config.hosts.map(formatHost).join(", ");
  process.stdout.write(`${started ? "The engine runs" : "The engine was running already"} (pid ${pid}), listening on ${where}\n`);
}

async function stop(argv: string[]): Promise<void> {
  const loaded = await loadConfig(argv);
  if (told(loaded)) return;
  const { config } = loaded;
  const pid = holderOf(config);
  if (pid === undefined) {
    process.stdout.write(`No engine runs on ${config.dataRoot}\n`);
    return;
  }
  refuseOther(config);
  process.kill(pid, "SIGTERM");
  while (holderOf(config) !== undefined) await pause(20);
  process.stdout.write(`Stopped (pid ${pid})${config.liveRestore ? "; running containers go on" : ""}\n`);
}

/** Who works with another engine, by DOCKER_HOST, does not mean this one. @throws conflict */
function refuseOther(config: Config): void {
  const other = process.env["DOCKER_HOST"] ?? "";
  const own = config.hosts.map(formatHost);
  if (other === "" || own.includes(other)) return;
  throw fail("conflict", `DOCKER_HOST is ${other}, and the engine of ${config.dataRoot} listens on ${own.join(", ")}: unset DOCKER_HOST, or give the flags of the engine to stop`);
}

async function status(argv: string[]): Promise<void> {
  const named = await engineNamed(argv);
  if (named !== undefined) return void (process.exitCode = await (await import("#client/main.ts")).main([...named, "daemon", "status"]));
  const loaded = await loadConfig(argv);
  if (told(loaded)) return;
  const { config } = loaded;
  const pid = holderOf(config);
  if (pid !== undefined) return await printStatus(config, pid);
  process.stdout.write(`No engine runs on ${config.dataRoot}\n`);
  process.exitCode = notRunning;
}

/** The client's words for the engine that is meant, by -H, DOCKER_HOST or a context; undefined: this machine's, of these flags. */
async function engineNamed(argv: readonly string[]): Promise<string[] | undefined> {
  const words = argv.flatMap((word) => (/^(?:-H|-c|--host|--context)=./.test(word) ? [word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1)] : [word]));
  const { DOCKER_HOST: host = "", DOCKER_CONTEXT: context = "" } = process.env;
  const given = words.length === 2 && /^(?:-H|-c|--host|--context)$/.test(words[0]!);
  if (words.length > 0 && !given) return undefined;
  const chosen = given ? (/^(?:-H|--host)$/.test(words[0]!) ? words[1] : "") : host;
  if (chosen === "" && !given && (context === "" || context === "default")) {
    const [{ configFolder, readConfig }, { DEFAULT_CONTEXT }] = await Promise.all([import("#client/connect/config.ts"), import("#client/connect/contexts.ts")]);
    if ((readConfig(configFolder("", process.env), () => {}).currentContext || DEFAULT_CONTEXT) === DEFAULT_CONTEXT || context !== "") return undefined;
  }
  const { config } = await loadConfig([]);
  const isOwn = config.hosts.map(formatHost).includes(chosen ?? "") && holderOf(config) !== undefined;
  return isOwn ? undefined : words;
}

async function foreground(argv: string[]): Promise<void> {
  const loaded = await loadConfig(argv).catch((error: unknown) => {
    // Whoever may not read the file hears first that root is needed anyway.
    mustBeRoot();
    throw error;
  });
  if (!told(loaded)) await run(loaded, argv);
}

/** Whether only words were asked for, whatever else was: they are said then. */
function told({ action }: Loaded): boolean {
  if (action === "help") process.stdout.write(`${helpText()}\n`);
  else if (action === "version") process.stdout.write(`Gantry version ${packageJson.version}\n`);
  else if (action === "validate") process.stderr.write("configuration OK\n");
  return action !== "run";
}

async function run({ config, file, given }: Loaded, argv: string[]): Promise<void> {
  mustBeRoot();
  const announce = takeReadyDescriptor();
  process.env = scrubbed(process.env);
  process.umask(0o022);
  process.chdir("/");
  const log = openLog({ level: config.logLevel, format: config.logFormat });
  endOnUncaught(log);
  using _ = claim(config);
  const { serve } = await import("./gantryd.ts");
  const engine: Engine = await serve(config);
  log.info("listening", { hosts: config.hosts.map(formatHost).join(" "), version: packageJson.version, file, settings: given.join(" ") });
  announce();
  reloadOnHangup(engine, config, argv, log);
  await untilTold(log);
  await engine.close();
}

/** What `serve` gives. */
type Engine = { close(): Promise<void>; reload?(config: Config): Promise<void> };

/** Tells who started this engine in the background that it listens. */
function takeReadyDescriptor(): () => void {
  const descriptor = Number(process.env[readyVariable] ?? Number.NaN);
  return () => {
    if (!Number.isInteger(descriptor)) return;
    try {
      writeSync(descriptor, "ready\n");
    } catch {
      // Who started the engine did not wait for it: no reason to end.
    }
    closeSync(descriptor);
  };
}

function endOnUncaught(log: Log): void {
  process.on("uncaughtException", (error) => {
    log.error("uncaught error: the engine ends, containers go on", { error: error.stack ?? messageOf(error) });
    process.exit(2);
  });
}

/** Resolves at the first signal to stop; a second one ends the process at once. */
function untilTold(log: Log): Promise<void> {
  return new Promise((resolve) => {
    let told = false;
    const onSignal = (signal: NodeJS.Signals): void => {
      if (told) process.exit(1);
      told = true;
      log.info("stopping", { signal });
      resolve();
    };
    process.on("SIGTERM", onSignal).on("SIGINT", onSignal);
  });
}

function reloadOnHangup(engine: Engine, first: Config, argv: string[], log: Log): void {
  let running = first;
  process.on("SIGHUP", () => {
    void (async () => {
      const { config, ignored } = await reloadConfig(argv, running);
      await engine.reload?.(config);
      running = config;
      log.setLevel(config.logLevel);
      log.info("configuration read again", ignored.length > 0 ? { "needs a restart": ignored.join(" ") } : {});
    })().catch((error: unknown) => log.error("configuration not taken over", { error }));
  });
}
