/**
 * The shell's patterns of ${name#pattern} and ${name/pattern/…}: `*`, `?`, `\` before either. No regular expression: one
 * row of numbers for each token of the pattern, so that the work is the product of both lengths, and bounded.
 */
import { fail } from "#base/errors.ts";
import { MAX_EXPANSION } from "./dockerfile.ts";

/** Characters of the value times tokens of the pattern. */
const MAX_WORK = 2 ** 24;

type Token = { readonly kind: "any" | "one" } | { readonly kind: "is"; readonly character: string };

export function trimPrefix(value: string, pattern: string, { greedy }: { readonly greedy: boolean }): string {
  const characters = Array.from(value);
  const end = ends(characters, tokensOf(pattern), greedy)[0]!;
  return end === -1 ? value : characters.slice(end).join("");
}

export function trimSuffix(value: string, pattern: string, { greedy }: { readonly greedy: boolean }): string {
  const characters = Array.from(value).reverse();
  const end = ends(characters, tokensOf(pattern).reverse(), greedy)[0]!;
  return end === -1 ? value : characters.slice(end).reverse().join("");
}

/** The leftmost match, or each, the longest there is. Undefined: the result would be too long. */
export function replace(value: string, pattern: string, replacement: string, { all }: { readonly all: boolean }): string | undefined {
  const characters = Array.from(value);
  const end = ends(characters, tokensOf(pattern), true);
  let result = "";
  let last = -1;
  for (let at = 0; at <= characters.length; ) {
    const stop = all || last === -1 ? end[at]! : -1;
    // An empty match right behind another one is none.
    const matches = stop > at || (stop === at && last !== at);
    if (matches) {
      result += replacement;
      last = stop;
      if (result.length > MAX_EXPANSION) return undefined;
    }
    if (matches && stop > at) at = stop;
    else result += characters[at++] ?? "";
  }
  return result.length > MAX_EXPANSION ? undefined : result;
}

/** For each start: where the longest (greedy) or shortest match of the tokens ends, -1 if there is none. */
function ends(characters: readonly string[], tokens: readonly Token[], greedy: boolean): Int32Array {
  if ((characters.length + 1) * (tokens.length + 1) > MAX_WORK) throw fail("invalid", "a pattern in a substitution is too long for the value it is matched with");
  const end = Int32Array.from({ length: characters.length + 1 }, (_, at) => at);
  for (const token of tokens.toReversed()) {
    if (token.kind === "any") {
      for (let at = characters.length - 1; at >= 0; at -= 1) {
        const further = characters[at] === "\n" ? -1 : end[at + 1]!;
        if (further !== -1 && (greedy || end[at] === -1)) end[at] = further;
      }
    } else {
      for (let at = 0; at < characters.length; at += 1) end[at] = isMatch(token, characters[at]!) ? end[at + 1]! : -1;
      end[characters.length] = -1;
    }
  }
  return end;
}

function isMatch(token: Token, character: string): boolean {
  return token.kind === "is" ? token.character === character : character !== "\n";
}

function tokensOf(pattern: string): Token[] {
  const tokens: Token[] = [];
  const characters = Array.from(pattern);
  for (let at = 0; at < characters.length; at += 1) {
    const character = characters[at]!;
    const next = characters[at + 1];
    if (character === "*") {
      if (tokens.at(-1)?.kind !== "any") tokens.push({ kind: "any" });
    } else if (character === "?") tokens.push({ kind: "one" });
    else if (character !== "\\") tokens.push({ kind: "is", character });
    else if (next === "*" || next === "?" || next === "\\") tokens.push({ kind: "is", character: characters[(at += 1)]! });
    // } and / are escaped for the sake of ${}: the escape is no part of the pattern.
    else if (next !== "}" && next !== "/") throw fail("invalid", `invalid pattern (${pattern}) in substitution: invalid escape '\\${next ?? ""}'`);
  }
  return tokens;
}
