/** What a plugin answers: any object. Fields are found as Go finds them, whatever the case of their letters. */
import { fail, messageOf } from "#base/errors.ts";

export type Answer = Readonly<Record<string, unknown>>;

/** @throws internal, in the words of Go's decoder where users know them */
export function parseAnswer(text: string): Answer {
  const value = parse(text);
  if (value === null) return {};
  if (typeof value !== "object" || Array.isArray(value)) throw fail("internal", `json: cannot unmarshal ${kindOfJson(value)} into an answer of the plugin protocol`);
  return value as Answer;
}

/** A field of that name; else one that differs only in case. */
export function field(answer: unknown, name: string): unknown {
  if (typeof answer !== "object" || answer === null) return undefined;
  const fields = answer as Answer;
  if (Object.hasOwn(fields, name)) return fields[name];
  const lower = name.toLowerCase();
  const key = Object.keys(fields).find((key) => key.toLowerCase() === lower);
  return key === undefined ? undefined : fields[key];
}

/** "" when there is none. @throws internal when it is something else */
export function text(answer: unknown, name: string): string {
  const value = field(answer, name) ?? "";
  if (typeof value === "string") return value;
  throw fail("internal", `json: cannot unmarshal ${kindOfJson(value)} into field ${name} of type string`);
}

export const flag = (answer: unknown, name: string): boolean => field(answer, name) === true;

export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

export const stringsIn = (value: unknown): readonly string[] => listOf(value).filter((one) => typeof one === "string");

function parse(text: string): unknown {
  const first = text.trimStart()[0];
  if (first === undefined) throw fail("internal", "EOF");
  if (!/[[{"\dtfn-]/.test(first)) throw fail("internal", `invalid character '${first}' looking for beginning of value`);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw fail("internal", `invalid JSON: ${messageOf(error).slice(0, 200)}`, { cause: error });
  }
}

const kindOfJson = (value: unknown): string => (Array.isArray(value) ? "array" : typeof value === "boolean" ? "bool" : typeof value);
