/** One line of comma-separated values, as Go's encoding/csv reads it. Pure. */
import { fail } from "#base/errors.ts";

/** The fields of one line of comma-separated values; quotes hold commas together, a doubled quote is one. */
export function splitCsv(line: string): string[] {
  const fields: string[] = [];
  let rest = line;
  for (;;) {
    if (rest.startsWith('"')) {
      const quoted = /^"((?:[^"]|"")*)"(,|$)/s.exec(rest);
      if (quoted === null) throw fail("invalid", `parse error on line 1, column ${line.length + 1}: extraneous or missing " in quoted-field`);
      fields.push(quoted[1]!.replaceAll('""', '"'));
      if (quoted[2] === "") return fields;
      rest = rest.slice(quoted[0].length);
      continue;
    }
    const comma = rest.indexOf(",");
    const field = comma < 0 ? rest : rest.slice(0, comma);
    if (field.includes('"')) throw fail("invalid", `parse error on line 1, column ${line.length - rest.length + field.indexOf('"') + 1}: bare " in non-quoted-field`);
    fields.push(field);
    if (comma < 0) return fields;
    rest = rest.slice(comma + 1);
  }
}
