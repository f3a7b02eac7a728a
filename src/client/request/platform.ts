import { fail, messageOf } from "#base/errors.ts";
import { formatPlatform, parsePlatform } from "#spec/platform.ts";

/** `--platform` of a container. */
export function readPlatform(text: string): string {
  try {
    return spellPlatform(text);
  } catch (error) {
    throw fail("invalid", `error parsing specified platform: ${messageOf(error)}`, { cause: error });
  }
}

/** In the one spelling the API takes. @throws invalid */
export const spellPlatform = (text: string): string => formatPlatform(parsePlatform(text));
