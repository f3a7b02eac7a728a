import { fail } from "#base/errors.ts";
import { parseInteger } from "../flags/units.ts";

export type Ulimit = { readonly Name: string; readonly Hard: number; readonly Soft: number };

const NAMES = new Set("core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack".split(" "));

/** "nofile=1024:2048": soft and hard; one number stands for both, -1 is unlimited. */
export function parseUlimit(value: string): Ulimit {
  const equals = value.indexOf("=");
  if (equals < 0) throw fail("invalid", `invalid ulimit argument: ${value}`);
  const name = value.slice(0, equals);
  if (!NAMES.has(name)) throw fail("invalid", `invalid ulimit type: ${name}`);
  const limits = value.slice(equals + 1).split(":");
  if (limits.length > 2) {
    throw fail("invalid", `too many limit value arguments - ${value.slice(equals + 1)}, can only have up to two, \`soft[:hard]\``);
  }
  const soft = parseInteger(limits[0]!);
  const hard = limits[1] === undefined ? soft : parseInteger(limits[1]);
  if (hard !== -1 && (soft === -1 || soft > hard)) {
    const limits = soft === -1 ? `soft: -1 (unlimited), hard: ${hard}` : `${soft} > ${hard}`;
    throw fail("invalid", `ulimit soft limit must be less than or equal to hard limit: ${limits}`);
  }
  return { Name: name, Hard: hard, Soft: soft };
}
