/** The functions docker adds to Go's templates, and what they do in a table's header. */
import { fail } from "#base/errors.ts";
import { type Functions, goType } from "#spec/go-template.ts";

export const functions: Functions = {
  json: (value: unknown) => encodeJson(value, false),
  split: (text: string, separator: string) => (separator === "" ? [...text] : checkText(text).split(separator)),
  join: (parts: readonly string[], separator: string) => checkList(parts).join(separator),
  title: (text: string) => checkText(text).replace(/(^|[^\p{L}\p{N}_'])(\p{L})/gu, (_, before: string, letter: string) => before + letter.toUpperCase()),
  lower: (text: string) => checkText(text).toLowerCase(),
  upper: (text: string) => checkText(text).toUpperCase(),
  pad: (text: string, before: number, after: number) => (text === "" ? "" : " ".repeat(before) + checkText(text) + " ".repeat(after)),
  truncate: (text: string, length: number) => checkText(text).slice(0, length),
};

/** In the header a column's name stays as it is, but for its case and place. */
export const headerFunctions: Functions = {
  ...functions,
  json: (text: string) => text,
  split: (text: string, _separator: string) => text,
  join: (text: string, _separator: string) => text,
  title: (text: string) => text,
  lower: (text: string) => text,
  upper: (text: string) => text,
  truncate: (text: string, _length: number) => text,
};

function checkText(value: unknown): string {
  if (typeof value === "string") return value;
  if (value === undefined || value === null) throw fail("invalid", "invalid value; expected string");
  throw fail("invalid", `wrong type for value; expected string; got ${Array.isArray(value) ? "[]string" : typeof value === "number" ? "int" : typeof value}`);
}

function checkList(value: unknown): readonly string[] {
  if (Array.isArray(value)) return value.map(String);
  throw fail("invalid", "wrong type for value; expected []string");
}

/** JSON as Go writes it: a map's keys in order, and `<`, `>`, `&` escaped where asked. */
export function encodeJson(value: unknown, escapeHtml = true): string {
  const text = JSON.stringify(value, (_, each: unknown) => (isMap(each) ? sorted(each) : each)) ?? "null";
  const escaped = text.replace(/[\u2028\u2029]/g, (each) => (each === "\u2028" ? "\\u2028" : "\\u2029"));
  return escapeHtml ? escaped.replace(/[<>&]/g, (each) => `\\u00${each.charCodeAt(0).toString(16)}`) : escaped;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(goType in value);
}

function sorted(map: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)));
}
