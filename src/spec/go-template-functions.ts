/** The built-in functions of text/template. `and` and `or` stand in the runner, because they do not evaluate all. */
import { fail } from "#base/errors.ts";
import type { Functions } from "./go-template.ts";
import { goType } from "./go-template-type.ts";
import { formatValue, sprintf, typeName } from "./go-template-print.ts";

/** What Go calls true: not the zero value, not empty. */
export function isTrue(value: unknown): boolean {
  if (value === undefined || value === null || value === false || value === 0 || value === "") return false;
  if (Array.isArray(value)) return value.length > 0;
  if (typeof value === "object" && !(goType in value)) return Object.keys(value).length > 0;
  return true;
}

export const builtins: Functions = {
  and: () => undefined,
  or: () => undefined,
  not: (value: unknown) => !isTrue(value),
  len: lengthOf,
  index: indexOf,
  slice: sliceOf,
  print: (...values: unknown[]) => printAll(values),
  println: (...values: unknown[]) => `${values.map((each) => formatValue(each, false)).join(" ")}\n`,
  printf: (format: unknown, ...values: unknown[]) => {
    if (typeof format !== "string") throw fail("invalid", `wrong type for value; expected string; got ${typeName(format)}`);
    return sprintf(format, values);
  },
  html: (...values: unknown[]) => printAll(values).replace(/[&<>"']/g, (each) => HTML[each]!).replaceAll("\0", "\uFFFD"),
  js: (...values: unknown[]) => JSON.stringify(printAll(values)).slice(1, -1).replace(/[<>&'=]/g, escapeUnicode),
  urlquery: (...values: unknown[]) => encodeURIComponent(printAll(values)).replaceAll("%20", "+"),
  eq: (first: unknown, ...others: unknown[]) => {
    if (others.length === 0) throw fail("invalid", "missing argument for comparison");
    return others.some((other) => equals(first, other));
  },
  ne: (one: unknown, other: unknown) => !equals(one, other),
  lt: (one: unknown, other: unknown) => compare(one, other) < 0,
  le: (one: unknown, other: unknown) => compare(one, other) <= 0,
  gt: (one: unknown, other: unknown) => compare(one, other) > 0,
  ge: (one: unknown, other: unknown) => compare(one, other) >= 0,
};

/** How many arguments the built-ins take, where it is not any number. */
export const arities: Readonly<Record<string, readonly [min: number, max: number]>> = {
  and: [1, Number.POSITIVE_INFINITY],
  or: [1, Number.POSITIVE_INFINITY],
  not: [1, 1],
  len: [1, 1],
  index: [1, Number.POSITIVE_INFINITY],
  slice: [1, 4],
  printf: [1, Number.POSITIVE_INFINITY],
  eq: [1, Number.POSITIVE_INFINITY],
  ne: [2, 2],
  lt: [2, 2],
  le: [2, 2],
  gt: [2, 2],
  ge: [2, 2],
};

const HTML: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;" };

function escapeUnicode(each: string): string {
  return each === "'" ? "\\'" : `\\u${each.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
}

/** Spaces stand between operands when neither is a string. */
function printAll(values: readonly unknown[]): string {
  let text = "";
  values.forEach((value, at) => {
    if (at > 0 && typeof value !== "string" && typeof values[at - 1] !== "string") text += " ";
    text += formatValue(value, false);
  });
  return text;
}

function lengthOf(value: unknown): number {
  if (typeof value === "string") return Buffer.byteLength(value);
  if (Array.isArray(value)) return value.length;
  if (typeof value === "object" && value !== null && !(goType in value)) return Object.keys(value).length;
  if (value === null || value === undefined) throw fail("invalid", "len of nil pointer");
  throw fail("invalid", `len of type ${typeName(value)}`);
}

function indexOf(item: unknown, ...keys: unknown[]): unknown {
  let value = item;
  if (value === undefined || value === null) {
    if (keys.length === 0) return value;
    throw fail("invalid", "index of untyped nil");
  }
  for (const key of keys) {
    if (Array.isArray(value)) value = at(value, key, "slice");
    else if (typeof value === "string") value = at([...Buffer.from(value)], key, "string");
    else if (typeof value === "object" && value !== null && !(goType in value)) {
      if (typeof key !== "string") throw fail("invalid", `value has type ${typeName(key)}; should be string`);
      value = Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : zeroOf(value);
    } else if (value === null || value === undefined) throw fail("invalid", "index of nil pointer");
    else throw fail("invalid", `can't index item of type ${typeName(value)}`);
  }
  return value;
}

/** What a map has for a key it has not: "" among strings. */
function zeroOf(map: object): unknown {
  const values = Object.values(map);
  return values.every((each) => typeof each === "string") ? "" : undefined;
}

function at(items: readonly unknown[], key: unknown, kind: "slice" | "string"): unknown {
  if (typeof key !== "number") {
    if (key === null || key === undefined) throw fail("invalid", "cannot index slice/array with nil");
    throw fail("invalid", `cannot index slice/array with type ${typeName(key)}`);
  }
  if (key < 0 || key > items.length) throw fail("invalid", `index out of range: ${key}`);
  if (key === items.length) throw fail("invalid", `reflect: ${kind} index out of range`);
  return items[key];
}

function sliceOf(item: unknown, ...bounds: number[]): unknown {
  if (typeof item !== "string" && !Array.isArray(item)) throw fail("invalid", `can't slice item of type ${typeName(item)}`);
  const bytes = typeof item === "string" ? Buffer.from(item) : item;
  const [from = 0, to = bytes.length] = bounds;
  if (from < 0 || from > bytes.length) throw fail("invalid", `index out of range: ${from}`);
  if (to < 0 || to > bytes.length) throw fail("invalid", `index out of range: ${to}`);
  if (from > to) throw fail("invalid", `invalid slice index: ${from} > ${to}`);
  return typeof item === "string" ? (bytes as Buffer).toString("utf8", from, to) : item.slice(from, to);
}

function basic(value: unknown): "string" | "number" | "boolean" | "nil" {
  if (value === null || value === undefined) return "nil";
  const type = typeof value;
  if (type === "string" || type === "number" || type === "boolean") return type;
  throw fail("invalid", "invalid type for comparison");
}

function equals(one: unknown, other: unknown): boolean {
  if (basic(one) === "nil" || basic(other) === "nil") return basic(one) === basic(other);
  if (basic(one) !== basic(other)) throw fail("invalid", "incompatible types for comparison");
  return one === other;
}

function compare(one: unknown, other: unknown): number {
  const type = basic(one);
  if (type !== basic(other)) throw fail("invalid", "incompatible types for comparison");
  if (type === "boolean" || type === "nil") throw fail("invalid", "invalid type for comparison");
  if (one === other) return 0;
  return (one as number) < (other as number) ? -1 : 1;
}
