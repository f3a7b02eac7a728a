/**
 * From JSON to typed values as Go's decoder does it: names of fields match in any case, unknown fields are ignored,
 * null and absent fields take the zero value, a value of the wrong type is refused with its path. One thing is
 * stricter: two names that mean the same field are refused.
 *
 *     const point = struct({ X: int, Y: int, Tags: list(string) });
 *     point({ x: 1 }, "Point")   // { X: 1, Y: 0, Tags: null }
 */
import { fail } from "#base/errors.ts";
import type { Json, JsonObject } from "#base/json.ts";

/** Reads a value; `undefined` when the field is absent. */
export type Decoder<T> = (value: Json | undefined, path: string) => T;

const absent = (value: Json | undefined): value is null | undefined => value === undefined || value === null;

export const string: Decoder<string> = (value, path) => (absent(value) ? "" : typeof value === "string" ? value : refuse(value, path, "a string"));

export const boolean: Decoder<boolean> = (value, path) => (absent(value) ? false : typeof value === "boolean" ? value : refuse(value, path, "true or false"));

export const int: Decoder<number> = (value, path) => (absent(value) ? 0 : Number.isInteger(value) ? (value as number) : refuse(value, path, "an integer"));

export const any: Decoder<Json> = (value) => value ?? null;

/** null stays null, and so does an absent field: Go's nil slice or pointer. */
export function nullable<T>(decode: Decoder<T>): Decoder<T | null> {
  return (value, path) => (absent(value) ? null : decode(value, path));
}

/** An absent or null field stays away. */
export function optional<T>(decode: Decoder<T>): Decoder<T | undefined> {
  return (value, path) => (absent(value) ? undefined : decode(value, path));
}

export function list<T>(decode: Decoder<T>): Decoder<T[] | null> {
  return (value, path) => {
    if (absent(value)) return null;
    if (!Array.isArray(value)) return refuse(value, path, "a list");
    return value.map((one, i) => decode(one, `${path}[${i}]`));
  };
}

/** A map by names that are data (labels, ports): kept as they are. */
export function record<T>(decode: Decoder<T>): Decoder<Record<string, T> | null> {
  return (value, path) => {
    if (absent(value)) return null;
    const object = requireObject(value, path);
    const copy: Record<string, T> = Object.create(null);
    for (const key of Object.keys(object)) copy[key] = decode(object[key], `${path}[${JSON.stringify(key)}]`);
    return copy;
  };
}

/** Fields that may be undefined become optional. */
type Struct<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & { [K in keyof T as undefined extends T[K] ? K : never]?: T[K] };

export function struct<T extends Record<string, unknown>>(fields: { readonly [K in keyof T]: Decoder<T[K]> }): Decoder<Struct<T>> {
  const names = Object.keys(fields) as (keyof T & string)[];
  const byFold = new Map(names.map((name) => [fold(name), name]));
  return (value, path) => {
    const given = absent(value) ? {} : pickFields(requireObject(value, path), byFold, path);
    const result: Partial<T> = {};
    for (const name of names) {
      const decoded = fields[name](given[name], `${path}.${name}`);
      if (decoded !== undefined) result[name] = decoded;
    }
    return result as unknown as Struct<T>;
  };
}

function pickFields(object: JsonObject, byFold: ReadonlyMap<string, string>, path: string): JsonObject {
  const picked: JsonObject = Object.create(null);
  for (const key of Object.keys(object)) {
    const name = byFold.get(fold(key));
    if (name === undefined) continue;
    if (name in picked) throw fail("invalid", `invalid JSON: ${path}.${name} is given twice`);
    picked[name] = object[key]!;
  }
  return picked;
}

/** Go folds these two beside ASCII. */
const fold = (name: string) => name.replace(/\u017f/g, "s").replace(/\u212a/g, "k").toLowerCase();

function requireObject(value: Json, path: string): JsonObject {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return refuse(value, path, "an object");
  return value;
}

function refuse(value: Json, path: string, expected: string): never {
  const kind = Array.isArray(value) ? "a list" : value === null ? "null" : typeof value === "number" ? `the number ${value}` : typeof value === "object" ? "an object" : `a ${typeof value}`;
  throw fail("invalid", `invalid JSON: ${path}: expected ${expected}, got ${kind}`);
}
