/**
 * Wildcards of COPY's sources, as Go's filepath.Match has them: `*` and `?` within a part of the path, classes, `\`. No
 * regular expression: the work is at most the product of both lengths.
 */
type Token =
  | { readonly kind: "star" | "one" }
  | { readonly kind: "is"; readonly character: string }
  | { readonly kind: "class"; readonly negated: boolean; readonly ranges: readonly (readonly [string, string])[] };

export type Wildcard = { matches(path: string): boolean };

export function hasWildcards(path: string): boolean {
  for (let at = 0; at < path.length; at++) {
    if (path[at] === "\\") at++;
    else if ("*?[".includes(path[at]!)) return true;
  }
  return false;
}

/** A pattern that is none matches nothing, as Docker has it. */
export function compileWildcard(pattern: string): Wildcard {
  const tokens = parse(Array.from(pattern));
  return { matches: (path) => tokens !== undefined && matches(tokens, Array.from(path)) };
}

/** What fails behind a star is tried again one character further; what an earlier star took is never asked again. */
function matches(tokens: readonly Token[], path: readonly string[]): boolean {
  let [token, at] = [0, 0];
  let star: { readonly token: number; at: number } | undefined;
  while (at < path.length || token < tokens.length) {
    const now = tokens[token];
    if (now?.kind === "star") {
      star = { token, at };
      token++;
    } else if (now !== undefined && at < path.length && takes(now, path[at]!)) {
      token++;
      at++;
    } else if (star !== undefined && star.at < path.length && path[star.at] !== "/") {
      at = ++star.at;
      token = star.token + 1;
    } else {
      return false;
    }
  }
  return true;
}

function takes(token: Token, character: string): boolean {
  if (token.kind === "one") return character !== "/";
  if (token.kind === "is") return token.character === character;
  if (token.kind !== "class") return false;
  return token.negated !== token.ranges.some(([from, to]) => order(from) <= order(character) && order(character) <= order(to));
}

const order = (character: string): number => character.codePointAt(0)!;

function parse(pattern: readonly string[]): Token[] | undefined {
  const tokens: Token[] = [];
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern[at]!;
    if (character === "*") {
      if (tokens.at(-1)?.kind !== "star") tokens.push({ kind: "star" });
    } else if (character === "?") tokens.push({ kind: "one" });
    else if (character === "[") {
      const parsed = parseClass(pattern, at + 1);
      if (parsed === undefined) return undefined;
      tokens.push(parsed.token);
      at = parsed.last;
    } else {
      const escaped = character === "\\";
      if (escaped && ++at === pattern.length) return undefined;
      tokens.push({ kind: "is", character: pattern[at]! });
    }
  }
  return tokens;
}

/** At least one range; "]" and "-" only behind "\". */
function parseClass(pattern: readonly string[], start: number): { token: Token; last: number } | undefined {
  const negated = pattern[start] === "^";
  const ranges: [string, string][] = [];
  let at = negated ? start + 1 : start;
  for (;;) {
    if (pattern[at] === "]" && ranges.length > 0) return { token: { kind: "class", negated, ranges }, last: at };
    const from = character();
    if (from === undefined) return undefined;
    const isRange = pattern[at] === "-";
    if (isRange) at++;
    const to = isRange ? character() : from;
    if (to === undefined) return undefined;
    ranges.push([from, to]);
  }

  function character(): string | undefined {
    if (pattern[at] === "\\") at++;
    else if (pattern[at] === "-" || pattern[at] === "]") return undefined;
    return pattern[at++];
  }
}
