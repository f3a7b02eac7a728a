/** The client's story: read the global options, find the command, load it, run it, turn what it throws into an exit code. */
import { Failure, fail, messageOf } from "#base/errors.ts";
import type { Cli, Entry, Globals, Group, Output } from "./client.ts";
import { findEntry, type Found } from "./commands/commands.ts";
import { parseFlags } from "./flags/parse.ts";
import { globalFlags } from "./globals.ts";
import { openOutput } from "./output.ts";
import { escapeControls } from "./terminal/escape-controls.ts";
import { VERSION } from "./version.ts";

export type MainOptions = {
  /** Where to write; the standard streams unless told. */
  readonly out?: Output;
  readonly err?: Output;
  readonly startEngine?: (say: (text: string) => void) => Promise<void>;
};

export async function main(line: readonly string[], options: MainOptions = {}): Promise<number> {
  const { out = openOutput(1), err = openOutput(2) } = options;
  try {
    const { options: globals, args, help } = readGlobals(line);
    if (globals.version) return say(out, `Gantry version ${VERSION}\n`);
    if (args[0] === "help" && !help) return await showHelp(out, args.slice(1));
    const found = findEntry(args);
    if (found.kind === "nothing") {
      if (help || args.length === 0) return await showHelp(out, []);
      throw await unknown(found);
    }
    if (found.kind === "group") return await runGroup(found, out, err);
    return await runEntry(found, globals, options, { out, err });
  } catch (error) {
    return report(error, err);
  }
}

type Line = { readonly options: Globals & { readonly version: boolean }; readonly args: readonly string[]; readonly help: boolean };

function readGlobals(line: readonly string[]): Line {
  try {
    const { options, args, help } = parseFlags(globalFlags, line, false);
    const tlsverify = options.given.has("tlsverify") ? options.tlsverify : undefined;
    return { options: { ...options, logLevel: options["log-level"], tlsverify }, args, help };
  } catch (error) {
    throw wrongUsage(error, "gantry [OPTIONS] COMMAND [ARG...]", "gantry", 125);
  }
}

async function runEntry(
  found: Found & { kind: "entry" },
  globals: Globals,
  options: MainOptions,
  outputs: { out: Output; err: Output },
): Promise<number> {
  const { entry, path, args } = found;
  const command = (await entry.load()).command;
  const usage = `${path}${entry.usage === "" ? "" : ` ${entry.usage}`}`;
  let parsed: ReturnType<typeof parseFlags>;
  try {
    parsed = parseFlags(command.flags, command.raw ? ["--", ...args] : args, command.interspersed);
  } catch (error) {
    throw wrongUsage(error, usage, path, 125);
  }
  if (parsed.help) {
    const { renderCommand } = await import("./commands/help.ts");
    return say(outputs.out, renderCommand(entry, command.flags, path, outputs.out.columns));
  }
  checkArity(entry, path, usage, parsed.args.length);
  const cli = await makeCli(path, path === COMPLETE ? globalsOfWords(globals, args) : globals, options, outputs);
  try {
    return (await command.run(cli, parsed.options as never, parsed.args)) ?? 0;
  } finally {
    cli.close();
  }
}

const COMPLETE = "gantry __complete";

/** A line that is being completed names its engine itself. */
function globalsOfWords(globals: Globals, words: readonly string[]): Globals {
  try {
    const given = readGlobals(words[0] === "--" ? words.slice(1) : words).options;
    return given.host.length > 0 || given.context !== "" ? given : globals;
  } catch {
    return globals;
  }
}

type RunningCli = Cli & { close(): void };

async function makeCli(
  path: string,
  globals: Globals,
  options: MainOptions,
  { out, err }: { out: Output; err: Output },
): Promise<RunningCli> {
  const { configFolder, readConfig } = await import("./connect/config.ts");
  const env = process.env;
  let config: ReturnType<typeof readConfig> | undefined;
  let api: ReturnType<Cli["api"]> | undefined;
  let line: ReturnType<Cli["api"]> | undefined;
  const opened: Awaited<ReturnType<Cli["api"]>>[] = [];
  const readOnce = () => (config ??= readConfig(configFolder(globals.config, env), (text) => err.write(text)));
  const open = async (negotiates?: false) => {
    const [{ resolveEndpoint }, { openApi }] = await Promise.all([import("./connect/endpoint.ts"), import("./connect/open.ts")]);
    let endpoint: ReturnType<typeof resolveEndpoint>;
    try {
      endpoint = resolveEndpoint(globals, env, readOnce);
    } catch (error) {
      if (error instanceof Failure && error.facts["bare"]) throw error;
      throw fail("invalid", `Failed to initialize: unable to resolve docker endpoint: ${messageOf(error)}`, { cause: error, facts: { bare: true } });
    }
    const startEngine = options.startEngine;
    // Who only asks must not bring an engine up.
    const mayStart = startEngine !== undefined && process.geteuid?.() === 0 && path !== COMPLETE && path !== "gantry daemon";
    const one = await openApi(endpoint, {
      userAgent: `Gantry-Client/${VERSION} (${process.platform})`,
      headers: readOnce().headers,
      ...(env["DOCKER_API_VERSION"] ? { version: env["DOCKER_API_VERSION"] } : {}),
      ...(negotiates === false && { negotiates }),
      ...(mayStart ? { startEngine: () => startEngine((text) => err.write(text)) } : {}),
    });
    opened.push(one);
    return one;
  };
  return {
    globals,
    env,
    out,
    err,
    path,
    config: readOnce,
    api: () => (api ??= open()),
    line: () => api ?? (line ??= open(false)),
    close: () => {
      for (const one of opened) one.close();
    },
  };
}

async function runGroup(found: Found & { kind: "group" }, out: Output, err: Output): Promise<number> {
  const { group, path, args } = found;
  const { renderGroup } = await import("./commands/help.ts");
  const word = args.find((each) => !each.startsWith("-"));
  if (word !== undefined && word !== "help") throw await unknown(found);
  const flag = args.find((each) => each.startsWith("-") && each !== "--help" && each !== "-h" && each !== "--");
  if (flag !== undefined) {
    try {
      parseFlags({}, [flag]);
    } catch (error) {
      throw wrongUsage(error, path, path, 125);
    }
  }
  const asked = args.length > 0;
  return say(asked ? out : err, renderGroup(group, path));
}

async function showHelp(out: Output, words: readonly string[]): Promise<number> {
  const { renderCommand, renderGroup, renderRoot } = await import("./commands/help.ts");
  if (words.length === 0) return say(out, renderRoot(out.columns));
  const found = findEntry(words);
  if (found.kind === "nothing") throw fail("invalid", `unknown help topic: ${words.join(" ")}`);
  if (found.kind === "group") return say(out, renderGroup(found.group, found.path));
  const command = (await found.entry.load()).command;
  return say(out, renderCommand(found.entry, command.flags, found.path, out.columns));
}

async function unknown(found: Found): Promise<Failure> {
  const { suggest } = await import("./commands/suggest.ts");
  const word = found.args.find((each) => !each.startsWith("-")) ?? "";
  const usage = found.kind === "group" ? `Usage:  ${found.path}\n\n` : "";
  const near = suggest(word, found.kind === "group" ? found.group : undefined);
  const hint = near.length === 0 ? "" : `Did you mean this?\n${near.map((each) => `\t${each}\n`).join("")}\n`;
  return fail(
    "invalid",
    `gantry: unknown command: ${found.path} ${word}\n\n${hint}${usage}Run '${found.path} --help' for more information`,
  );
}

function checkArity(entry: Entry, path: string, usage: string, count: number): void {
  const { min, max } = entry.arity;
  if (count >= min && count <= max) return;
  const plural = (number: number) => `${number} argument${number === 1 ? "" : "s"}`;
  let needs = `requires at least ${min} and at most ${plural(max)}`;
  if (max === 0) needs = "accepts no arguments";
  else if (min === max) needs = `requires ${plural(min)}`;
  else if (max === Number.POSITIVE_INFINITY) needs = `requires at least ${plural(min)}`;
  else if (min === 0) needs = `requires at most ${plural(max)}`;
  const see = max === Number.POSITIVE_INFINITY ? "See" : "Run";
  throw fail("invalid", `gantry: '${path}' ${needs}\n\nUsage:  ${usage}\n\n${see} '${path} --help' for more information`);
}

function wrongUsage(error: unknown, usage: string, path: string, status: number): unknown {
  if (!(error instanceof Failure)) return error;
  return fail("invalid", `${error.message}\n\nUsage:  ${usage}\n\nRun '${path} --help' for more information`, {
    facts: { status },
  });
}

function report(error: unknown, err: Output): number {
  const status = error instanceof Failure && typeof error.facts["status"] === "number" ? error.facts["status"] : 1;
  const text = error instanceof Failure ? error.message : `gantry: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
  if (text !== "") err.write(`${err.isTerminal ? escapeControls(text) : text}\n`);
  return status;
}

function say(output: Output, text: string): number {
  output.write(text);
  return 0;
}
