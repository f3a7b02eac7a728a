/** How the Dockerfile's language takes a line apart before anything is expanded: spaces, quoted words, flags. */
import type { Escape } from "./dockerfile.ts";

/** Unicode's spaces, as Go counts them. */
export function isSpace(character: string): boolean {
  const code = character.charCodeAt(0);
  if (code <= 0x20) return code === 0x20 || (code >= 0x09 && code <= 0x0d);
  return code >= 0x85 && (code === 0x85 || code === 0xa0 || code === 0x1680 || (code >= 0x2000 && code <= 0x200a) || [0x2028, 0x2029, 0x202f, 0x205f, 0x3000].includes(code));
}

/** "a  b c" → ["a", "b  c"…]: split at runs of blanks, at most `limit` parts. A blank at either end makes an empty part. */
export function splitBlanks(text: string, limit = Number.POSITIVE_INFINITY): string[] {
  const parts: string[] = [];
  let start = 0;
  for (let at = 0; at < text.length && parts.length < limit - 1; at += 1) {
    if (!isBlank(text, at)) continue;
    parts.push(text.slice(start, at));
    while (at + 1 < text.length && isBlank(text, at + 1)) at += 1;
    start = at + 1;
  }
  parts.push(text.slice(start));
  return parts;
}

/** Words as they are written, with their quotes and escapes, which expandWord takes away later. */
export function quotedWords(text: string, escape: Escape): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = "";
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at]!;
    if (quote === "" && isSpace(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
      continue;
    }
    if (character === escape && quote !== "'") {
      // An escape at the very end of the line is dropped.
      if (at + 1 === text.length) break;
      at += 1;
      word = (word ?? "") + character + text[at]!;
      continue;
    }
    if (quote === "" && (character === "'" || character === '"')) quote = character;
    else if (character === quote) quote = "";
    word = (word ?? "") + character;
  }
  if (word !== undefined) words.push(word);
  return words;
}

/** The words that begin with --, without their quotes and escapes, and where the rest begins. "--" alone ends them. */
export function leadingFlags(text: string, escape: Escape): { readonly flags: readonly string[]; readonly rest: string } {
  const flags: string[] = [];
  let at = 0;
  for (;;) {
    while (at < text.length && isSpace(text[at]!)) at += 1;
    if (!text.startsWith("--", at)) return { flags, rest: text.slice(at) };
    const { word, end } = flagAt(text, at, escape);
    at = end;
    if (word === "--") return { flags, rest: text.slice(at) };
    flags.push(word);
  }
}

function flagAt(text: string, start: number, escape: Escape): { word: string; end: number } {
  let word = "";
  let quote = "";
  let at = start;
  for (; at < text.length; at += 1) {
    const character = text[at]!;
    if (quote === "" && isSpace(character)) break;
    if (character === quote) quote = "";
    else if (quote === "" && (character === "'" || character === '"')) quote = character;
    else if (character !== escape) word += character;
    else if (at + 1 < text.length) word += text[(at += 1)];
  }
  return { word, end: at };
}

function isBlank(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code === 0x20 || code === 0x09 || (code >= 0x0b && code <= 0x0d);
}
