import { fail } from "#base/errors.ts";
import { splitCsv } from "#spec/csv.ts";
import type { Flag } from "./flags.ts";
import { parseCpus, parseDuration, parseInteger, parseSize } from "./units.ts";

/** Docker's kinds of values. A leading one-letter name is the short flag: `bool("a", "Show all")`. */

export function bool(short: string, text: string, initial = false): Flag<boolean> {
  return {
    ...named(short),
    text,
    kind: "",
    initial,
    bare: "true",
    ...(initial ? { shown: "true" } : {}),
    parse: parseBool,
  };
}

export function text(short: string, text: string, initial = "", kind = "string"): Flag<string> {
  return {
    ...named(short),
    text,
    kind,
    initial,
    ...(initial === "" ? {} : { shown: JSON.stringify(initial) }),
    parse: (value) => value,
  };
}

/** A flag that may be repeated; each value is checked, and may be rewritten. */
export function list(
  short: string,
  text: string,
  options: { kind?: string; shown?: string; parse?: (value: string) => string } = {},
): Flag<readonly string[]> {
  const { kind = "list", shown, parse = (value: string) => value } = options;
  return {
    ...named(short),
    text,
    kind,
    initial: [],
    ...(shown === undefined ? {} : { shown }),
    parse: (value, before) => [...before, parse(value)],
  };
}

/** The same, each occurrence one or more values with commas between them. */
export function strings(short: string, text: string): Flag<readonly string[]> {
  return { ...named(short), text, kind: "strings", initial: [], parse: (value, before) => (value === "" ? before : [...before, ...splitCsv(value)]) };
}

/** Values of any type, one an occurrence. */
export function values<T>(
  short: string,
  text: string,
  options: { kind: string; shown?: string; parse: (value: string) => T },
): Flag<readonly T[]> {
  const { kind, shown, parse } = options;
  return {
    ...named(short),
    text,
    kind,
    initial: [],
    ...(shown === undefined ? {} : { shown }),
    parse: (value, before) => [...before, parse(value)],
  };
}

/** "key=value" pairs; a key alone has the value "". */
export function map(
  short: string,
  text: string,
  options: { shown?: string; check?: (value: string) => string } = {},
): Flag<Readonly<Record<string, string>>> {
  const { shown = "map[]", check = (value: string) => value } = options;
  return {
    ...named(short),
    text,
    kind: "map",
    initial: {},
    shown,
    parse: (value, before) => {
      const checked = check(value);
      const equals = checked.indexOf("=");
      const key = equals < 0 ? checked : checked.slice(0, equals);
      return { ...before, [key]: equals < 0 ? "" : checked.slice(equals + 1) };
    },
  };
}

/** `--filter name=value`, any number of times: the values by name, as the API's `filters` wants them. */
export function filter(short: string, text: string): Flag<Readonly<Record<string, readonly string[]>>> {
  return {
    ...named(short),
    text,
    kind: "filter",
    initial: {},
    parse: (value, before) => {
      if (value === "") return before;
      const equals = value.indexOf("=");
      if (equals < 0) throw fail("invalid", "bad format of filter (expected name=value)");
      const name = value.slice(0, equals).trim().toLowerCase();
      return { ...before, [name]: [...(before[name] ?? []), value.slice(equals + 1).trim()] };
    },
  };
}

export function int(short: string, text: string, initial = 0, shown?: string): Flag<number> {
  return {
    ...named(short),
    text,
    kind: "int",
    initial,
    ...(shown !== undefined ? { shown } : initial === 0 ? {} : { shown: String(initial) }),
    parse: (value) => parseInteger(value, { base: 0 }),
  };
}

export function unsigned(short: string, text: string, bits: 16 | 64): Flag<number> {
  return {
    ...named(short),
    text,
    kind: bits === 16 ? "uint16" : "uint",
    initial: 0,
    ...(bits === 16 ? { shown: "0" } : {}),
    parse: (value) => parseInteger(value, { base: 0, unsigned: true, bits }),
  };
}

/** Billionths of a processor. */
export function cpus(text: string): Flag<number> {
  return { text, kind: "decimal", initial: 0, parse: parseCpus };
}

/** Bytes: "64m". `unlimited`: "-1" is allowed. */
export function bytes(short: string, text: string, options: { unlimited?: boolean } = {}): Flag<number> {
  return {
    ...named(short),
    text,
    kind: "bytes",
    initial: 0,
    parse: (value) => (options.unlimited && value === "-1" ? -1 : parseSize(value)),
  };
}

/** Nanoseconds: "1m30s". */
export function duration(text: string): Flag<number> {
  return { text, kind: "duration", initial: 0, shown: "0s", parse: parseDuration };
}

export function hidden<T>(flag: Flag<T>): Flag<T> {
  return { ...flag, hidden: true };
}

/** An old name of a flag. */
export function oldName<T>(into: string, { short: _, ...flag }: Flag<T>): Flag<T> {
  return { ...flag, into, hidden: true };
}

function named(short: string): { short?: string } {
  return short === "" ? {} : { short };
}

const TRUE = new Set(["1", "t", "T", "TRUE", "true", "True"]);
const FALSE = new Set(["0", "f", "F", "FALSE", "false", "False"]);

export function parseBool(value: string): boolean {
  if (TRUE.has(value)) return true;
  if (FALSE.has(value)) return false;
  throw fail("invalid", `strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`);
}
