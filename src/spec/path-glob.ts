/**
 * One pattern of an ignore file: `*` and `?` within a part of the path, `**` over parts, classes, `\`. Most paths are told
 * apart by what stands before the first wildcard and after the last one; for the others every token is tried on every
 * character once, so that no pattern takes longer than its length times the path's.
 */
import { fail } from "#base/errors.ts";

export type Glob = {
  matches(path: string): boolean;
  /** Something in the directory might match that does not match as the directory itself does. */
  mayMatchIn(directory: string): boolean;
};

type Token =
  | { readonly kind: "is"; readonly character: string }
  /** Any characters of a part; one of them; any characters at all; nothing, or parts with the slash after them. */
  | { readonly kind: "star" | "one" | "rest" | "parts" }
  | { readonly kind: "class"; readonly negated: boolean; readonly ranges: readonly (readonly [string, string])[] };

/** @throws invalid */
export function compileGlob(pattern: string): Glob {
  const tokens = tokensOf(Array.from(pattern), pattern);
  const isLiteral = tokens.every(({ kind }) => kind === "is");
  const before = literal(tokens).join("");
  return {
    matches: matcher(tokens, pattern),
    mayMatchIn: (directory) => {
      const inside = `${directory}/`;
      return before.startsWith(inside) || (!isLiteral && inside.startsWith(before));
    },
  };
}

function matcher(tokens: readonly Token[], pattern: string): (path: string) => boolean {
  const start = literal(tokens);
  const end = literal(tokens.toReversed()).toReversed();
  const [before, after] = [start.join(""), end.join("")];
  if (start.length === tokens.length) return (path) => path === before;
  if (tokens.at(-1)!.kind === "rest" && start.length === tokens.length - 1) return (path) => path.startsWith(before);
  if (tokens[0]!.kind === "parts" && end.length === tokens.length - 1 && !pattern.includes("\\")) {
    // "**name" is any end of a path, "**/name" one of whole parts.
    return pattern.startsWith("**/") ? (path) => path === after || path.endsWith(`/${after}`) : (path) => path.endsWith(after);
  }
  return (path) => path.startsWith(before) && path.endsWith(after) && matchesAll(tokens, Array.from(path));
}

/** Whether the tokens match the whole path: from the last token to the first, for every place in the path at once. */
function matchesAll(tokens: readonly Token[], path: readonly string[]): boolean {
  let reached = new Uint8Array(path.length + 1);
  reached[path.length] = 1;
  for (const token of tokens.toReversed()) reached = step(token, path, reached);
  return reached[0] === 1;
}

function step(token: Token, path: readonly string[], after: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const before = new Uint8Array(path.length + 1);
  if (token.kind === "is" || token.kind === "one" || token.kind === "class") {
    for (let at = 0; at < path.length; at += 1) if (after[at + 1] === 1 && isMatch(token, path[at]!)) before[at] = 1;
    return before;
  }
  let behindSlash = false;
  for (let at = path.length; at >= 0; at -= 1) {
    if (token.kind === "star") before[at] = after[at] === 1 || (at < path.length && path[at] !== "/" && before[at + 1] === 1) ? 1 : 0;
    else if (token.kind === "rest") before[at] = after[at] === 1 || (at < path.length && before[at + 1] === 1) ? 1 : 0;
    else {
      behindSlash ||= path[at] === "/" && after[at + 1] === 1;
      before[at] = after[at] === 1 || behindSlash ? 1 : 0;
    }
  }
  return before;
}

function isMatch(token: Token, character: string): boolean {
  if (token.kind === "is") return character === token.character;
  if (token.kind === "class") return token.ranges.some(([low, high]) => character >= low && character <= high) !== token.negated;
  return character !== "/";
}

/** The characters before the first wildcard. */
function literal(tokens: readonly Token[]): string[] {
  const characters: string[] = [];
  for (const token of tokens) {
    if (token.kind !== "is") break;
    characters.push(token.character);
  }
  return characters;
}

function tokensOf(characters: readonly string[], pattern: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < characters.length; at += 1) {
    const character = characters[at]!;
    if (character === "*" && characters[at + 1] === "*") {
      at += 1;
      // "**/" is "**".
      if (characters[at + 1] === "/") at += 1;
      tokens.push({ kind: at + 1 === characters.length ? "rest" : "parts" });
    } else if (character === "*") tokens.push({ kind: "star" });
    else if (character === "?") tokens.push({ kind: "one" });
    else if (character === "[") {
      const found = classAt(characters, at, pattern);
      tokens.push(found.token);
      at = found.end;
    } else if (character === "\\") {
      if (at + 1 === characters.length) throw wrong(pattern);
      tokens.push({ kind: "is", character: characters[(at += 1)]! });
    } else tokens.push({ kind: "is", character });
  }
  return tokens;
}

/** "[a-z^]" from its bracket on. */
function classAt(characters: readonly string[], start: number, pattern: string): { token: Token; end: number } {
  let at = start + 1;
  const negated = characters[at] === "^";
  if (negated) at += 1;
  const ranges: (readonly [string, string])[] = [];
  const one = (): string => {
    if (characters[at] === "-" || characters[at] === "]") throw wrong(pattern);
    if (characters[at] === "\\") at += 1;
    const character = characters[at];
    if (character === undefined) throw wrong(pattern);
    at += 1;
    return character;
  };
  while (characters[at] !== "]" || ranges.length === 0) {
    const low = one();
    if (characters[at] !== "-") {
      ranges.push([low, low]);
      continue;
    }
    at += 1;
    ranges.push([low, one()]);
  }
  return { token: { kind: "class", negated, ranges }, end: at };
}

function wrong(pattern: string): Error {
  return fail("invalid", `syntax error in pattern: ${pattern}`);
}
