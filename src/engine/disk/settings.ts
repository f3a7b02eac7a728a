/** The rules of image collection: daemon.json's "image-gc", and the flags of `gantry image gc`. */
import { fail } from "#base/errors.ts";

/** Part of the disk ("85%") or bytes that are used ("200GB"). */
export type Mark = { readonly kind: "percent"; readonly value: number } | { readonly kind: "bytes"; readonly value: number };

export type GcSettings = {
  /** Above it images go, until the disk is at `low`. Undefined: no watermark. */
  readonly high: Mark | undefined;
  readonly low: Mark | undefined;
  /** Nanoseconds since the last use after which an image goes; undefined: never for its age. */
  readonly age: bigint | undefined;
  /** An image used less long ago than this stays, whatever the disk says. */
  readonly grace: bigint;
  /** Between rounds; undefined: only by hand. */
  readonly interval: bigint | undefined;
};

/** Nothing goes by itself unless the user says so. */
export const OFF: GcSettings = { high: undefined, low: undefined, age: undefined, grace: 10n * 60n * 1_000_000_000n, interval: undefined };

const KEYS = ["high", "low", "age", "grace", "interval"] as const;
const MINUTE = 60n * 1_000_000_000n;

/** From what was written: `{"high":"85%","low":"75%","age":"720h","interval":"5m"}`. @throws invalid */
export function parseGcSettings(given: Readonly<Record<string, unknown>>): GcSettings {
  const odd = Object.keys(given).find((key) => !(KEYS as readonly string[]).includes(key));
  if (odd !== undefined) throw fail("invalid", `image-gc: unknown key ${JSON.stringify(odd)}; known are ${KEYS.join(", ")}`);
  const text = (key: (typeof KEYS)[number]): string | undefined => {
    const value = given[key];
    if (value === undefined || value === "") return undefined;
    if (typeof value !== "string") throw fail("invalid", `image-gc: ${key} is no text`);
    return value;
  };
  const mark = (key: "high" | "low") => mapped(text(key), (value) => parseMark(key, value));
  const span = (key: "age" | "grace" | "interval") => mapped(text(key), (value) => parseSpan(key, value));
  const [high, low] = [mark("high"), mark("low") ?? mark("high")];
  checkMarks(high, low);
  const interval = span("interval") ?? (high === undefined && span("age") === undefined ? undefined : 5n * MINUTE);
  return { high, low, age: span("age"), grace: span("grace") ?? OFF.grace, interval };
}

function checkMarks(high: Mark | undefined, low: Mark | undefined): void {
  if (high === undefined && low !== undefined) throw fail("invalid", "image-gc: low is given without high");
  if (high === undefined || low === undefined) return;
  if (high.kind !== low.kind) throw fail("invalid", "image-gc: high and low are both parts of the disk, or both bytes");
  if (low.value > high.value) throw fail("invalid", "image-gc: low is above high");
}

const UNITS: Readonly<Record<string, number>> = { b: 1, kb: 1e3, mb: 1e6, gb: 1e9, tb: 1e12, kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30, tib: 2 ** 40, k: 1e3, m: 1e6, g: 1e9, t: 1e12 };

/** "85%", "200GB". */
function parseMark(key: string, text: string): Mark {
  const match = /^(\d{1,15}(?:\.\d{1,3})?) ?(%|[kmgt]?(?:i?b)?)$/i.exec(text);
  if (match === null) throw fail("invalid", `image-gc: ${key}: a part of the disk ("85%") or bytes ("200GB") are expected, not ${JSON.stringify(text)}`);
  const value = Number(match[1]);
  if (match[2] !== "%") return { kind: "bytes", value: value * (UNITS[match[2]!.toLowerCase()] ?? 1) };
  if (value > 100) throw fail("invalid", `image-gc: ${key}: more than 100%`);
  return { kind: "percent", value };
}

const SPANS: Readonly<Record<string, bigint>> = { d: 24n * 60n * MINUTE, h: 60n * MINUTE, m: MINUTE, s: 1_000_000_000n };

/** "30d", "720h", "1h30m". */
function parseSpan(key: string, text: string): bigint {
  if (!/^(\d{1,7}[dhms])+$/.test(text)) throw fail("invalid", `image-gc: ${key}: a span of time ("30d", "12h", "1h30m") is expected, not ${JSON.stringify(text)}`);
  let nanos = 0n;
  for (const [, count, unit] of text.matchAll(/(\d+)([dhms])/g)) nanos += BigInt(count!) * SPANS[unit!]!;
  if (nanos === 0n && key === "interval") throw fail("invalid", "image-gc: interval: more than nothing is expected");
  return nanos;
}

function mapped<T, R>(value: T | undefined, act: (value: T) => R): R | undefined {
  return value === undefined ? undefined : act(value);
}
