/** One line of CSV, as --mount and --device have it. */
import { fail, messageOf } from "#base/errors.ts";
import { splitCsv } from "#spec/csv.ts";

/** `what`: whose fields they are. @throws invalid for none at all, and for a quote that is not where it belongs */
export function csvFields(text: string, what: "mounts" | "devices"): string[] {
  if (text === "") throw fail("invalid", `failed to parse csv ${what}: EOF`);
  try {
    return splitCsv(text);
  } catch (error) {
    throw fail("invalid", `failed to parse csv ${what}: ${messageOf(error)}`, { cause: error });
  }
}
