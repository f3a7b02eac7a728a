/**
 * JSON text laid out for people, four spaces a level, without parsing it: numbers and escapes stay as the engine
 * wrote them, which JSON.parse would not guarantee.
 */
export function indentJson(text: string, prefix = "", indent = "    "): string {
  let out = "";
  let depth = 0;
  const newline = () => `\n${prefix}${indent.repeat(depth)}`;
  const tokens = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s"{}[\],:]+/gs;
  let last = "";
  for (const [token] of text.matchAll(tokens)) {
    if (token === "}" || token === "]") {
      depth--;
      out += last === "{" || last === "[" ? token : newline() + token;
    } else {
      if (last === "{" || last === "[" || last === ",") out += newline();
      if (token === "{" || token === "[") depth++;
      out += token === ":" ? ": " : token;
    }
    last = token;
  }
  return out;
}
