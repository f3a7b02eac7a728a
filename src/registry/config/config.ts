/**
 * What a registry server is told: by flags, and by a JSON file (`--config`) whose keys are the flags' names; a flag given
 * on the command line goes before the file.
 *
 *     { "listen": "0.0.0.0:5000", "root": "/srv/registry", "tls-cert": "…", "tls-key": "…", "htpasswd": "…",
 *       "quota": ["team/=10GB"], "retention": [{ "repositories": "ci/**", "tags": "pr-*", "keepLast": 10, "keepPulled": "30d" }] }
 */
import { readFile } from "node:fs/promises";
import { fail, messageOf } from "#base/errors.ts";
import { parseJson, type Json, type JsonObject } from "#base/json.ts";
import type { RegistrySettings } from "../open-registry.ts";
import { parseFlags, settingsTable, type Given } from "./flags.ts";
import { readListen, type Listen } from "./listen.ts";
import { readQuota, readRetention } from "./rules.ts";
import { parseDuration } from "./units.ts";

export type RegistryConfig = {
  readonly listen: Listen;
  /** A folder, or s3://BUCKET/PREFIX. */
  readonly root: string;
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
  readonly settings: RegistrySettings;
  readonly accounts: { readonly htpasswd?: string; readonly policy?: string; readonly anonymousPull: boolean; readonly tokens: boolean; readonly tokenKey?: string; readonly tokenUrl?: string; readonly issuers: readonly JsonObject[] };
  readonly events: { readonly webhooks: readonly JsonObject[]; readonly audit?: string; readonly metrics: boolean };
  readonly upstreams: readonly JsonObject[];
  readonly log: { readonly level: "debug" | "info" | "warn" | "error"; readonly format: "text" | "json" };
  /** How long requests may go on when the server is told to stop. */
  readonly graceMs: number;
};

/** @throws invalid, naming the flag or key */
export async function loadRegistryConfig(argv: readonly string[], environment: Readonly<Record<string, string | undefined>> = process.env): Promise<RegistryConfig> {
  const flags = parseFlags(argv);
  const path = typeof flags["config"] === "string" ? flags["config"] : environment["GANTRY_REGISTRY_CONFIG"];
  const file = path === undefined ? {} : await readConfigFile(path);
  return compileConfig({ ...file, ...flags });
}

async function readConfigFile(path: string): Promise<Given> {
  try {
    const value = parseJson(await readFile(path, "utf8"));
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw fail("invalid", "an object is expected");
    for (const key of Object.keys(value)) if (!Object.hasOwn(settingsTable, key)) throw fail("invalid", `there is no setting ${JSON.stringify(key)}`);
    return value;
  } catch (error) {
    throw fail("invalid", `read ${path}: ${messageOf(error)}`, { cause: error });
  }
}

function compileConfig(given: Given): RegistryConfig {
  const { "tls-cert": cert, "tls-key": key } = { "tls-cert": text(given, "tls-cert"), "tls-key": text(given, "tls-key") };
  if ((cert === undefined) !== (key === undefined)) throw fail("invalid", "--tls-cert and --tls-key: both are needed, or none");
  const [htpasswd, policy] = [text(given, "htpasswd"), text(given, "policy")];
  const [tokenKey, tokenUrl] = [text(given, "token-key"), text(given, "token-url")];
  const issuers = objects(given, "issuers");
  const tls = cert === undefined || key === undefined ? undefined : { cert, key };
  const guarded = htpasswd !== undefined || policy !== undefined || issuers.length > 0;
  const audit = text(given, "audit");
  const root = text(given, "root");
  if (root === undefined) throw fail("invalid", "--root: the folder (or s3://BUCKET/PREFIX) where the registry keeps its images is needed");
  const listen = readListen(text(given, "listen") ?? "127.0.0.1:5000", { tls: tls !== undefined || flag(given, "behind-proxy"), accounts: guarded || flag(given, "open") });
  return {
    listen,
    root,
    tls,
    settings: { ...compileSettings(given, root), anyHost: !listen.loopback },
    accounts: {
      ...(htpasswd !== undefined && { htpasswd }),
      ...(policy !== undefined && { policy }),
      anonymousPull: flag(given, "anonymous-pull"),
      tokens: flag(given, "tokens"),
      ...(tokenKey !== undefined && { tokenKey }),
      ...(tokenUrl !== undefined && { tokenUrl }),
      issuers,
    },
    events: { webhooks: objects(given, "webhooks"), metrics: flag(given, "metrics"), ...(audit !== undefined && { audit }) },
    upstreams: objects(given, "upstreams"),
    log: { level: oneOf(given, "log-level", ["debug", "info", "warn", "error"], "info"), format: oneOf(given, "log-format", ["text", "json"], "text") },
    graceMs: duration(given, "shutdown-timeout", "30s"),
  };
}

function compileSettings(given: Given, root: string): Omit<RegistrySettings, "anyHost"> {
  return {
    // Where everybody may write, only if it was asked for.
    deletes: flag(given, "delete", !flag(given, "open")),
    createOnly: list(given, "create-only"),
    sparseIndexes: flag(given, "sparse-indexes"),
    quotas: list(given, "quota").map(readQuota),
    hosts: list(given, "allow-host"),
    layoutIndex: !root.startsWith("s3://"),
    collect: {
      everyMs: text(given, "gc-every") === "never" ? 0 : duration(given, "gc-every", "1h"),
      graceMs: duration(given, "gc-grace", "1h"),
      uploadsMs: duration(given, "gc-uploads", "24h"),
      untaggedMs: text(given, "gc-untagged") === undefined ? undefined : duration(given, "gc-untagged", "0s"),
      retention: objects(given, "retention").map(readRetention),
    },
  };
}

function text(given: Given, name: string): string | undefined {
  const value = given[name];
  if (value === undefined || value === null || value === "") return undefined;
  if (typeof value === "string") return value;
  throw wrong(name, "a text is expected");
}

function flag(given: Given, name: string, otherwise = false): boolean {
  const value = given[name] ?? otherwise;
  if (typeof value !== "boolean") throw wrong(name, "true or false is expected");
  return value;
}

function list(given: Given, name: string): string[] {
  const value = given[name] ?? [];
  const items = Array.isArray(value) ? value : [value];
  if (items.every((item) => typeof item === "string")) return items as string[];
  throw wrong(name, "a list of texts is expected");
}

function objects(given: Given, name: string): JsonObject[] {
  const value = given[name] ?? [];
  const isObject = (item: Json): item is JsonObject => typeof item === "object" && item !== null && !Array.isArray(item);
  if (Array.isArray(value) && value.every(isObject)) return value as JsonObject[];
  throw wrong(name, "a list of objects is expected");
}

function oneOf<const T extends string>(given: Given, name: string, values: readonly T[], otherwise: T): T {
  const value = text(given, name) ?? otherwise;
  const found = values.find((one) => one === value);
  if (found === undefined) throw wrong(name, `one of ${values.join(", ")} is expected`);
  return found;
}

function duration(given: Given, name: string, otherwise: string): number {
  return parseDuration(text(given, name) ?? otherwise, `--${name}`);
}

const wrong = (name: string, what: string) => fail("invalid", `--${name}: ${what}`);
