/** The kinds of value a setting can have: how each is read from a flag's text and from daemon.json. */
import { fail } from "#base/errors.ts";

export type Ulimit = { readonly Name: string; readonly Soft: number; readonly Hard: number };
export type Pool = { readonly base: string; readonly size: number };
export type Value =
  | string
  | number
  | boolean
  | readonly string[]
  | readonly Pool[]
  | Readonly<Record<string, unknown>>;

type KindReader = {
  /** Shown in the help: "--mtu int". Empty for a switch. */
  readonly word: string;
  /** `before`: what earlier occurrences of the flag gave. Throws the reason alone. */
  fromText(text: string, before: Value | undefined): Value;
  /** Throws the reason alone. */
  fromJson(json: unknown): Value;
};

export const kinds = {
  string: { word: "string", fromText: (text) => text, fromJson: stringOf },
  bool: { word: "", fromText: parseBool, fromJson: boolOf },
  int: { word: "int", fromText: parseInteger, fromJson: integerOf },
  bytes: { word: "bytes", fromText: parseBytes, fromJson: (json) => parseBytes(typeof json === "number" ? String(json) : stringOf(json)) },
  list: { word: "list", fromText: (text, before) => [...((before as string[] | undefined) ?? []), text], fromJson: listOf },
  map: { word: "map", fromText: (text, before) => ({ ...(before as object), ...parsePair(text) }), fromJson: mapOf },
  ulimits: { word: "ulimit", fromText: (text, before) => ({ ...(before as object), ...parseUlimit(text) }), fromJson: ulimitsOf },
  pools: { word: "pool-options", fromText: (text, before) => [...((before as Pool[] | undefined) ?? []), parsePool(text)], fromJson: poolsOf },
  /** By driver, then by name of the option. */
  driverOptions: { word: "mapmap", fromText: (text, before) => withDriverOption((before ?? {}) as DriverOptions, text), fromJson: driverOptionsOf },
  /** Anything: only of settings that are refused, or read elsewhere. */
  object: { word: "value", fromText: (text, before) => ({ ...(before as object), [text]: true }), fromJson: objectOf },
} satisfies Record<string, KindReader>;

export type ValueKind = keyof typeof kinds;

export function readerOf(kind: ValueKind): KindReader {
  return kinds[kind];
}

/** A size as Docker's clients write it: "64m", "1.5GiB", "1024". Units are powers of 1024. */
export function parseBytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?) ?(?:([kmgtp])?i?b?)$/i.exec(text);
  if (match === null) throw fail("invalid", `invalid size: '${text}'`);
  const power = match[2] === undefined ? 0 : "kmgtp".indexOf(match[2].toLowerCase()) + 1;
  return Math.floor(Number(match[1]) * 1024 ** power);
}

/** "nofile=1024:2048" or "nofile=1024". */
function parseUlimit(text: string): Record<string, Ulimit> {
  const match = /^([a-z]+)=(-?\d+)(?::(-?\d+))?$/.exec(text);
  if (match === null) throw fail("invalid", `invalid ulimit argument: ${text}`);
  const soft = Number(match[2]);
  return ulimit(match[1] as string, soft, match[3] === undefined ? soft : Number(match[3]));
}

const limitNames = new Set(
  "core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack".split(" "),
);

function ulimit(name: string, soft: number, hard: number): Record<string, Ulimit> {
  if (!limitNames.has(name)) throw fail("invalid", `invalid ulimit type: ${name}`);
  if (hard !== -1 && (soft === -1 || soft > hard)) {
    throw fail("invalid", `ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard}`);
  }
  return { [name]: { Name: name, Soft: soft, Hard: hard } };
}

function ulimitsOf(json: unknown): Value {
  const limits = {};
  for (const [name, limit] of Object.entries(objectOf(json))) {
    const { Soft, Hard } = limit as { Soft?: unknown; Hard?: unknown };
    Object.assign(limits, ulimit(name, integerOf(Soft ?? 0), integerOf(Hard ?? 0)));
  }
  return limits;
}

/** "base=10.10.0.0/16,size=24". */
function parsePool(text: string): Pool {
  const parts = new Map(text.split(",").map((part) => part.split("=", 2) as [string, string]));
  for (const name of parts.keys()) {
    if (name !== "base" && name !== "size") throw fail("invalid", `unexpected key '${name}' in '${text}'`);
  }
  return pool(parts.get("base"), Number(parts.get("size")));
}

function poolsOf(json: unknown): Value {
  if (!Array.isArray(json)) throw fail("invalid", "a list of {base, size} is expected");
  return json.map((entry: { base?: unknown; size?: unknown }) => pool(entry?.base, entry?.size));
}

function pool(base: unknown, size: unknown): Pool {
  if (typeof base !== "string" || !Number.isInteger(size)) {
    throw fail("invalid", "an address pool has a base and a size: base=10.10.0.0/16,size=24");
  }
  return { base, size: size as number };
}

function parsePair(text: string): Record<string, string> {
  const at = text.indexOf("=");
  return at < 0 ? { [text]: "" } : { [text.slice(0, at)]: text.slice(at + 1) };
}

function parseBool(text: string): boolean {
  if (["1", "t", "T", "TRUE", "true", "True"].includes(text)) return true;
  if (["0", "f", "F", "FALSE", "false", "False"].includes(text)) return false;
  throw fail("invalid", `strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`);
}

function parseInteger(text: string): number {
  if (!/^[+-]?\d+$/.test(text)) {
    throw fail("invalid", `strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  }
  return Number(text);
}

function stringOf(json: unknown): string {
  if (typeof json !== "string") throw fail("invalid", "a string is expected");
  return json;
}

function boolOf(json: unknown): boolean {
  if (typeof json !== "boolean") throw fail("invalid", "true or false is expected");
  return json;
}

function integerOf(json: unknown): number {
  if (!Number.isSafeInteger(json)) throw fail("invalid", "a whole number is expected");
  return json as number;
}

function listOf(json: unknown): string[] {
  if (!Array.isArray(json) || !json.every((entry) => typeof entry === "string")) {
    throw fail("invalid", "a list of strings is expected");
  }
  return json;
}

type DriverOptions = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** "bridge=com.docker.network.driver.mtu=1400". */
function withDriverOption(before: DriverOptions, text: string): DriverOptions {
  const [driver = "", name, ...value] = text.split("=");
  if (driver === "" || name === undefined || value.length === 0) throw fail("invalid", `invalid value '${text}': it is DRIVER=OPTION=VALUE`);
  return { ...before, [driver]: { ...before[driver], [name]: value.join("=") } };
}

function driverOptionsOf(json: unknown): Value {
  return Object.fromEntries(Object.entries(objectOf(json)).map(([driver, options]) => [driver, mapOf(options)]));
}

function mapOf(json: unknown): Record<string, string> {
  const map = objectOf(json);
  if (!Object.values(map).every((entry) => typeof entry === "string")) {
    throw fail("invalid", "an object with strings is expected");
  }
  return map as Record<string, string>;
}

function objectOf(json: unknown): Record<string, unknown> {
  if (json === null || typeof json !== "object" || Array.isArray(json)) throw fail("invalid", "an object is expected");
  return json as Record<string, unknown>;
}
