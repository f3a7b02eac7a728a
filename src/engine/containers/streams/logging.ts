/** What --log-driver and --log-opt mean. */
import { fail } from "#base/errors.ts";
import type { TaskLog } from "#core/tasks/tasks.ts";
import type { HostConfig } from "#spec/docker.ts";
import type { ContainerRecord } from "../../engine.ts";

type LogConfig = HostConfig["LogConfig"];

/** @throws invalid, not-implemented */
export function checkLogging({ Type, Config }: LogConfig): void {
  if (Type !== "json-file") return;
  const size = parseSize(Config["max-size"]);
  const files = parseFiles(Config["max-file"]);
  if (yes(Config["compress"])) throw fail("not-implemented", "log option compress: rotated logs are not compressed yet in this version of Gantry; leave it out");
  if ((Config["mode"] ?? "blocking") !== "blocking") throw fail("not-implemented", `log option mode=${Config["mode"]}: only blocking is there in this version of Gantry`);
  for (const key of ["labels-regex", "env-regex"]) testOf(Config[key]);
}

/** The shim's log; undefined for the driver none. */
export function logOf({ config, hostConfig, logPath, ...record }: ContainerRecord): TaskLog | undefined {
  const { Type, Config } = hostConfig.LogConfig;
  if (Type !== "json-file") return undefined;
  return {
    path: logPath,
    maxSize: parseSize(Config["max-size"]),
    maxFiles: parseFiles(Config["max-file"]),
    attrs: attributes(Config, { config, ...record }),
  };
}

const UNITS: Readonly<Record<string, number>> = { "": 1, b: 1, k: 1e3, kb: 1e3, m: 1e6, mb: 1e6, g: 1e9, gb: 1e9, t: 1e12, tb: 1e12 };

/** "10m"; "-1" and nothing are no limit. */
function parseSize(text = "-1"): number {
  if (text === "-1") return 0;
  const match = /^(\d+(?:\.\d+)?)\s?([a-zA-Z]*)$/.exec(text);
  const unit = UNITS[match?.[2]?.toLowerCase() ?? "?"];
  const size = match === null || unit === undefined ? NaN : Math.floor(Number(match[1]) * unit);
  if (!(size > 0) || !Number.isSafeInteger(size)) throw fail("invalid", `invalid value for max-size: ${JSON.stringify(text)}`);
  return size;
}

const MOST_FILES = 1000;

function parseFiles(text = "1"): number {
  const count = /^\d{1,6}$/.test(text) ? Number(text) : NaN;
  if (!(count >= 1 && count <= MOST_FILES)) throw fail("invalid", `invalid value for max-file: ${JSON.stringify(text)}: a number from 1 to ${MOST_FILES}`);
  return count;
}

const yes = (text: string | undefined) => text !== undefined && ["1", "t", "true", "TRUE", "True", "T"].includes(text);

/** Labels and variables that each line of the log carries, as JSON; "" for none. */
function attributes(options: Record<string, string>, { config, id, name, imageId }: Pick<ContainerRecord, "config" | "id" | "name" | "imageId">): string {
  const env = Object.fromEntries(config.Env.map((entry) => [entry.split("=", 1)[0]!, entry.slice(entry.indexOf("=") + 1)]));
  const chosen = {
    ...pick(config.Labels, options["labels"], options["labels-regex"]),
    ...pick(env, options["env"], options["env-regex"]),
    ...(options["tag"] ? { tag: tagOf(options["tag"], { id, name, imageId, image: config.Image }) } : {}),
  };
  return Object.keys(chosen).length === 0 ? "" : JSON.stringify(chosen);
}

function pick(all: Readonly<Record<string, string>>, names = "", pattern?: string): Record<string, string> {
  const wanted = new Set(names.split(",").map((name) => name.trim()).filter((name) => name !== ""));
  const test = testOf(pattern);
  return Object.fromEntries(Object.entries(all).filter(([key]) => wanted.has(key) || test?.test(key)));
}

function testOf(pattern: string | undefined): RegExp | undefined {
  if (pattern === undefined || pattern === "") return undefined;
  try {
    return new RegExp(pattern);
  } catch (error) {
    throw fail("invalid", `invalid log option: ${JSON.stringify(pattern)} is not a regular expression`, { cause: error });
  }
}

/** The fields that a tag template can name. */
function tagOf(template: string, { id, name, image, imageId }: { id: string; name: string; image: string; imageId: string }): string {
  const digits = imageId.slice(imageId.indexOf(":") + 1);
  const fields: Readonly<Record<string, string>> = {
    ID: id.slice(0, 12), FullID: id, Name: name, ImageName: image, ImageID: digits.slice(0, 12), ImageFullID: imageId, DaemonName: "gantry",
  };
  return template.replace(/\{\{\s*\.(\w+)\s*\}\}/g, (whole, field: string) => fields[field] ?? whole);
}
