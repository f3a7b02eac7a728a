/** HEALTHCHECK: NONE, or CMD with its times. */
import { fail } from "#base/errors.ts";
import type { Instruction } from "./dockerfile.ts";
import { flagOf } from "./flags.ts";

/** Docker's HealthConfig: nanoseconds; what is not said is not there. */
export type Healthcheck = { readonly Test: readonly string[]; readonly Interval?: number; readonly Timeout?: number; readonly StartPeriod?: number; readonly StartInterval?: number; readonly Retries?: number };

const units: Readonly<Record<string, number>> = { ns: 1, us: 1e3, "µs": 1e3, "μs": 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };

/** The word before the command, and where the command begins. */
export function healthcheckWords(text: string): { readonly type: string; readonly command: string } {
  const type = /^\S*/.exec(text)![0];
  return { type, command: text.slice(type.length).trimStart() };
}

/** @throws invalid */
export function healthcheckOf(instruction: Pick<Instruction, "text" | "json" | "flags"> & Instruction): Healthcheck {
  const { type, command } = healthcheckWords(instruction.text);
  if (type === "") throw fail("invalid", "HEALTHCHECK requires at least one argument");
  if (type.toUpperCase() === "NONE") {
    if (command !== "") throw fail("invalid", "HEALTHCHECK NONE takes no arguments");
    return { Test: ["NONE"] };
  }
  if (type.toUpperCase() !== "CMD") throw fail("invalid", `Unknown type ${JSON.stringify(type.toUpperCase())} in HEALTHCHECK (try CMD)`);
  if (instruction.json === undefined ? command === "" : instruction.json.length === 0) throw fail("invalid", "Missing command after HEALTHCHECK CMD");
  return {
    Test: instruction.json === undefined ? ["CMD-SHELL", command] : ["CMD", ...instruction.json],
    ...named("Interval", interval(instruction, "interval")),
    ...named("Timeout", interval(instruction, "timeout")),
    ...named("StartPeriod", interval(instruction, "start-period")),
    ...named("StartInterval", interval(instruction, "start-interval")),
    ...named("Retries", retries(instruction)),
  };
}

function named(name: string, value: number): Record<string, number> {
  return value === 0 ? {} : { [name]: value };
}

function interval(instruction: Instruction, name: string): number {
  const text = flagOf(instruction, name);
  if (text === undefined || text === "") return 0;
  const duration = parseDuration(text);
  if (duration !== 0 && duration < 1e6) throw fail("invalid", `Interval ${JSON.stringify(name)} cannot be less than 1ms`);
  return duration;
}

/** Go's: "1h30m", "1.5s", "-2ms", "0". */
function parseDuration(text: string): number {
  const sign = text.startsWith("-") ? -1 : 1;
  let rest = text.replace(/^[+-]/, "");
  if (rest === "0") return 0;
  if (rest === "" || text.length > 100) throw fail("invalid", `time: invalid duration ${JSON.stringify(text)}`);
  let total = 0;
  while (rest !== "") {
    const [whole, number, unit] = /^([0-9]+\.?[0-9]*|\.[0-9]+)([^0-9.]*)/.exec(rest) ?? [];
    if (whole === undefined) throw fail("invalid", `time: invalid duration ${JSON.stringify(text)}`);
    if (unit === "") throw fail("invalid", `time: missing unit in duration ${JSON.stringify(text)}`);
    if (!Object.hasOwn(units, unit!)) throw fail("invalid", `time: unknown unit ${JSON.stringify(unit)} in duration ${JSON.stringify(text)}`);
    total += Number(number) * units[unit!]!;
    rest = rest.slice(whole.length);
  }
  if (total > 2 ** 63 - 1024) throw fail("invalid", `time: invalid duration ${JSON.stringify(text)}`);
  return sign * Math.round(total);
}

function retries(instruction: Instruction): number {
  const text = flagOf(instruction, "retries");
  if (text === undefined || text === "") return 0;
  if (!/^[+-]?[0-9]+$/.test(text)) throw fail("invalid", `strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  const value = Number(text);
  if (Math.abs(value) > 2 ** 31 - 1) throw fail("invalid", `strconv.ParseInt: parsing ${JSON.stringify(text)}: value out of range`);
  if (value < 0) throw fail("invalid", `--retries cannot be negative (${value})`);
  return value;
}
