import { fail } from "#base/errors.ts";

/** `/networks/NAME` with what is needed of it escaped. */
export function networkPath(name: string, rest = ""): string {
  const trimmed = name.trim();
  if (trimmed === "") throw fail("invalid", "invalid network name or ID: value is empty");
  return `/networks/${encodeURIComponent(trimmed)}${rest}`;
}
