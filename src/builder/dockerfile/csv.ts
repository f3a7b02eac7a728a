/** One line of CSV, as --mount and --device have it. */
import { fail } from "#base/errors.ts";

/** `what`: whose fields they are. @throws invalid for none at all, and for a quote that does not end */
export function csvFields(text: string, what: "mounts" | "devices"): string[] {
  if (text === "") throw fail("invalid", `failed to parse csv ${what}: EOF`);
  const fields: string[] = [];
  const pattern = /(?:"((?:[^"]|"")*)"|([^,"]*))(,|$)/y;
  for (;;) {
    const match = pattern.exec(text);
    if (match === null) throw fail("invalid", `failed to parse csv ${what}: ${JSON.stringify(text.slice(0, 200))}: a quote is not where it belongs`);
    fields.push(match[1] === undefined ? match[2]! : match[1].replaceAll('""', '"'));
    if (match[3] === "") return fields;
  }
}
