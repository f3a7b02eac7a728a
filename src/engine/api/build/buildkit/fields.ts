/** Lists within attributes: one line of CSV. */
import { splitCsv } from "#spec/csv.ts";

/** 'a,"b,c"' → ["a", "b,c"]; "" → [] @throws invalid: a quote is not where it belongs */
export const parseList = (line: string): string[] => (line === "" ? [] : splitCsv(line));

/** "a=1,b" → { a: "1", b: "" } */
export function parseFields(line: string): Record<string, string> {
  const pairs = parseList(line).map((field) => {
    const at = field.indexOf("=");
    return at < 0 ? [field, ""] : [field.slice(0, at), field.slice(at + 1)];
  });
  return Object.fromEntries(pairs) as Record<string, string>;
}
