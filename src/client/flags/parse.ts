import { fail, messageOf } from "#base/errors.ts";
import type { Flag, Flags, OptionsOf } from "./flags.ts";

export type Parsed<F extends Flags> = { readonly options: OptionsOf<F>; readonly args: string[]; readonly help: boolean };

/**
 * Reads a command line. Stops at the first argument when `interspersed` is false. `--help` ends the reading, unless
 * the command has a flag of that name.
 */
export function parseFlags<F extends Flags>(flags: F, line: readonly string[], interspersed = true): Parsed<F> {
  const values: Record<string, unknown> = { given: new Set<string>() };
  for (const name of Object.keys(flags)) values[name] = flags[name]!.initial;
  const reading: Reading = { flags, values, line, next: 0, help: false };
  const args: string[] = [];
  while (reading.next < line.length && !reading.help) {
    const word = line[reading.next++]!;
    if (word === "--") {
      args.push(...line.slice(reading.next));
      break;
    }
    if (word.length < 2 || word[0] !== "-") {
      args.push(word);
      if (interspersed) continue;
      args.push(...line.slice(reading.next));
      break;
    }
    if (word[1] === "-") readLong(reading, word);
    else readShort(reading, word);
  }
  return { options: values as OptionsOf<F>, args, help: reading.help };
}

type Reading = {
  readonly flags: Flags;
  readonly values: Record<string, unknown>;
  readonly line: readonly string[];
  next: number;
  help: boolean;
};

function readLong(reading: Reading, word: string): void {
  const equals = word.indexOf("=");
  const name = equals < 0 ? word.slice(2) : word.slice(2, equals);
  if (name === "" || name[0] === "-") throw fail("invalid", `bad flag syntax: ${word}`);
  const flag = own(reading.flags, name);
  if (flag === undefined) {
    if (name === "help") reading.help = true;
    else throw fail("invalid", `unknown flag: --${name}`, { facts: { flag: name } });
    return;
  }
  if (equals >= 0) set(reading, name, flag, word.slice(equals + 1));
  else if (flag.bare !== undefined) set(reading, name, flag, flag.bare);
  else if (reading.next < reading.line.length) set(reading, name, flag, reading.line[reading.next++]!);
  else throw fail("invalid", `flag needs an argument: --${name}`);
}

/** One word of short flags: the first that takes a value takes the rest of the word, or the next word. */
function readShort(reading: Reading, word: string): void {
  for (let at = 1; at < word.length; at++) {
    const letter = word[at]!;
    const name = Object.keys(reading.flags).find((each) => reading.flags[each]!.short === letter);
    if (name === undefined) {
      if (letter === "h" && own(reading.flags, "help") === undefined) {
        reading.help = true;
        return;
      }
      throw fail("invalid", `unknown shorthand flag: '${letter}' in -${word.slice(at)}`, { facts: { flag: letter } });
    }
    const flag = reading.flags[name]!;
    const rest = word.slice(at + 1);
    if (rest.length > 0 && rest[0] === "=") return set(reading, name, flag, rest.slice(1));
    if (flag.bare !== undefined) {
      set(reading, name, flag, flag.bare);
      continue;
    }
    if (rest.length > 0) return set(reading, name, flag, rest);
    if (reading.next < reading.line.length) return set(reading, name, flag, reading.line[reading.next++]!);
    throw fail("invalid", `flag needs an argument: '${letter}' in -${word.slice(at)}`);
  }
}

function set(reading: Reading, name: string, flag: Flag, text: string): void {
  try {
    const target = flag.into ?? name;
    reading.values[target] = flag.parse(text, reading.values[target]);
    (reading.values["given"] as Set<string>).add(target);
  } catch (error) {
    const title = flag.short === undefined ? `--${name}` : `-${flag.short}, --${name}`;
    throw fail("invalid", `invalid argument ${JSON.stringify(text)} for "${title}" flag: ${messageOf(error)}`);
  }
}

/** Own properties only: `--constructor` is not a flag. */
function own(flags: Flags, name: string): Flag | undefined {
  return Object.hasOwn(flags, name) ? flags[name] : undefined;
}
