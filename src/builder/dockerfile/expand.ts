/**
 * Words as a shell would understand them: quotes, escapes, $name and ${name…} with its modifiers. Bounded: a word nests
 * at most MAX_NESTING deep and results in at most MAX_EXPANSION characters, whatever the variables hold.
 *
 *     expandWord('"$a"/${b:-c}', { lookup, escape })            // one string
 *     splitWords("$list x", { lookup, escape })                 // words; what an unquoted variable holds is split, too
 */
import { fail } from "#base/errors.ts";
import { MAX_EXPANSION } from "./dockerfile.ts";
import type { Escape } from "./dockerfile.ts";
import { replace, trimPrefix, trimSuffix } from "./pattern.ts";
import { isSpace } from "./words.ts";

export type Expansion = {
  /** Undefined: not set. */
  readonly lookup: (name: string) => string | undefined;
  readonly escape: Escape;
  /** What is not set stays as it is written. */
  readonly keepUnset?: boolean;
  /** "keep": taken account of, and left in the result; "ignore": characters like others. */
  readonly quotes?: "remove" | "keep" | "ignore";
  readonly keepEscapes?: boolean;
  /** Shared by all expansions of a Dockerfile; without it each has its own. */
  readonly work?: PatternWork;
};

/** What patterns may still be matched with: characters of values times those of patterns. About a second. */
export type PatternWork = { left: number };

export const openWork = (): PatternWork => ({ left: 2 ** 24 });

const MAX_NESTING = 100;

/** @throws invalid: a quote or brace without its end, a modifier that there is not, or what ${name:?message} says */
export function expandWord(text: string, expansion: Expansion): string {
  return expand(text, expansion, false).text;
}

/** Words, split at spaces that are neither quoted nor escaped. An empty quoted word is none, as Docker has it. */
export function splitWords(text: string, expansion: Expansion): string[] {
  return expand(text, expansion, true).words;
}

type Reading = { readonly characters: readonly string[]; at: number; depth: number; readonly how: Expansion & { readonly work: PatternWork } };
type Expanded = { readonly text: string; readonly words: string[] };

function expand(text: string, how: Expansion, split: boolean): Expanded {
  // Nearly every word: nothing in it means anything.
  if (how.quotes === undefined && !/[\\`$'"\s<\u0085]/.test(text)) return { text, words: text === "" ? [] : [text] };
  try {
    return until("", { characters: Array.from(text), at: 0, depth: 0, how: { ...how, work: how.work ?? openWork() } }, { keepEscapes: how.keepEscapes ?? false, split });
  } catch (error) {
    throw fail("invalid", `failed to process ${quoted(text)}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

/** Up to the character `stop`, which is taken as well; "": to the end. Without `split` there are no words. */
function until(stop: string, reading: Reading, { keepEscapes, split }: { readonly keepEscapes: boolean; readonly split: boolean }): Expanded {
  const { characters, how } = reading;
  let text = "";
  const words = openWords(split);
  while (reading.at < characters.length) {
    const character = characters[reading.at]!;
    if (character === stop) {
      reading.at += 1;
      return { text, words: words.finish() };
    }
    if (character === "$") {
      const value = dollar(reading);
      text += value;
      words.split(value);
    } else if ((character === "'" || character === '"') && how.quotes !== "ignore") {
      const value = character === "'" ? singleQuoted(reading) : doubleQuoted(reading, keepEscapes);
      text += value;
      words.add(value);
    } else if (character === "<" && characters[reading.at + 1] === "<") {
      const value = heredocSign(reading);
      text += value;
      words.add(value);
    } else if (character === how.escape) {
      const next = characters[reading.at + 1];
      const value = (keepEscapes ? character : "") + (next ?? "");
      reading.at += 2;
      text += value;
      if (value !== "") words.add(value);
    } else {
      reading.at += 1;
      text += character;
      words.split(character);
    }
    if (text.length > MAX_EXPANSION) throw tooLong();
  }
  if (stop !== "") throw fail("invalid", `unexpected end of statement while looking for matching ${stop}`);
  return { text, words: words.finish() };
}

function openWords(split: boolean): { add: (text: string) => void; split: (text: string) => void; finish: () => string[] } {
  const words: string[] = [];
  let word = "";
  const end = (): void => {
    if (word !== "") words.push(word);
    word = "";
  };
  return {
    add: (text) => void (split && (word += text)),
    split: (text) => {
      if (!split || text.length > MAX_EXPANSION) return;
      for (const character of text) {
        if (isSpace(character)) end();
        else word += character;
      }
    },
    finish: () => {
      end();
      return words;
    },
  };
}

function singleQuoted(reading: Reading): string {
  const end = reading.characters.indexOf("'", reading.at + 1);
  if (end === -1) {
    reading.at = reading.characters.length;
    throw fail("invalid", "unexpected end of statement while looking for matching single-quote");
  }
  const inside = reading.characters.slice(reading.at + 1, end).join("");
  reading.at = end + 1;
  return reading.how.quotes === "keep" ? `'${inside}'` : inside;
}

function doubleQuoted(reading: Reading, keepEscapes: boolean): string {
  const { characters, how } = reading;
  const quote = how.quotes === "keep" ? '"' : "";
  let text = quote;
  reading.at += 1;
  while (reading.at < characters.length) {
    const character = characters[reading.at]!;
    const next = characters[reading.at + 1];
    if (character === '"') {
      reading.at += 1;
      return text + quote;
    }
    if (character === "$") text += dollar(reading);
    else if (character !== how.escape) {
      text += character;
      reading.at += 1;
    } else if (next === '"' || next === "$" || next === how.escape) {
      text += (keepEscapes ? character : "") + next;
      reading.at += 2;
    } else {
      if (next !== undefined) text += (keepEscapes ? character : "") + character;
      reading.at += 1;
    }
    if (text.length > MAX_EXPANSION) throw tooLong();
  }
  throw fail("invalid", "unexpected end of statement while looking for matching double-quote");
}

/** "<<" and blanks after it, which do not end the word: "<< EOF" is one. */
function heredocSign(reading: Reading): string {
  let sign = "<<";
  reading.at += 2;
  for (let next = reading.characters[reading.at]; next === " " || next === "\t" || next === "\r"; next = reading.characters[reading.at]) {
    sign += next;
    reading.at += 1;
  }
  return sign;
}

function dollar(reading: Reading): string {
  const { characters, how } = reading;
  reading.at += 1;
  if (characters[reading.at] !== "{") {
    const name = variableName(reading);
    if (name === "") return "$";
    return how.lookup(name) ?? (how.keepUnset === true ? `$${name}` : "");
  }
  reading.at += 1;
  const first = characters[reading.at];
  if (first === undefined) throw missing("}");
  if (first === "{" || first === "}" || first === ":") throw fail("invalid", "syntax error: bad substitution");
  if ((reading.depth += 1) > MAX_NESTING) throw fail("invalid", `substitutions are nested more than ${MAX_NESTING} deep`);
  const value = braced(variableName(reading), reading);
  reading.depth -= 1;
  return value;
}

/** What follows the name in ${name…}. */
function braced(name: string, reading: Reading): string {
  const { characters, how } = reading;
  const colon = characters[reading.at] === ":" ? ":" : "";
  if (colon !== "") reading.at += 1;
  const modifier = characters[reading.at];
  if (modifier === undefined) throw missing("}");
  reading.at += 1;
  const value = how.lookup(name);
  const unset = how.keepUnset === true && value === undefined;
  if (colon === "" && modifier === "}") return unset ? `\${${name}}` : (value ?? "");
  if (colon === "" && modifier === "/") return replaced(name, value, reading);
  const isTrim = modifier === "#" || modifier === "%";
  const unsupported = (): Error => fail("invalid", `unsupported modifier (${colon}${modifier}) in substitution`);
  if (colon === "" ? !"+-?#%".includes(modifier) : isTrim) throw unsupported();
  const word = within("}", "}", reading, isTrim);
  if (unset) return `\${${name}${colon}${modifier}${word}}`;
  if (!"+-?#%".includes(modifier)) throw unsupported();
  if (isTrim) return trimmed(value ?? "", modifier, word, how.work);
  return chosen(name, value, { modifier, colon, word });
}

function chosen(name: string, value: string | undefined, { modifier, colon, word }: { modifier: string; colon: string; word: string }): string {
  const absent = value === undefined || (colon !== "" && value === "");
  if (modifier === "-") return absent ? word : value;
  if (modifier === "+") return absent ? "" : word;
  if (!absent) return value;
  const said = value === undefined ? "is not allowed to be unset" : "is not allowed to be empty";
  throw fail("invalid", `${name}: ${word === "" ? said : word}`);
}

function trimmed(value: string, modifier: string, word: string, work: PatternWork): string {
  spend(work, value, word);
  const greedy = word.startsWith(modifier);
  const pattern = greedy ? word.slice(1) : word;
  return modifier === "#" ? trimPrefix(value, pattern, { greedy }) : trimSuffix(value, pattern, { greedy });
}

/** ${name/pattern/replacement}, ${name//pattern/replacement} */
function replaced(name: string, value: string | undefined, reading: Reading): string {
  const all = reading.characters[reading.at] === "/";
  if (all) reading.at += 1;
  const pattern = within("/", "/' in ${}", reading, true);
  const replacement = within("}", "}", reading, true);
  if (value === undefined && reading.how.keepUnset === true) return `\${${name}/${pattern}/${replacement}}`;
  spend(reading.how.work, value ?? "", pattern);
  const result = replace(value ?? "", pattern, replacement, { all });
  if (result === undefined) throw tooLong();
  return result;
}

function spend(work: PatternWork, value: string, pattern: string): void {
  work.left -= (value.length + 1) * (pattern.length + 1);
  if (work.left < 0) throw fail("invalid", "patterns in substitutions are matched with too much: what they are matched with times their length is more than 16 million characters in all");
}

function within(stop: string, expected: string, reading: Reading, keepEscapes: boolean): string {
  try {
    return until(stop, reading, { keepEscapes, split: false }).text;
  } catch (error) {
    if (reading.at >= reading.characters.length) throw missing(expected);
    throw error;
  }
}

/** Letters, digits and _; a number; or one of the shell's special parameters. */
function variableName(reading: Reading): string {
  const { characters } = reading;
  const first = characters[reading.at] ?? "";
  if ("@*#?-$!".includes(first) && first !== "") {
    reading.at += 1;
    return first;
  }
  const wanted = isDigit(first) ? isDigit : isLetterOrDigit;
  let name = "";
  for (let next = first; next !== "" && wanted(next); next = characters[reading.at] ?? "") {
    name += next;
    reading.at += 1;
  }
  return name;
}

function isDigit(character: string): boolean {
  return character <= "\x7f" ? character >= "0" && character <= "9" : /^\p{Nd}$/u.test(character);
}

function isLetterOrDigit(character: string): boolean {
  if (character > "\x7f") return /^[\p{L}\p{Nd}_]$/u.test(character);
  return (character >= "a" && character <= "z") || (character >= "A" && character <= "Z") || character === "_" || isDigit(character);
}

function missing(what: string): Error {
  return fail("invalid", `syntax error: missing '${what}${what === "}" ? "'" : ""}`);
}

function tooLong(): Error {
  return fail("invalid", `the result of an expansion has more than ${MAX_EXPANSION} characters`);
}

/** As Go's %q. */
function quoted(text: string): string {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);
}
