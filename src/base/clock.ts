/**
 * Wall-clock time in nanoseconds, as Docker shows it: RFC 3339, UTC, up to nine decimals.
 */
const MILLI = 1_000_000n;
const SECOND = 1_000_000_000n;
const DRIFT = 2n * MILLI;

/** Docker's "never". */
export const ZERO_TIME = "0001-01-01T00:00:00Z";

let wall = 0n;
let mono = 0n;

/** Unix nanoseconds. Finer than Date.now, follows a clock that was set, and does not repeat between two calls. */
export function nowNanos(): bigint {
  const ticks = process.hrtime.bigint();
  const coarse = BigInt(Date.now()) * MILLI;
  const fine = wall + (ticks - mono);
  const off = fine - coarse;
  if (off >= -DRIFT && off <= DRIFT) return fine;
  wall = coarse;
  mono = ticks;
  return coarse;
}

/** "2026-01-01T00:00:00.1234Z": as Go's RFC3339Nano, without trailing zeros. */
export function formatTime(nanos: bigint): string {
  const fraction = fixedFraction(nanos).replace(/0+$/, "");
  return seconds(nanos) + (fraction === "" ? "Z" : `.${fraction}Z`);
}

/** "2026-01-01T00:00:00.123400000Z": always nine decimals, as logs are printed. */
export function formatTimeFixed(nanos: bigint): string {
  return `${seconds(nanos)}.${fixedFraction(nanos)}Z`;
}

/** Unix nanoseconds of an RFC 3339 time; undefined when it is not one. */
export function parseTime(text: string): bigint | undefined {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)$/.exec(text);
  if (match === null) return undefined;
  const millis = Date.parse(match[1]! + match[3]!);
  if (Number.isNaN(millis)) return undefined;
  return BigInt(millis) * MILLI + BigInt((match[2] ?? "").padEnd(9, "0"));
}

const floorSeconds = (nanos: bigint) => (nanos - (((nanos % SECOND) + SECOND) % SECOND)) / SECOND;
const seconds = (nanos: bigint) => new Date(Number(floorSeconds(nanos)) * 1000).toISOString().slice(0, 19);
const fixedFraction = (nanos: bigint) => String(((nanos % SECOND) + SECOND) % SECOND).padStart(9, "0");
