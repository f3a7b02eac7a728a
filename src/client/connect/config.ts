/** The user's config.json, shared with docker, and the folder that holds it and the contexts. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { fail } from "#base/errors.ts";

export type Config = {
  readonly folder: string;
  readonly currentContext: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly detachKeys: string;
  /** Proxy settings by engine address, or "default". */
  readonly proxies: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** psFormat, imagesFormat and so on, by key. */
  format(key: string): string;
  /** Everything the file holds. */
  readonly all: Readonly<Record<string, unknown>>;
};

export function configFolder(option: string, env: Readonly<Record<string, string | undefined>>): string {
  return option || env["DOCKER_CONFIG"] || `${env["HOME"] || process.getBuiltinModule("node:os").homedir()}/.docker`;
}

/** A missing file is an empty one; a broken one is a warning on stderr and counts as empty. */
export function readConfig(folder: string, warn: (text: string) => void): Config {
  let all: Record<string, unknown> = {};
  const file = `${folder}/config.json`;
  try {
    all = parse(readFileSync(file, "utf8"));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== "ENOENT" && code !== "ENOTDIR") {
      warn(`WARNING: Error loading config file: ${file}: ${(error as Error).message}\n`);
    }
  }
  return {
    folder,
    all,
    currentContext: textOf(all["currentContext"]),
    detachKeys: textOf(all["detachKeys"]),
    headers: recordOf(all["HttpHeaders"]) as Record<string, string>,
    proxies: recordOf(all["proxies"]) as Record<string, Record<string, string>>,
    format: (key) => textOf(all[key]),
  };
}

/** Sets one key, keeping what else the file holds. */
export function writeConfig(config: Config, key: string, value: unknown): void {
  const all = { ...config.all, [key]: value };
  mkdirSync(config.folder, { recursive: true, mode: 0o700 });
  const file = `${config.folder}/config.json`;
  const next = `${file}.${process.pid}`;
  writeFileSync(next, JSON.stringify(all, null, "\t"), { mode: 0o600 });
  renameSync(next, file);
}

function parse(text: string): Record<string, unknown> {
  const value: unknown = JSON.parse(text);
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw fail("invalid", "not a JSON object");
  return value as Record<string, unknown>;
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function recordOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}
