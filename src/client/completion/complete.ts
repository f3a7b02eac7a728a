/** `gantry __complete -- WORD…`: what may stand in the place of the last word, a line each, for the shells. */
import { type AnyCommand, type Cli, type Completes, define, type Entry } from "../client.ts";
import { findEntry, groups, topLevel } from "../commands/commands.ts";
import type { Flag, Flags } from "../flags/flags.ts";
import { globalFlags } from "../globals.ts";

type Candidate = readonly [word: string, what?: string];

export const command = define({
  flags: {},
  raw: true,
  async run(cli, _options, args) {
    const words = args[0] === "--" ? args.slice(1) : args;
    const found = await complete(cli, words.length === 0 ? [""] : words);
    if (found === "files") cli.out.write(":files\n");
    else cli.out.write(found.map(([word, what = ""]) => `${word}\t${what}\n`).join(""));
  },
});

async function complete(cli: Cli, words: readonly string[]): Promise<readonly Candidate[] | "files"> {
  const current = words.at(-1)!;
  const before = words.slice(0, -1);
  const rest = skipFlags(globalFlags, before);
  if (rest.waiting !== undefined) return valuesOf(cli, rest.waiting);
  const found = findEntry(rest.args);
  if (found.kind === "nothing") {
    if (rest.args.length > 0) return "files";
    return startingWith(current.startsWith("-") ? flagNames(globalFlags) : commandNames(), current);
  }
  if (found.kind === "group") {
    return startingWith(found.group.entries.filter((entry) => !entry.hidden).map((entry) => [entry.name, entry.short]), current);
  }
  const command = (await found.entry.load()).command;
  return completeEntry(cli, found.entry, command, found.args, current);
}

async function completeEntry(
  cli: Cli,
  entry: Entry,
  command: AnyCommand,
  before: readonly string[],
  current: string,
): Promise<readonly Candidate[] | "files"> {
  const { args, waiting } = skipFlags(command.flags, before);
  if (waiting !== undefined) return valuesOf(cli, waiting);
  const ours = command.interspersed !== false || args.length === 0;
  if (current.startsWith("-") && ours) return startingWith(flagNames(command.flags), current);
  if (entry.completes === undefined || args.length >= entry.arity.max) return "files";
  // Behind an image or a container stands a command of the container's.
  if (command.interspersed === false && args.length > 0) return "files";
  const kinds = typeof entry.completes === "string" ? [entry.completes] : entry.completes;
  const names = await namesOf(cli, kinds[Math.min(args.length, kinds.length - 1)]!);
  return startingWith(names.filter(([name]) => !args.includes(name)), current);
}

/** The arguments among words, and the flag that the next word is the value of. */
function skipFlags(flags: Flags, words: readonly string[]): { args: readonly string[]; waiting?: string } {
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    if (word === "--") return { args: words.slice(at + 1) };
    if (!word.startsWith("-") || word === "-") {
      if (flags === globalFlags) return { args: words.slice(at) };
      continue;
    }
    const [name, flag] = flagOf(flags, word) ?? [];
    if (flag === undefined || flag.bare !== undefined || word.includes("=")) continue;
    if (at === words.length - 1) return { args: [], waiting: name! };
    at++;
  }
  return { args: argumentsAmong(flags, words) };
}

function argumentsAmong(flags: Flags, words: readonly string[]): string[] {
  const args: string[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    if (!word.startsWith("-") || word === "-") {
      args.push(word);
      continue;
    }
    const flag = flagOf(flags, word)?.[1];
    if (flag !== undefined && flag.bare === undefined && !word.includes("=")) at++;
  }
  return args;
}

function flagOf(flags: Flags, word: string): [string, Flag] | undefined {
  const name = word.replace(/^--?/, "").split("=")[0]!;
  if (word.startsWith("--")) return Object.hasOwn(flags, name) ? [name, flags[name]!] : undefined;
  return Object.entries(flags).find(([, flag]) => flag.short === word.at(-1));
}

function flagNames(flags: Flags): Candidate[] {
  return Object.entries(flags)
    .filter(([, flag]) => !flag.hidden)
    .map(([name, flag]) => [`--${name}`, flag.text.split("\n")[0]!]);
}

function commandNames(): Candidate[] {
  const entries: readonly { name: string; short: string; hidden?: boolean }[] = [...topLevel, ...groups];
  return entries.filter((each) => !each.hidden).map((each) => [each.name, each.short] as const);
}

function startingWith(candidates: readonly Candidate[], start: string): Candidate[] {
  return candidates.filter(([word]) => word.startsWith(start)).sort(([a], [b]) => (a < b ? -1 : 1));
}

const FIXED: Readonly<Record<string, string>> = {
  pull: "always missing never",
  restart: "no always on-failure unless-stopped",
  "log-driver": "json-file none",
  "log-level": "debug info warn error fatal",
  format: "json table",
  cgroupns: "host private",
  ipc: "host none private shareable container:",
  attach: "stdin stdout stderr",
  signal: "SIGHUP SIGINT SIGKILL SIGQUIT SIGSTOP SIGTERM SIGUSR1 SIGUSR2",
  "stop-signal": "SIGHUP SIGINT SIGKILL SIGQUIT SIGSTOP SIGTERM SIGUSR1 SIGUSR2",
  type: "container image network volume",
  egress: "deny allow",
  progress: "auto plain tty quiet rawjson",
  call: "build check outline targets",
  "dry-run": "text svg",
  squash: "new all",
  allow: "network.host security.insecure device",
  platform: "linux/amd64 linux/arm64",
};

const NAMED: Readonly<Record<string, Completes>> = {
  network: "networks",
  net: "networks",
  context: "contexts",
  "volumes-from": "containers",
  link: "running",
};

async function valuesOf(cli: Cli, flag: string): Promise<readonly Candidate[] | "files"> {
  const words = FIXED[flag];
  if (words !== undefined) return words.split(" ").map((word) => [word]);
  const kind = NAMED[flag];
  return kind === undefined ? "files" : namesOf(cli, kind);
}

/** Nothing when the engine does not answer: a shell's completion must not complain. */
async function namesOf(cli: Cli, kind: Completes): Promise<readonly Candidate[]> {
  try {
    return (await lookUp(cli, kind)).filter(([name]) => name !== undefined && name !== "" && !name.includes("<none>"));
  } catch {
    return [];
  }
}

async function lookUp(cli: Cli, kind: Completes): Promise<readonly Candidate[]> {
  if (kind === "contexts") {
    const { listContexts } = await import("../connect/contexts.ts");
    return [["default"], ...listContexts(cli.config().folder).map((each) => [each.name, each.description] as const)];
  }
  const api = await cli.api();
  switch (kind) {
    case "containers":
    case "running": {
      const found = await api.json<{ Names: string[]; Image: string; Status: string }[]>("GET", "/containers/json", { query: { all: kind === "containers" } });
      return found.flatMap((each) => each.Names.map((name) => [name.replace(/^\//, ""), `${each.Image}, ${each.Status}`] as const));
    }
    case "images":
      return (await api.json<{ RepoTags: string[] | null }[]>("GET", "/images/json")).flatMap((each) => (each.RepoTags ?? []).map((name) => [name] as const));
    case "volumes":
      return ((await api.json<{ Volumes: { Name: string; Driver: string }[] | null }>("GET", "/volumes")).Volumes ?? []).map((each) => [each.Name, each.Driver]);
    case "networks":
      return (await api.json<{ Name: string; Driver: string }[]>("GET", "/networks")).map((each) => [each.Name, each.Driver]);
    case "objects":
      return [...(await lookUp(cli, "containers")), ...(await lookUp(cli, "images")), ...(await lookUp(cli, "volumes")), ...(await lookUp(cli, "networks"))];
  }
}
