/** The functions docker adds to Go's templates, and what they do in a table's header. */
import { fail } from "#base/errors.ts";
import { type Functions, goType, typed } from "#spec/go-template.ts";
import { printed } from "#spec/go-template-print.ts";

export const functions: Functions = {
  // A row's own encoding escapes what HTML would take for markup, as Go's does by default.
  json: (value: unknown) => encodeJson(value, typeof value === "object" && value !== null && goType in value && "toJSON" in value),
  split: typed((text: string, separator: string) => (separator === "" ? [...text] : text.split(separator)), "string", "string"),
  join: typed((parts: readonly string[], separator: string) => parts.join(separator), "[]string", "string"),
  title: typed(
    (text: string) => text.replace(/(^|[^\p{L}\p{N}_'])(\p{L})/gu, (_, before: string, letter: string) => before + letter.toUpperCase()),
    "string",
  ),
  lower: typed((text: string) => checkText(text).toLowerCase(), "string"),
  upper: typed((text: string) => checkText(text).toUpperCase(), "string"),
  pad: typed(
    (text: string, before: number, after: number) => (text === "" ? "" : " ".repeat(before) + text + " ".repeat(after)),
    "string",
    "int",
    "int",
  ),
  truncate: typed((text: string, length: number) => text.slice(0, length), "string", "int"),
};

/** In the header a column's name stays as it is, but for its case and place. */
export const headerFunctions: Functions = {
  ...functions,
  json: (text: string) => text,
  split: typed((text: string, _separator: string) => text, "string", "string"),
  join: typed((text: string, _separator: string) => text, "string", "string"),
  title: typed((text: string) => text, "string"),
  lower: typed((text: string) => text, "string"),
  upper: typed((text: string) => text, "string"),
  truncate: typed((text: string, _length: number) => text, "string", "int"),
};

function checkText(value: unknown): string {
  if (typeof value === "string") return value;
  if (value === undefined || value === null) throw fail("invalid", "invalid value; expected string");
  throw fail("invalid", `wrong type for value; expected string; got ${Array.isArray(value) ? "[]string" : typeof value === "number" ? "int" : typeof value}`);
}

/** JSON as Go writes it: a map's keys in order, and `<`, `>`, `&` escaped where asked. */
export function encodeJson(value: unknown, escapeHtml = true): string {
  const text = JSON.stringify(value, (_, each: unknown) => (isMap(each) ? sorted(each) : each)) ?? "null";
  const escaped = text.replace(/[\u2028\u2029]/g, (each) => (each === "\u2028" ? "\\u2028" : "\\u2029"));
  return escapeHtml ? escaped.replace(/[<>&]/g, (each) => `\\u00${each.charCodeAt(0).toString(16)}`) : escaped;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(goType in value) && !(printed in value);
}

function sorted(map: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)));
}
