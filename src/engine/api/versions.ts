/** API versions. All are "1.N": inside the API a version is its N. */
import { fail } from "#base/errors.ts";

export const NEWEST = 56;
export const OLDEST = 24;

/** The version in the path as it was written; undefined: the newest. */
export type Versioned = { readonly version: string | undefined; readonly path: string };

/** Splits "/v1.44/containers/json" into "1.44" and "/containers/json". */
export function splitVersion(path: string): Versioned {
  const match = /^\/v([0-9.]+)(\/.*)$/s.exec(path);
  return match === null ? { version: undefined, path } : { version: match[1]!, path: match[2]! };
}

/** The N of "1.N". What is below the oldest or above the newest is refused with Docker's texts. */
export function parseVersion(text: string | undefined): number {
  if (text === undefined) return NEWEST;
  const [major = 0, minor = 0, ...rest] = text.split(".").map(Number);
  if (major < 1 || (major === 1 && minor < OLDEST)) {
    throw fail("invalid", `client version ${text} is too old. Minimum supported API version is 1.${OLDEST}, please upgrade your client to a newer version`);
  }
  if (major > 1 || minor > NEWEST || (minor === NEWEST && rest.some((part) => part > 0))) {
    throw fail("invalid", `client version ${text} is too new. Maximum supported API version is 1.${NEWEST}`);
  }
  return minor;
}

/**
 * docker-compose 1 takes the newest version that an engine offers, and knows what was in 1.41: `id` of an event, the
 * configuration of the container that an image came from. It is answered as it expects.
 */
export function versionKnownTo(agent: string | undefined): number {
  return agent?.startsWith("docker-compose/1.") === true ? 41 : NEWEST;
}
