/** `--annotation "manifest,index[linux/amd64]:key=value"`, as attributes of exporters. */
import { fail } from "#base/errors.ts";
import { parsePlatform } from "#spec/platform.ts";

const TYPES = new Set(["manifest", "index", "manifest-descriptor", "index-descriptor"]);

/** @throws invalid */
export function parseAnnotations(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(texts.flatMap((text) => {
    const equals = text.indexOf("=");
    if (equals < 0) throw fail("invalid", `invalid annotation ${JSON.stringify(text)}, expected key=value`);
    const value = text.slice(equals + 1);
    const colon = text.indexOf(":");
    if (colon < 0 || colon > equals) return [[`annotation.${text.slice(0, equals)}`, value]];
    return text.slice(0, colon).split(",").map((type) => [`annotation-${checked(type)}.${text.slice(colon + 1, equals)}`, value]);
  }));
}

function checked(text: string): string {
  const match = /^([a-z-]+)(?:\[([A-Za-z0-9_/-]+)\])?$/.exec(text);
  if (match === null) throw fail("invalid", `invalid annotation type ${JSON.stringify(text)}, expected type and optional platform in square brackets`);
  if (!TYPES.has(match[1]!)) throw fail("invalid", `unknown annotation type ${JSON.stringify(match[1])}`);
  if (match[2] !== undefined) parsePlatform(match[2]);
  return text;
}
