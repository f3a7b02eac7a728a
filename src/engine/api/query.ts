/** Values in a query, read as Docker reads them. */
import { fail } from "#base/errors.ts";
import { parseJson } from "#base/json.ts";
import type { Platform } from "./api.ts";
import type { Filters } from "../engine.ts";

/** Everything but "", 0, no, false and none is true. */
export function flag(query: URLSearchParams, name: string, unset = false): boolean {
  const value = query.get(name);
  return value === null ? unset : !/^\s*(|0|no|false|none)\s*$/i.test(value);
}

export function text(query: URLSearchParams, name: string): string {
  return query.get(name) ?? "";
}

export function integer(query: URLSearchParams, name: string): number | undefined {
  const value = text(query, name);
  if (value === "") return undefined;
  if (!/^[+-]?\d{1,15}$/.test(value)) throw fail("invalid", `invalid value for ${name}: ${JSON.stringify(value)} is not a number`);
  return Number(value);
}

/** An unsigned 32 bit number that must be there (sizes of terminals). */
export function size(query: URLSearchParams, name: string): number {
  const value = text(query, name);
  const number = /^\d{1,10}$/.test(value) ? Number(value) : Number.NaN;
  if (!(number <= 0xffffffff)) throw fail("invalid", `invalid resize ${name === "h" ? "height" : "width"} ${JSON.stringify(value)}: expected a number`);
  return number;
}

/** Unix time with an optional fraction, "1700000000.123456789", in nanoseconds. "" is undefined. */
export function nanos(query: URLSearchParams, name: string): bigint | undefined {
  const value = text(query, name);
  if (value === "") return undefined;
  const match = /^(-?\d{1,12})(?:\.(\d{1,18}))?$/.exec(value);
  if (match === null) throw fail("invalid", `invalid value for ${name}: ${JSON.stringify(value)} is no Unix time`);
  return BigInt(match[1]!) * 1_000_000_000n + BigInt((match[2] ?? "").slice(0, 9).padEnd(9, "0"));
}

/**
 * Docker's filters: `{"label":{"a=b":true}}`, or the older `{"label":["a=b"]}`. A key that is not accepted is refused
 * ("*" accepts all).
 */
export function filters(query: URLSearchParams, accepted: readonly string[] | "*"): Filters {
  const found = new Map<string, string[]>();
  const value = text(query, "filters");
  if (value === "") return found;
  const object = parseJson(value);
  if (object === null) return found;
  if (typeof object !== "object" || Array.isArray(object)) throw fail("invalid", "invalid filter");
  for (const [key, given] of Object.entries(object)) {
    if (accepted !== "*" && !accepted.includes(key)) throw fail("invalid", `invalid filter '${key}'`);
    found.set(key, valuesOf(given));
  }
  return found;
}

function valuesOf(given: unknown): string[] {
  if (given === null) return [];
  if (Array.isArray(given) && given.every((value) => typeof value === "string")) return given;
  if (typeof given !== "object" || Array.isArray(given)) throw fail("invalid", "invalid filter");
  const entries = Object.entries(given);
  if (entries.some(([, on]) => typeof on !== "boolean")) throw fail("invalid", "invalid filter");
  return entries.map(([value]) => value);
}

/** "os/arch[/variant]". */
export function platformText(query: URLSearchParams): string | undefined {
  const value = text(query, "platform");
  if (value === "") return undefined;
  if (!/^[\w.-]+(\/[\w.-]+){0,2}$/.test(value)) throw fail("invalid", `invalid platform ${JSON.stringify(value)}: expected os/arch[/variant]`);
  return value;
}

/** Platforms as JSON, `{"os":"linux","architecture":"amd64"}`; both names are needed. */
export function platformsJson(query: URLSearchParams, name = "platform"): Platform[] {
  return query.getAll(name).filter((value) => value !== "").map(platformOf);
}

function platformOf(value: string): Platform {
  const object = parseJson(value);
  if (object === null || typeof object !== "object" || Array.isArray(object)) throw fail("invalid", "failed to parse platform: expected an object");
  const { os, architecture, variant } = object;
  if (typeof os !== "string" || typeof architecture !== "string" || os === "" || architecture === "") {
    throw fail("invalid", "both OS and Architecture must be provided");
  }
  return { os, architecture, ...(typeof variant === "string" && variant !== "" ? { variant } : {}) };
}
