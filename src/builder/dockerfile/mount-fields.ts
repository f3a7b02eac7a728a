/** RUN --mount=…: its fields, and what can be said of them before anything is expanded. */
import { fail } from "#base/errors.ts";
import { csvFields } from "./csv.ts";

/** Which image, stage or context it is from; "": none. It is not expanded. @throws invalid */
export function mountSource(text: string): string {
  let from = "";
  for (const { key, value } of mountFields(text)) {
    if (key !== "from" || value === undefined) continue;
    if (/\$./.test(value)) throw fail("invalid", `'from' doesn't support variable expansion, define alias stage instead`);
    from = value;
  }
  return from;
}

type Field = { readonly key: string; readonly value: string | undefined; readonly field: string };

export function mountFields(text: string): Field[] {
  return csvFields(text, "mounts").map((field) => {
    const equals = field.indexOf("=");
    return { field, key: (equals < 0 ? field : field.slice(0, equals)).toLowerCase(), value: equals < 0 ? undefined : field.slice(equals + 1) };
  });
}
