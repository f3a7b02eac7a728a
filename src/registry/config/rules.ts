/** Quotas and rules of retention, as they are written. */
import { fail } from "#base/errors.ts";
import type { Json, JsonObject } from "#base/json.ts";
import type { Quota, Retention } from "../open-registry.ts";
import { parseDuration, parseSize } from "./units.ts";

/** "team/=10GB"; "=10GB" is of all. */
export function readQuota(text: string): Quota {
  const at = text.lastIndexOf("=");
  if (at < 0) throw fail("invalid", `--quota ${text}: PREFIX=SIZE is expected`);
  return { prefix: text.slice(0, at), bytes: parseSize(text.slice(at + 1), `--quota ${text}`) };
}

const KEYS = new Set(["repositories", "tags", "keepLast", "keepPushed", "keepPulled"]);

/** @throws invalid: a rule that says nothing, or something else than it seems, would take away too much */
export function readRetention(rule: JsonObject): Retention {
  const odd = Object.keys(rule).find((key) => !KEYS.has(key));
  if (odd !== undefined) throw wrong(rule, `there is no ${JSON.stringify(odd)}`);
  const { repositories = "**", tags = "**", keepLast, keepPushed, keepPulled } = rule;
  if (typeof repositories !== "string" || typeof tags !== "string") throw wrong(rule, "repositories and tags are patterns");
  if (keepLast !== undefined && (typeof keepLast !== "number" || !Number.isSafeInteger(keepLast) || keepLast < 0)) throw wrong(rule, "keepLast is a number");
  if (keepLast === undefined && keepPushed === undefined && keepPulled === undefined) throw wrong(rule, "one of keepLast, keepPushed and keepPulled is needed");
  return { repositories, tags, keepLast, keepPushedMs: duration(rule, keepPushed, "keepPushed"), keepPulledMs: duration(rule, keepPulled, "keepPulled") };
}

function duration(rule: JsonObject, value: Json | undefined, name: string): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== "string") throw wrong(rule, `${name} is a duration ("30d")`);
  return parseDuration(value, `retention: ${name}`);
}

const wrong = (rule: JsonObject, what: string) => fail("invalid", `retention ${JSON.stringify(rule).slice(0, 200)}: ${what}`);
