/** Names of containers: what one may be, and what one is called that was given none. */
import { randomInt } from "node:crypto";
import { fail } from "#base/errors.ts";
import { ADJECTIVES, SURNAMES } from "./words.ts";

const PATTERN = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

/** The name without its slash. @throws invalid */
export function parseName(text: string): string {
  const name = text.startsWith("/") ? text.slice(1) : text;
  if (!PATTERN.test(name)) throw fail("invalid", `Invalid container name (${text}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`);
  return name;
}

/** A name that `isFree` agrees with: "quiet_harbour", and with a number when luck is out. */
export function generateName(isFree: (name: string) => boolean): string {
  for (let attempt = 0; ; attempt++) {
    const name = `${pick(ADJECTIVES)}_${pick(SURNAMES)}${attempt < 6 ? "" : randomInt(10 ** Math.min(attempt - 4, 9))}`;
    if (isFree(name)) return name;
  }
}

const pick = (words: readonly string[]) => words[randomInt(words.length)]!;
