/** The command line of the engine, read as dockerd's is (GNU style: --name value, --name=value, -x value, -xvalue). */
import { fail } from "#base/errors.ts";
import { settings, type Setting } from "./settings.ts";
import { readerOf, type Value } from "./values.ts";

export type Flags = {
  readonly action: "run" | "help" | "version";
  readonly values: ReadonlyMap<Setting, Value>;
};

export function parseFlags(argv: readonly string[]): Flags {
  const values = new Map<Setting, Value>();
  const queue = [...argv];
  for (let word = queue.shift(); word !== undefined; word = queue.shift()) {
    if (word === "--help" || word === "-h") return { action: "help", values };
    if (word === "--version" || word === "-v") return { action: "version", values };
    if (word.startsWith("--") && word.length > 2) readLong(word, queue, values);
    else if (word.startsWith("-") && word.length > 1 && word !== "--") readShort(word, queue, values);
    else throw fail("invalid", `"gantry daemon" accepts no arguments: ${word}`);
  }
  return { action: "run", values };
}

export function helpText(): string {
  const rows = settings
    .filter((setting) => setting.flag !== undefined && setting.state === undefined)
    .sort((a, b) => ((a.flag as string) < (b.flag as string) ? -1 : 1))
    .map((setting) => `${leftColumn(setting).padEnd(43)} ${setting.help}${defaultNote(setting)}`);
  return [
    "",
    "Usage:  gantry daemon [OPTIONS]",
    "        gantry daemon start|stop|status [OPTIONS]",
    "",
    "The engine. Alone it runs in the foreground; start, in the background.",
    "",
    "Options:",
    ...rows,
    `${"  -h, --help".padEnd(43)} Print usage`,
    `${"  -v, --version".padEnd(43)} Print version information and quit`,
    "",
  ].join("\n");
}

function readLong(word: string, queue: string[], values: Map<Setting, Value>): void {
  const at = word.indexOf("=");
  const name = word.slice(2, at < 0 ? undefined : at);
  const setting = settings.find((candidate) => candidate.flag === name);
  if (setting === undefined) throw fail("invalid", `unknown flag: --${name}`);
  let text = at < 0 ? undefined : word.slice(at + 1);
  if (text === undefined) text = setting.kind === "bool" ? "true" : queue.shift();
  if (text === undefined) throw fail("invalid", `flag needs an argument: --${name}`);
  set(setting, text, values);
}

/** "-D", "-H x", "-Hx", "-H=x", and several switches in one word. */
function readShort(word: string, queue: string[], values: Map<Setting, Value>): void {
  for (let at = 1; at < word.length; at++) {
    const letter = word[at] as string;
    const setting = settings.find((candidate) => candidate.short === letter);
    if (setting === undefined) throw fail("invalid", `unknown shorthand flag: '${letter}' in ${word}`);
    if (setting.kind === "bool" && word[at + 1] !== "=") {
      set(setting, "true", values);
      continue;
    }
    const rest = word.slice(at + 1);
    const text = rest === "" ? queue.shift() : rest.replace(/^=/, "");
    if (text === undefined) throw fail("invalid", `flag needs an argument: '${letter}' in ${word}`);
    return set(setting, text, values);
  }
}

function set(setting: Setting, text: string, values: Map<Setting, Value>): void {
  try {
    values.set(setting, readerOf(setting.kind).fromText(text, values.get(setting)));
  } catch (error) {
    const shown = setting.short === undefined ? `--${setting.flag}` : `-${setting.short}, --${setting.flag}`;
    throw fail("invalid", `invalid argument ${JSON.stringify(text)} for "${shown}" flag: ${(error as Error).message}`);
  }
}

function leftColumn(setting: Setting): string {
  const short = setting.short === undefined ? "    " : `-${setting.short}, `;
  return `  ${short}--${setting.flag} ${readerOf(setting.kind).word}`.trimEnd();
}

function defaultNote({ kind, fallback }: Setting): string {
  if (kind === "string" && fallback !== "") return ` (default ${JSON.stringify(fallback)})`;
  if (kind === "bytes") return ` (default ${(fallback as number) / 1024 ** 2}MiB)`;
  return (kind === "int" || kind === "bool") && fallback !== false ? ` (default ${String(fallback)})` : "";
}
