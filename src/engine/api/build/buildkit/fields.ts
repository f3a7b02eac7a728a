/** Lists within attributes: one line of CSV, as Go's encoding/csv reads it. */
import { fail } from "#base/errors.ts";

/** 'a,"b,c"' → ["a", "b,c"]; "" → [] */
export function parseList(line: string): string[] {
  if (line === "") return [];
  const fields: string[] = [];
  let at = 0;
  while (at <= line.length) {
    const [field, next] = line[at] === '"' ? quoted(line, at + 1) : plain(line, at);
    fields.push(field);
    at = next;
  }
  return fields;
}

/** "a=1,b" → { a: "1", b: "" } */
export function parseFields(line: string): Record<string, string> {
  const pairs = parseList(line).map((field) => {
    const at = field.indexOf("=");
    return at < 0 ? [field, ""] : [field.slice(0, at), field.slice(at + 1)];
  });
  return Object.fromEntries(pairs) as Record<string, string>;
}

function plain(line: string, from: number): [field: string, next: number] {
  const comma = line.indexOf(",", from);
  const end = comma < 0 ? line.length : comma;
  return [line.slice(from, end), end + 1];
}

function quoted(line: string, from: number): [field: string, next: number] {
  let field = "";
  for (let at = from; ; ) {
    const quote = line.indexOf('"', at);
    if (quote < 0) throw fail("invalid", `${JSON.stringify(line)}: a quotation mark is not closed`);
    field += line.slice(at, quote);
    if (line[quote + 1] !== '"') {
      if (quote + 1 < line.length && line[quote + 1] !== ",") throw fail("invalid", `${JSON.stringify(line)}: something follows a quotation mark`);
      return [field, quote + 2];
    }
    field += '"';
    at = quote + 2;
  }
}
