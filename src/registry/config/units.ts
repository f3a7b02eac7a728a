import { fail } from "#base/errors.ts";

const SECONDS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400, w: 7 * 86_400 };

/** "90s", "12h", "30d", "1h30m", in milliseconds. @throws invalid */
export function parseDuration(text: string, what: string): number {
  const parts = [...text.matchAll(/(\d{1,9})(ms|[smhdw])/g)];
  if (parts.length === 0 || parts.map(([part]) => part).join("") !== text) throw fail("invalid", `${what}: ${JSON.stringify(text)} is no duration (90s, 12h, 30d)`);
  return Math.round(parts.reduce((sum, [, number, unit]) => sum + Number(number) * SECONDS[unit!]! * 1000, 0));
}

const POWERS = ["", "k", "m", "g", "t", "p"];

/** "500MB", "10GiB", "1000": bytes; KB and KiB are both 1024, as in Docker. @throws invalid */
export function parseSize(text: string, what: string): number {
  const match = /^(\d{1,15}(?:\.\d{1,3})?) ?([kmgtp]?)(?:i?b)?$/i.exec(text);
  if (match === null) throw fail("invalid", `${what}: ${JSON.stringify(text)} is no size (500MB, 10GB)`);
  return Math.floor(Number(match[1]) * 1024 ** POWERS.indexOf(match[2]!.toLowerCase()));
}
