/** The objects of the file of settings, field by field: what is not known is refused, not passed over. */
import { fail } from "#base/errors.ts";
import type { JsonObject } from "#base/json.ts";
import { parseDuration } from "./units.ts";

export type Fields = {
  text(name: string): string | undefined;
  needed(name: string): string;
  texts(name: string): readonly string[] | undefined;
  flag(name: string): boolean;
  /** Milliseconds. */
  duration(name: string): number | undefined;
  /** Name → text. */
  map(name: string): Readonly<Record<string, string>> | undefined;
};

/** `what`: "webhooks", and the like. @throws invalid */
export function readFields(object: JsonObject, what: string, known: readonly string[]): Fields {
  const wrong = (name: string, why: string) => fail("invalid", `${what}: ${name}: ${why}`);
  const odd = Object.keys(object).find((name) => !known.includes(name));
  if (odd !== undefined) throw fail("invalid", `${what}: there is no ${JSON.stringify(odd)}; known are ${known.join(", ")}`);
  const text = (name: string): string | undefined => {
    const value = object[name];
    if (value !== undefined && typeof value !== "string") throw wrong(name, "a text is expected");
    return value;
  };
  return {
    text,
    needed(name) {
      const value = text(name);
      if (value === undefined) throw wrong(name, "is needed");
      return value;
    },
    texts(name) {
      const value = object[name];
      if (value === undefined) return undefined;
      if (!Array.isArray(value) || !value.every((one) => typeof one === "string")) throw wrong(name, "a list of texts is expected");
      return value as string[];
    },
    flag(name) {
      const value = object[name] ?? false;
      if (typeof value !== "boolean") throw wrong(name, "true or false is expected");
      return value;
    },
    duration(name) {
      const value = text(name);
      return value === undefined ? undefined : parseDuration(value, `${what}: ${name}`);
    },
    map(name) {
      const value = object[name];
      if (value === undefined) return undefined;
      if (typeof value !== "object" || value === null || Array.isArray(value) || !Object.values(value).every((one) => typeof one === "string")) throw wrong(name, "an object of texts is expected");
      return value as Record<string, string>;
    },
  };
}
