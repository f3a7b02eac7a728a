/** daemon.json's `builder.gc` and `builder.history`: how much of past builds is kept. Pure. */
import { fail, messageOf } from "#base/errors.ts";
import type { CacheBounds, CacheRule, Space } from "#builder/cache/policy.ts";
import { parseBytes } from "./values.ts";

/** `rules` undefined: BuildKit's, within `bounds`. Nothing is collected when not `enabled`. */
export type BuilderGc = { readonly enabled: boolean; readonly bounds: CacheBounds; readonly rules: readonly CacheRule[] | undefined };

export type BuildHistorySettings = { readonly maxEntries?: number; readonly maxAge?: bigint };

type Given = Readonly<Record<string, unknown>>;

/** Names as Go reads them: whatever their case. @throws invalid */
export function parseBuilderGc(given: unknown): BuilderGc {
  const { enabled = true, policy, defaultkeepstorage, defaultreservedspace, defaultmaxusedspace, defaultminfreespace, ...rest } = members(given, "gc");
  refuseOthers(rest, "gc");
  if (typeof enabled !== "boolean") throw fail("invalid", "builder.gc.enabled: true or false is expected");
  if (policy !== undefined && !Array.isArray(policy)) throw fail("invalid", "builder.gc.policy: a list is expected");
  return {
    enabled,
    bounds: boundsOf({ reserved: defaultreservedspace ?? defaultkeepstorage, maxUsed: defaultmaxusedspace, minFree: defaultminfreespace }, "gc.default"),
    rules: policy?.map(parseRule),
  };
}

function parseRule(given: unknown, index: number): CacheRule {
  const where = `gc.policy[${index}]`;
  const { all = false, filter, keepstorage, reservedspace, maxusedspace, minfreespace, ...rest } = members(given, where);
  refuseOthers(rest, where);
  if (typeof all !== "boolean") throw fail("invalid", `builder.${where}.all: true or false is expected`);
  const { keepDuration, filters } = filterOf(filter, where);
  return { all, filters, keepDuration, ...boundsOf({ reserved: reservedspace ?? keepstorage, maxUsed: maxusedspace, minFree: minfreespace }, where) };
}

function boundsOf(given: Record<"reserved" | "maxUsed" | "minFree", unknown>, where: string): CacheBounds {
  return Object.fromEntries(Object.entries(given).flatMap(([name, value]) => (value === undefined || value === "" ? [] : [[name, spaceOf(value, `${where}.${name}`)]])));
}

function spaceOf(value: unknown, where: string): Space {
  const part = typeof value === "string" ? /^(\d{1,3})%$/.exec(value) : null;
  if (part !== null && Number(part[1]) <= 100) return { kind: "percent", value: Number(part[1]) };
  try {
    return { kind: "bytes", value: parseBytes(String(value)) };
  } catch (error) {
    throw fail("invalid", `builder.${where}: ${messageOf(error)}`);
  }
}

/** ["unused-for=48h", "type=exec.cachemount"], or Docker's {"type": {"exec.cachemount": true}}. */
function filterOf(given: unknown, where: string): Pick<CacheRule, "filters" | "keepDuration"> {
  const filters = new Map<string, string[]>();
  for (const [name, value] of filterPairs(given, where)) filters.set(name, [...(filters.get(name) ?? []), value]);
  const spans = ["unused-for", "until"].flatMap((name) => filters.get(name) ?? []);
  filters.delete("unused-for");
  filters.delete("until");
  const odd = [...filters.keys()].find((name) => !KNOWN.has(name));
  if (odd !== undefined) throw fail("invalid", `builder.${where}.filter: unknown filter ${JSON.stringify(odd)}`);
  return { filters, keepDuration: spans.reduce((longest, span) => bigger(longest, parseSpan(span, where)), 0n) };
}

const KNOWN = new Set(["id", "parent", "type", "description", "inuse", "mutable", "immutable", "shared", "private"]);

function filterPairs(given: unknown, where: string): [string, string][] {
  if (given === undefined || given === null) return [];
  if (Array.isArray(given)) {
    return given.map((text: unknown) => {
      const [, name, value] = (typeof text === "string" ? /^([a-z-]+)(?:==?(.*))?$/.exec(text) : null) ?? [];
      if (name === undefined) throw fail("invalid", `builder.${where}.filter: ${JSON.stringify(text)} is no "name=value"`);
      return [name, value ?? "true"];
    });
  }
  return Object.entries(members(given, `${where}.filter`)).flatMap(([name, values]) => Object.keys(members(values, `${where}.filter.${name}`)).map((value): [string, string] => [name, value]));
}

const UNITS: Readonly<Record<string, bigint>> = { h: 3_600_000_000_000n, m: 60_000_000_000n, s: 1_000_000_000n };
const bigger = (a: bigint, b: bigint): bigint => (a > b ? a : b);

/** A Go duration of whole numbers: "48h", "1h30m"; plain seconds. */
function parseSpan(text: string, where: string): bigint {
  if (/^\d{1,12}$/.test(text)) return BigInt(text) * UNITS["s"]!;
  if (!/^(\d{1,9}[hms])+$/.test(text)) throw fail("invalid", `builder.${where}.filter: invalid duration ${JSON.stringify(text)}`);
  return [...text.matchAll(/(\d+)([hms])/g)].reduce((sum, [, count, unit]) => sum + BigInt(count!) * UNITS[unit!]!, 0n);
}

/** @throws invalid */
export function parseBuildHistory(given: unknown): BuildHistorySettings {
  const { maxentries, maxage, ...rest } = members(given, "history");
  refuseOthers(rest, "history");
  if (maxentries !== undefined && !(Number.isInteger(maxentries) && (maxentries as number) >= 0)) throw fail("invalid", "builder.history.maxEntries: a number is expected");
  return {
    ...(maxentries !== undefined && { maxEntries: maxentries as number }),
    ...(maxage !== undefined && { maxAge: parseSpan(String(maxage), "history.maxAge") }),
  };
}

function members(given: unknown, where: string): Given {
  if (given === undefined) return {};
  if (given === null || typeof given !== "object" || Array.isArray(given)) throw fail("invalid", `builder.${where}: an object is expected`);
  return Object.fromEntries(Object.entries(given).map(([name, value]) => [where.includes("filter") ? name : name.toLowerCase(), value]));
}

function refuseOthers(rest: Given, where: string): void {
  const other = Object.keys(rest)[0];
  if (other !== undefined) throw fail("invalid", `builder.${where}: unknown key ${JSON.stringify(other)}`);
}
