/** API versions. All are "1.N": inside the API a version is its N. */
import { fail } from "#base/errors.ts";

export const NEWEST = 56;
export const OLDEST = 24;

export type Versioned = { readonly version: number; readonly path: string };

/** Splits "/v1.44/containers/json" into 44 and "/containers/json". A path without version speaks the newest. */
export function splitVersion(path: string): Versioned {
  const match = /^\/v([0-9.]+)(\/.*)$/s.exec(path);
  if (match === null) return { version: NEWEST, path };
  return { version: parseVersion(match[1]!), path: match[2]! };
}

function parseVersion(text: string): number {
  const [major = 0, minor = 0, ...rest] = text.split(".").map(Number);
  const beyond = rest.some((part) => part > 0);
  if (major < 1 || (major === 1 && minor < OLDEST)) {
    throw fail("invalid", `client version ${text} is too old. Minimum supported API version is 1.${OLDEST}, please upgrade your client to a newer version`);
  }
  if (major > 1 || minor > NEWEST || (minor === NEWEST && beyond)) {
    throw fail("invalid", `client version ${text} is too new. Maximum supported API version is 1.${NEWEST}`);
  }
  return minor;
}
