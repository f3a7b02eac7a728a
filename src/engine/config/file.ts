/** daemon.json: read, decoded, and matched against the table of settings. */
import { readFile } from "node:fs/promises";
import { fail } from "#base/errors.ts";
import { settings, type Setting } from "./settings.ts";
import { readerOf, type Value } from "./values.ts";

/** undefined: there is no such file. */
export async function readConfigFile(path: string): Promise<ReadonlyMap<Setting, Value> | undefined> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw fail("invalid", `open ${path}: ${(error as Error).message}`, { cause: error });
  }
  return parseConfigFile(bytes);
}

export function parseConfigFile(bytes: Buffer): ReadonlyMap<Setting, Value> {
  const text = decode(bytes).trim();
  const values = new Map<Setting, Value>();
  const unknown: string[] = [];
  for (const [key, json] of flatten(text === "" ? {} : parseObject(text))) {
    const setting = settings.find((candidate) => candidate.key === key);
    if (setting === undefined) unknown.push(key);
    else values.set(setting, read(setting, json));
  }
  if (unknown.length > 0) {
    throw fail("invalid", `the following directives don't match any configuration option: ${unknown.join(", ")}`);
  }
  return values;
}

/** Keys whose value is an object of the user's own keys, or is read as one. Every other object is only a grouping. */
function flatten(json: Record<string, unknown>): [string, unknown][] {
  return Object.entries(json).flatMap(([key, value]): [string, unknown][] => {
    const known = settings.find((setting) => setting.key === key);
    if (known !== undefined || value === null || typeof value !== "object" || Array.isArray(value)) return [[key, value]];
    return Object.entries(value);
  });
}

function read(setting: Setting, json: unknown): Value {
  try {
    return readerOf(setting.kind).fromJson(json);
  } catch (error) {
    throw fail("invalid", `${setting.key}: ${(error as Error).message}, not ${JSON.stringify(json)}`);
  }
}

function parseObject(text: string): Record<string, unknown> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw fail("invalid", `invalid JSON: ${(error as Error).message}`);
  }
  if (json === null || typeof json !== "object" || Array.isArray(json)) throw fail("invalid", "invalid JSON: an object is expected");
  return json as Record<string, unknown>;
}

/** UTF-8, or UTF-16 with its byte order mark, as some editors write. */
function decode(bytes: Buffer): string {
  const mark = bytes.subarray(0, 2).toString("hex");
  try {
    if (mark === "fffe") return new TextDecoder("utf-16le", { fatal: true }).decode(bytes);
    if (mark === "feff") return new TextDecoder("utf-16be", { fatal: true }).decode(bytes);
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw fail("invalid", "invalid configuration file: it is neither UTF-8 nor UTF-16 with a byte order mark");
  }
}
