/** `--cache-from` and `--cache-to`: names of images, or a type and what it needs. */
import { fail } from "#base/errors.ts";
import { splitCsv } from "../../request/csv.ts";
import type { CacheOption } from "../build.ts";
import { parseFields } from "./fields.ts";

/** @throws invalid */
export function parseCaches(texts: readonly string[]): CacheOption[] {
  return texts.filter((text) => text !== "").flatMap((text): CacheOption[] => {
    const fields = splitCsv(text);
    if (!fields.some((field) => field.includes("="))) return fields.map((ref) => ({ type: "registry", attributes: { ref } }));
    const { type, ...attributes } = parseFields(text);
    if (type === undefined) throw fail("invalid", `type required form> ${JSON.stringify(text)}`);
    return [{ type, attributes }];
  });
}
