/** The patterns of `--filter reference=`: as Go's path.Match, "*" and "?" do not match a slash. */
import { fail } from "#base/errors.ts";

/** @throws invalid for a pattern that is none */
export function compilePattern(pattern: string): RegExp {
  let out = "";
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern[at]!;
    if (char === "*") out += "[^/]*";
    else if (char === "?") out += "[^/]";
    else if (char === "[") {
      const [text, end] = readClass(pattern, at);
      out += text;
      at = end;
    } else {
      if (char === "\\" && ++at === pattern.length) throw malformed(pattern);
      out += RegExp.escape(pattern[at]!);
    }
  }
  return new RegExp(`^${out}$`, "s");
}

/** "[a-z]", "[^x]"; the text of the expression, and where the class ends. */
function readClass(pattern: string, start: number): [string, number] {
  let at = start + 1;
  const negated = pattern[at] === "^";
  if (negated) at++;
  let body = "";
  while (at < pattern.length && (pattern[at] !== "]" || body === "")) {
    let [low, next] = readChar(pattern, at);
    let high = low;
    if (pattern[next] === "-" && pattern[next + 1] !== "]") [high, next] = readChar(pattern, next + 1);
    if (high < low) throw malformed(pattern);
    body += `${unit(low)}-${unit(high)}`;
    at = next;
  }
  if (pattern[at] !== "]") throw malformed(pattern);
  return [`[${negated ? "^" : ""}${body}]`, at];
}

function readChar(pattern: string, at: number): [string, number] {
  const char = pattern[at] === "\\" ? pattern[at + 1] : pattern[at];
  if (char === undefined) throw malformed(pattern);
  return [char, at + (pattern[at] === "\\" ? 2 : 1)];
}

const unit = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;

const malformed = (pattern: string) => fail("invalid", `invalid filter 'reference=${pattern}': syntax error in pattern`);
