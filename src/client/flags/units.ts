/** Numbers with units, as Docker's users write them. Errors are the texts they know. */
import { fail } from "#base/errors.ts";

/** A whole number; `base: 0` also takes 0x, 0o, 0b and a leading 0 for octal. */
export function parseInteger(
  value: string,
  options: { base?: 0 | 10; unsigned?: boolean; bits?: number } = {},
): number {
  const { base = 10, unsigned = false, bits = 64 } = options;
  const wrong = (what: string) =>
    fail("invalid", `strconv.Parse${unsigned ? "Uint" : "Int"}: parsing ${JSON.stringify(value)}: ${what}`);
  const match = /^([+-]?)(0x[0-9a-f]+|0o?[0-7]+|0b[01]+|\d+)$/i.exec(base === 0 ? withoutUnderscores(value) : value);
  if (match === null || (unsigned && match[1] !== "")) throw wrong("invalid syntax");
  let digits = match[2]!;
  if (base === 10) {
    if (!/^\d+$/.test(digits)) throw wrong("invalid syntax");
  } else if (/^0[0-7]+$/.test(digits)) digits = `0o${digits.slice(1)}`;
  else if (/^0\d/.test(digits)) throw wrong("invalid syntax");
  let number = BigInt(base === 10 ? digits.replace(/^0+(?=\d)/, "") : digits);
  if (match[1] === "-") number = -number;
  const top = 1n << BigInt(unsigned ? bits : bits - 1);
  if (number >= top || number < (unsigned ? 0n : -top)) throw wrong("value out of range");
  return Number(number);
}

/** "1_000": underscores between digits. */
function withoutUnderscores(value: string): string {
  return /(^|\D)_|_($|_)/.test(value.replace(/^[+-]?0[xob]_/i, "0x0")) ? value : value.replaceAll("_", "");
}

const SIZES: Readonly<Record<string, number>> = { "": 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4, p: 1024 ** 5 };

/** "1.5g", "64MiB", "100b": bytes, in powers of 1024. */
export function parseSize(value: string): number {
  const invalid = () => fail("invalid", `invalid size: '${value}'`);
  const end = Math.max(...[..."0123456789. "].map((character) => value.lastIndexOf(character))) + 1;
  if (end === 0) throw invalid();
  const number = value[end - 1] === " " ? value.slice(0, end - 1) : value.slice(0, end);
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(number)) {
    throw fail("invalid", `strconv.ParseFloat: parsing ${JSON.stringify(number)}: invalid syntax`);
  }
  if (Number(number) < 0) throw invalid();
  const unit = /^(?:b|([kmgtp])(?:i?b)?)?$/i.exec(value.slice(end));
  if (unit === null) throw fail("invalid", `invalid suffix: '${value.slice(end)}'`);
  return Math.trunc(Number(number) * SIZES[(unit[1] ?? "").toLowerCase()]!);
}

/** "1.5" → 1_500_000_000; also "1/2". */
export function parseCpus(value: string): number {
  const match = /^([+-]?)(\d+)?(?:\.(\d*))?(?:e([+-]?\d{1,3}))?$|^([+-]?\d+)\/(\d+)$/i.exec(value);
  if (match === null || value === "" || (match[5] === undefined && match[2] === undefined && !match[3])) {
    throw fail("invalid", `failed to parse ${value} as a rational number`);
  }
  const tooPrecise = () => fail("invalid", "value is too precise");
  if (match[5] !== undefined) {
    const below = BigInt(match[6]!);
    if (below === 0n) throw fail("invalid", `failed to parse ${value} as a rational number`);
    const above = BigInt(match[5]) * 1_000_000_000n;
    if (above % below !== 0n) throw tooPrecise();
    return Number(above / below);
  }
  const fraction = match[3] ?? "";
  const shift = 9 - fraction.length + Number(match[4] ?? "0");
  let digits = BigInt((match[2] ?? "") + fraction);
  if (shift >= 0) digits *= 10n ** BigInt(shift);
  else {
    const divisor = 10n ** BigInt(-shift);
    if (digits % divisor !== 0n) throw tooPrecise();
    digits /= divisor;
  }
  return Number(match[1] === "-" ? -digits : digits);
}

const NANOSECONDS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/** "1h30m", "-1.5s", "0": nanoseconds. */
export function parseDuration(value: string): number {
  const invalid = () => fail("invalid", `time: invalid duration ${JSON.stringify(value)}`);
  const sign = value[0] === "-" ? -1 : 1;
  const body = /^[+-]/.test(value) ? value.slice(1) : value;
  if (body === "0") return 0;
  if (body === "") throw invalid();
  let total = 0;
  let rest = body;
  while (rest !== "") {
    const match = /^(\d+(?:\.\d*)?|\.\d+)([^\d.]*)/.exec(rest);
    if (match === null) throw invalid();
    const unit = match[2]!;
    if (unit === "") throw fail("invalid", `time: missing unit in duration ${JSON.stringify(value)}`);
    const scale = Object.hasOwn(NANOSECONDS, unit) ? NANOSECONDS[unit]! : undefined;
    if (scale === undefined) {
      throw fail("invalid", `time: unknown unit ${JSON.stringify(unit)} in duration ${JSON.stringify(value)}`);
    }
    total += Math.trunc(Number(match[1]) * scale);
    rest = rest.slice(match[0].length);
  }
  return sign * total;
}
