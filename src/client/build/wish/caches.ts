/** `--cache-from` and `--cache-to`: names of images, or a type and what it needs; folders of ours, which the engine reads and writes. */
import { fail } from "#base/errors.ts";
import { splitCsv } from "#spec/csv.ts";
import type { CacheOption } from "../build.ts";
import { findInLayout } from "../layout.ts";
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

/** Of folders: which manifest is meant is known here. One that is not there yet is no cache, which is told. */
export function resolveImports(imports: readonly CacheOption[], say: (text: string) => void): CacheOption[] {
  return imports.flatMap((one) => {
    if (one.type !== "local" || one.attributes["digest"] !== undefined) return [one];
    const src = one.attributes["src"] ?? "";
    if (src === "") throw fail("invalid", "local cache importer requires src");
    const digest = findInLayout(src, one.attributes["tag"] ?? "latest");
    if (digest !== undefined) return [{ ...one, attributes: { ...one.attributes, digest } }];
    say(`WARNING: local cache import at ${src} not found\n`);
    return [];
  });
}

/** By the names that the engine calls them by. */
export function cacheStores(imports: readonly CacheOption[], exports: readonly CacheOption[]): [string, string][] {
  const folders = [...imports.map(({ type, attributes }) => [type, attributes["src"]] as const), ...exports.map(({ type, attributes }) => [type, attributes["dest"]] as const)];
  for (const { type, attributes } of exports) if (type === "local" && !attributes["dest"]) throw fail("invalid", "local cache exporter requires dest");
  return folders.flatMap(([type, folder]) => (type === "local" && folder !== undefined ? [[`local:${folder}`, folder]] : []));
}
