import { fail } from "#base/errors.ts";
import { parseDuration } from "../flags/units.ts";

/**
 * A point in time as the API takes it, "SECONDS.NANOSECONDS": from an RFC 3339 time (in the local zone when it names
 * none, and with as much of it as was given), a span that lies back ("42m"), or seconds since 1970.
 */
export function parseMoment(text: string, what?: string, now = Date.now()): string | undefined {
  if (text === "") return undefined;
  const span = trySpan(text);
  if (span !== undefined) {
    const milliseconds = now - span / 1e6;
    return `${Math.floor(milliseconds / 1000)}.${String(Math.floor((milliseconds % 1000) * 1e6)).padStart(9, "0")}`;
  }
  if (/^\d+(\.\d+)?$/.test(text)) return text;
  const match = /^(\d{4}-\d\d-\d\d)(?:T(\d\d)(?::(\d\d))?(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:\d\d)?)?$/.exec(text);
  const [, day, hour = "00", minute = "00", second = "00", fraction = "", zone = ""] = match ?? [];
  const time = match === null ? Number.NaN : Date.parse(`${day}T${hour}:${minute}:${second}${zone}`);
  if (Number.isNaN(time)) {
    const start = what === undefined ? "" : `invalid value for "${what}": `;
    throw fail("invalid", `${start}failed to parse value as time or duration: ${JSON.stringify(text)}`);
  }
  return `${Math.floor(time / 1000)}.${fraction.padEnd(9, "0")}`;
}

function trySpan(text: string): number | undefined {
  try {
    return /[a-zµμ]/.test(text) ? parseDuration(text) : undefined;
  } catch {
    return undefined;
  }
}
