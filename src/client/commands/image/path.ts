import { fail } from "#base/errors.ts";
import { parsePlatform } from "#spec/platform.ts";

/** `/images/NAME`: the slashes and colons of a name stay as they are. */
export function imagePath(name: string, rest = ""): string {
  if (name.trim() === "") throw fail("invalid", "invalid reference format");
  return `/images/${encodeURIComponent(name).replaceAll("%2F", "/").replaceAll("%3A", ":").replaceAll("%40", "@")}${rest}`;
}

/** A platform as newer versions of the API take it. */
export function encodePlatform(text: string): string | undefined {
  if (text === "") return undefined;
  const platform = parsePlatform(text);
  return JSON.stringify({
    architecture: platform.architecture,
    os: platform.os,
    ...(platform.variant === undefined ? {} : { variant: platform.variant }),
  });
}

/** Several, each of which may be a list with commas. */
export function encodePlatforms(texts: readonly string[]): string[] {
  return texts.flatMap((text) => text.split(",")).flatMap((text) => encodePlatform(text.trim()) ?? []);
}
