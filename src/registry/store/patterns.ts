/** Patterns of repositories and tags: "*" is anything within a component, "**" anything at all. Matched in linear time. */

export type Matcher = (text: string) => boolean;

export function compilePattern(pattern: string): Matcher {
  const tokens = pattern.match(/\*\*|\*|[^*]+/g) ?? [];
  return (text) => {
    // The set of positions where the tokens so far may end.
    let ends = new Set([0]);
    for (const token of tokens) ends = step(token, text, ends);
    return ends.has(text.length);
  };
}

function step(token: string, text: string, starts: ReadonlySet<number>): Set<number> {
  const ends = new Set<number>();
  if (!token.startsWith("*")) {
    for (const start of starts) if (text.startsWith(token, start)) ends.add(start + token.length);
    return ends;
  }
  const stop = token === "**" ? undefined : "/";
  for (const start of [...starts].toSorted((a, b) => a - b)) {
    for (let at = start; at <= text.length && !(at > start && ends.has(at)); at++) {
      ends.add(at);
      if (text[at] === stop) break;
    }
  }
  return ends;
}

/** Matches when one of them does. */
export function compilePatterns(patterns: readonly string[]): Matcher {
  const all = patterns.map(compilePattern);
  return (text) => all.some((matches) => matches(text));
}
