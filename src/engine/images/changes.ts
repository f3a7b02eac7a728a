/** `--change` of import (and commit): the Dockerfile instructions that only say something about the configuration. */
import { posix } from "node:path";
import { fail } from "#base/errors.ts";

type Config = Record<string, unknown>;
/** `before`: the instructions of the same request so far. */
type Change = (config: Config, rest: string, before: ReadonlySet<string>) => void;

/** A new configuration. @throws invalid, with Docker's words */
export function applyChanges(config: Readonly<Config>, changes: readonly string[]): Config {
  const changed = structuredClone(config) as Config;
  const before = new Set<string>();
  for (const line of changes.flatMap((change) => change.split("\n")).map((line) => line.trim())) {
    if (line === "" || line.startsWith("#")) continue;
    const [, word = "", rest = ""] = /^(\S+)\s*([\s\S]*)$/.exec(line) ?? [];
    const change = Object.hasOwn(CHANGES, word.toUpperCase()) ? CHANGES[word.toUpperCase()]! : undefined;
    if (change === undefined) throw fail("invalid", `${word.toLowerCase()} is not a valid change command`);
    if (rest === "") throw fail("invalid", `${word.toUpperCase()} requires at least one argument`);
    change(changed, rest, before);
    before.add(word.toUpperCase());
  }
  return changed;
}

const CHANGES: Record<string, Change> = {
  CMD: (config, rest) => void (config["Cmd"] = command(rest)),
  // The arguments were the former entry point's, unless these changes gave them.
  ENTRYPOINT: (config, rest, before) => {
    config["Entrypoint"] = command(rest);
    if (!before.has("CMD")) delete config["Cmd"];
  },
  ENV: (config, rest) => {
    const env = new Map(((config["Env"] ?? []) as string[]).map((item) => [item.split("=")[0]!, item]));
    for (const [key, value] of pairs("ENV", rest)) env.set(key, `${key}=${value}`);
    config["Env"] = [...env.values()];
  },
  EXPOSE: (config, rest) => {
    config["ExposedPorts"] = { ...(config["ExposedPorts"] as object), ...Object.fromEntries(words(rest).flatMap(ports).map((port) => [port, {}])) };
  },
  HEALTHCHECK: (config, rest) => void (config["Healthcheck"] = healthcheck(rest)),
  LABEL: (config, rest) => void (config["Labels"] = { ...(config["Labels"] as object), ...Object.fromEntries(pairs("LABEL", rest)) }),
  ONBUILD: (config, rest) => {
    const word = rest.split(/\s/)[0]!.toUpperCase();
    if (word === "ONBUILD") throw fail("invalid", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
    if (word === "MAINTAINER" || word === "FROM") throw fail("invalid", `${word} isn't allowed as an ONBUILD trigger`);
    config["OnBuild"] = [...((config["OnBuild"] ?? []) as string[]), rest];
  },
  STOPSIGNAL: (config, rest) => void (config["StopSignal"] = one("STOPSIGNAL", rest)),
  USER: (config, rest) => void (config["User"] = one("USER", rest)),
  VOLUME: (config, rest) => {
    const paths = jsonList(rest) ?? words(rest);
    if (paths.some((path) => path.trim() === "")) throw fail("invalid", "VOLUME specified can not be an empty string");
    config["Volumes"] = { ...(config["Volumes"] as object), ...Object.fromEntries(paths.map((path) => [path, {}])) };
  },
  WORKDIR: (config, rest) => {
    const before = (config["WorkingDir"] as string | undefined) ?? "";
    config["WorkingDir"] = posix.join("/", rest.startsWith("/") ? "" : before, rest).replace(/(?<=.)\/$/, "");
  },
};

/** A list of words, or a line for the shell. */
function command(rest: string): string[] {
  return jsonList(rest) ?? ["/bin/sh", "-c", rest];
}

function jsonList(rest: string): string[] | undefined {
  if (!rest.startsWith("[")) return undefined;
  try {
    const list: unknown = JSON.parse(rest);
    return Array.isArray(list) && list.every((item) => typeof item === "string") ? list : undefined;
  } catch {
    return undefined;
  }
}

const words = (rest: string): string[] => rest.split(/\s+/).filter((word) => word !== "");

function one(instruction: string, rest: string): string {
  const [word, ...more] = words(rest);
  if (more.length > 0) throw fail("invalid", `${instruction} requires exactly one argument`);
  return unquote(word!);
}

/** KEY=VALUE …, or the old form KEY VALUE. */
function pairs(instruction: string, rest: string): [string, string][] {
  const items = quotedWords(rest);
  if (!items[0]!.includes("=")) {
    const [, key = "", value] = /^(\S+)\s+([\s\S]+)$/.exec(rest) ?? [];
    if (value === undefined) throw fail("invalid", `${instruction} must have two arguments`);
    return [[key, unquote(value)]];
  }
  return items.map((item) => {
    const equals = item.indexOf("=");
    if (equals <= 0) throw fail("invalid", `Syntax error - can't find = in ${JSON.stringify(item)}. Must be of the form: name=value`);
    return [unquote(item.slice(0, equals)), unquote(item.slice(equals + 1))];
  });
}

/** Words between spaces that are not in quotes and not after a backslash. */
function quotedWords(rest: string): string[] {
  return rest.match(/(?:[^\s"'\\]|\\[\s\S]?|"(?:[^"\\]|\\[\s\S])*"?|'[^']*'?)+/g) ?? [];
}

function unquote(word: string): string {
  return word.replaceAll(/"((?:[^"\\]|\\[\s\S])*)"|'([^']*)'|\\([\s\S])/g, (_, double?: string, single?: string, escaped?: string) =>
    double !== undefined ? double.replaceAll(/\\(["\\$`])/g, "$1") : (single ?? escaped ?? ""));
}

/** "80", "80/udp", "8000-8010": one name a port. */
function ports(word: string): string[] {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/i.exec(unquote(word));
  const [low, high] = [Number(match?.[1]), Number(match?.[2] ?? match?.[1])];
  if (match === null || low > high || high > 65535) throw fail("invalid", `invalid containerPort: ${word}`);
  return Array.from({ length: high - low + 1 }, (_, index) => `${low + index}/${(match[3] ?? "tcp").toLowerCase()}`);
}

const UNITS: Record<string, number> = { h: 3.6e12, m: 6e10, s: 1e9, ms: 1e6, us: 1e3, ns: 1 };
const DURATION = /(\d+(?:\.\d+)?)(h|ms|us|ns|m|s)/g;

function healthcheck(rest: string): Config {
  const [, flags = "", type = "", test = ""] = /^((?:--\S+\s+)*)(\S+)\s*([\s\S]*)$/.exec(rest) ?? [];
  if (type.toUpperCase() === "NONE") return { Test: ["NONE"] };
  if (type.toUpperCase() !== "CMD" || test === "") throw fail("invalid", `Unknown type ${JSON.stringify(type.toUpperCase())} in HEALTHCHECK (try CMD)`);
  const list = jsonList(test);
  return { Test: list === undefined ? ["CMD-SHELL", test] : ["CMD", ...list], ...Object.fromEntries(words(flags).map(healthFlag)) };
}

const HEALTH: Record<string, string> = { interval: "Interval", timeout: "Timeout", "start-period": "StartPeriod", "start-interval": "StartInterval" };

function healthFlag(flag: string): [string, number] {
  const [, name = "", value = ""] = /^--([a-z-]+)=(.*)$/.exec(flag) ?? [];
  if (name === "retries" && /^\d{1,9}$/.test(value)) return ["Retries", Number(value)];
  const field = Object.hasOwn(HEALTH, name) ? HEALTH[name] : undefined;
  if (field === undefined || value.replaceAll(DURATION, "") !== "" || value === "") throw fail("invalid", `Unknown flag: ${flag}`);
  return [field, [...value.matchAll(DURATION)].reduce((sum, [, number, unit]) => sum + Number(number) * UNITS[unit!]!, 0)];
}
