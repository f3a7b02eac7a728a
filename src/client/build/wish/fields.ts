/** Lists of "key=value", as the flags of builds have them. */
import { fail } from "#base/errors.ts";
import { splitCsv } from "#spec/csv.ts";

export type Fields = Readonly<Record<string, string>>;

/** "type=local,dest=out": keys in lower case. @throws invalid for a field without "=" */
export function parseFields(text: string): Record<string, string> {
  return Object.fromEntries(
    splitCsv(text).map((field) => {
      const equals = field.indexOf("=");
      if (equals < 0) throw fail("invalid", `invalid value ${field}`);
      return [field.slice(0, equals).trim().toLowerCase(), field.slice(equals + 1)];
    }),
  );
}

/** "A=b" and "A": of one without a value, the environment's; undefined where there is none. */
export function parsePairs(texts: readonly string[], env?: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const pairs: Record<string, string> = {};
  for (const text of texts) {
    const equals = text.indexOf("=");
    const key = equals < 0 ? text : text.slice(0, equals);
    const value = equals < 0 ? (env === undefined ? "" : env[key]) : text.slice(equals + 1);
    if (value !== undefined) pairs[key] = value;
  }
  return pairs;
}
