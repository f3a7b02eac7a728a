/** Docker's filters, as far as several parts share them. */
import { fail } from "#base/errors.ts";
import { nowNanos, parseTime } from "#base/clock.ts";
import type { Filters } from "./engine.ts";

/** Refuses filters that a listing does not know. @throws invalid, with Docker's text */
export function checkFilters(filters: Filters, known: readonly string[]): void {
  for (const key of filters.keys()) if (!known.includes(key)) throw fail("invalid", `invalid filter '${key}'`);
}

/** Every "label" holds, and no "label!" does. A value is KEY or KEY=VALUE. */
export function matchesLabels(filters: Filters, labels: Readonly<Record<string, string>>): boolean {
  const has = (wanted: string) => {
    const [key = "", ...value] = wanted.split("=");
    return Object.hasOwn(labels, key) && (value.length === 0 || labels[key] === value.join("="));
  };
  return (filters.get("label") ?? []).every(has) && !(filters.get("label!") ?? []).some(has);
}

/** A name filter is a regular expression, or a plain text where it is none. */
export function matchesPattern(pattern: string, texts: readonly string[]): boolean {
  const test = tryRegExp(pattern);
  return texts.some((text) => text === pattern || (test === undefined ? text.includes(pattern) : test.test(text)));
}

/** Longer patterns are nobody's name, and a hostile one could take for ever. */
const LONGEST_PATTERN = 256;

function tryRegExp(pattern: string): RegExp | undefined {
  // Nested quantifiers backtrack without end; Go's engine, whose syntax this is, does not.
  if (pattern.length > LONGEST_PATTERN || /[*+}]\)?[*+{]/.test(pattern)) return undefined;
  try {
    return new RegExp(pattern);
  } catch {
    return undefined;
  }
}

/** Filter "until" of a prune: Unix nanoseconds before which things go. Seconds, RFC 3339, or a Go duration back from now. */
export function untilFilter(filters: Filters): bigint | undefined {
  const values = filters.get("until") ?? [];
  if (values.length === 0) return undefined;
  if (values.length > 1) throw fail("invalid", "more than one until filter specified");
  const text = values[0]!;
  const time = secondsTime(text) ?? parseTime(text) ?? durationTime(text) ?? parseTime(padDate(text));
  if (time === undefined) throw fail("invalid", `invalid until filter: ${text}`);
  return time;
}

function secondsTime(text: string): bigint | undefined {
  const match = /^(\d{1,12})(?:\.(\d{1,9}))?$/.exec(text);
  return match === null ? undefined : BigInt(match[1]!) * 1_000_000_000n + BigInt((match[2] ?? "").padEnd(9, "0"));
}

const UNITS: Readonly<Record<string, number>> = { h: 3.6e12, m: 6e10, s: 1e9, ms: 1e6, us: 1e3, "µs": 1e3, ns: 1 };

function durationTime(text: string): bigint | undefined {
  if (!/^(\d+(\.\d+)?(h|ms|m|s|us|µs|ns))+$/.test(text)) return undefined;
  let nanos = 0;
  for (const [, number, , unit] of text.matchAll(/(\d+(\.\d+)?)(h|ms|m|s|us|µs|ns)/g)) nanos += Number(number) * UNITS[unit!]!;
  return nowNanos() - BigInt(Math.round(nanos));
}

/** "2026-01-02", "2026-01-02T03:04": what is left out is zero. */
function padDate(text: string): string {
  const zero = "0000-01-01T00:00:00Z";
  return /^\d{4}-\d\d-\d\d(T\d\d(:\d\d(:\d\d)?)?)?$/.test(text) ? text + zero.slice(text.length) : text;
}

/** Values of a filter that is yes or no. @throws invalid */
export function booleanFilter(filters: Filters, key: string): boolean | undefined {
  const values = filters.get(key) ?? [];
  if (values.length === 0) return undefined;
  const yes = values.some((value) => ["1", "true"].includes(value));
  const no = values.some((value) => ["0", "false"].includes(value));
  if (yes === no || !values.every((value) => ["0", "1", "true", "false"].includes(value))) throw fail("invalid", `invalid filter '${key}=[${values.join(" ")}]'`);
  return yes;
}
