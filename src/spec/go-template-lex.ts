import { fail } from "#base/errors.ts";

export type Token = {
  readonly kind:
    | "text"
    | "open"
    | "close"
    | "space"
    | "field"
    | "variable"
    | "identifier"
    | "keyword"
    | "dot"
    | "nil"
    | "bool"
    | "number"
    | "character"
    | "string"
    | "sign"
    | "raw string"
    | "("
    | ")"
    | "|"
    | ","
    | ":="
    | "="
    | "end";
  readonly text: string;
  readonly at: number;
};

const KEYWORDS = new Set(["if", "else", "end", "range", "with", "break", "continue", "define", "template", "block"]);

/** Splits a template into tokens. `error` makes the Failure for an offset. */
export function lex(text: string, error: (at: number, message: string) => Error): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  let trims = false;
  while (at < text.length) {
    const open = text.indexOf("{{", at);
    let end = open < 0 ? text.length : open;
    const trimsBefore = open >= 0 && text[open + 2] === "-" && isSpace(text[open + 3]);
    let start = at;
    if (trims) while (start < end && isSpace(text[start])) start++;
    if (trimsBefore) while (end > start && isSpace(text[end - 1])) end--;
    if (end > start) tokens.push({ kind: "text", text: text.slice(start, end), at: start });
    if (open < 0) break;
    at = open + 2 + (trimsBefore ? 2 : 0);
    const close = text.startsWith("/*", at) ? lexComment(text, at, error) : lexAction(text, open, at, tokens, error);
    at = close.at;
    trims = close.trims;
  }
  tokens.push({ kind: "end", text: "EOF", at: text.length });
  return tokens;
}

type Close = { readonly at: number; readonly trims: boolean };

function lexComment(text: string, at: number, error: (at: number, message: string) => Error): Close {
  const end = text.indexOf("*/", at + 2);
  if (end < 0) throw error(at, "unclosed comment");
  const close = closeAt(text, end + 2);
  if (close === undefined) throw error(at, "comment ends before closing delimiter");
  return close;
}

/** "}}" or " -}}" here. */
function closeAt(text: string, at: number): Close | undefined {
  if (text.startsWith("}}", at)) return { at: at + 2, trims: false };
  if (isSpace(text[at]) && text.startsWith("-}}", at + 1)) return { at: at + 4, trims: true };
  return undefined;
}

const TERMINATORS = new Set([undefined, " ", "\t", "\r", "\n", ".", ",", "|", ":", ")", "("]);

function lexAction(
  text: string,
  open: number,
  start: number,
  tokens: Token[],
  error: (at: number, message: string) => Error,
): Close {
  tokens.push({ kind: "open", text: "{{", at: open });
  let at = start;
  let depth = 0;
  const push = (kind: Token["kind"], length: number) => {
    tokens.push({ kind, text: text.slice(at, at + length), at });
    at += length;
  };
  for (;;) {
    const close = closeAt(text, at);
    if (close !== undefined) {
      if (depth > 0) throw error(at, "unclosed left paren");
      tokens.push({ kind: "close", text: "}}", at });
      return close;
    }
    const rest = text.slice(at);
    const next = text[at];
    if (next === undefined) throw error(at, "unclosed action");
    if (isSpace(next)) push("space", 1);
    else if (rest.startsWith(":=")) push(":=", 2);
    else if (next === "=" || next === "|" || next === ",") push(next, 1);
    else if (next === "(" || next === ")") {
      depth += next === "(" ? 1 : -1;
      if (depth < 0) throw error(at, "unexpected right paren");
      push(next, 1);
    } else if (next === '"') push("string", quotedLength(rest, '"', () => error(at, "unterminated quoted string")));
    else if (next === "'") push("character", quotedLength(rest, "'", () => error(at, "unterminated character constant")));
    else if (next === "`") {
      const end = rest.indexOf("`", 1);
      if (end < 0) throw error(at, "unterminated raw quoted string");
      push("raw string", end + 1);
    } else {
      const word = lexWord(rest, (message) => error(at, message));
      push(word.kind, word.length);
    }
  }
}

function quotedLength(rest: string, quote: string, wrong: () => Error): number {
  for (let at = 1; at < rest.length; at++) {
    if (rest[at] === "\\") at++;
    else if (rest[at] === "\n") break;
    else if (rest[at] === quote) return at + 1;
  }
  throw wrong();
}

function lexWord(rest: string, wrong: (message: string) => Error): { kind: Token["kind"]; length: number } {
  const number = /^[+-]?(?:0x[\da-f_]+|0b[01_]+|0o[0-7_]+|(?:\d[\d_]*\.?\d*|\.\d+)(?:e[+-]?\d+)?)/i.exec(rest);
  if (number !== null) {
    const after = rest[number[0].length];
    if (after !== undefined && /[\w]/.test(after)) {
      throw wrong(`bad number syntax: ${JSON.stringify(rest.slice(0, number[0].length + 1))}`);
    }
    return { kind: "number", length: number[0].length };
  }
  const name = /^[.$]?[\p{L}\p{Nd}_]*/u.exec(rest)![0];
  if (name === "") {
    // Printable ASCII is left to the parser, which says what it expected instead.
    if (/^[!-~]/.test(rest)) return { kind: "sign", length: 1 };
    throw wrong(`unrecognized character in action: ${shown(rest)}`);
  }
  // At the end a dot could still begin a number.
  if (rest === ".") return { kind: "number", length: 1 };
  const after = rest.slice(name.length);
  if (!TERMINATORS.has(after[0]) && !after.startsWith("}}") && name !== ".") throw wrong(`bad character ${shown(after)}`);
  return { kind: kindOf(name), length: name.length };
}

/** "U+007D '}'" */
function shown(text: string): string {
  const point = text.codePointAt(0)!;
  return `U+${point.toString(16).toUpperCase().padStart(4, "0")} '${String.fromCodePoint(point)}'`;
}

function kindOf(name: string): Token["kind"] {
  if (name === ".") return "dot";
  if (name[0] === ".") return "field";
  if (name[0] === "$") return "variable";
  if (name === "true" || name === "false") return "bool";
  if (name === "nil") return "nil";
  return KEYWORDS.has(name) ? "keyword" : "identifier";
}

function isSpace(character: string | undefined): boolean {
  return character === " " || character === "\t" || character === "\r" || character === "\n";
}

/** The value of a Go string or character literal. */
export function unquote(literal: string): string {
  if (literal[0] === "`") return literal.slice(1, -1);
  return literal.slice(1, -1).replace(/\\(x[\da-f]{2}|u[\da-f]{4}|U[\da-f]{8}|[0-7]{3}|.)/gis, (_, code: string) => {
    if (/^[xuU]/.test(code)) return String.fromCodePoint(Number.parseInt(code.slice(1), 16));
    if (/^[0-7]{3}$/.test(code)) return String.fromCharCode(Number.parseInt(code, 8));
    const known = ESCAPES[code];
    if (known === undefined) throw fail("invalid", "invalid syntax");
    return known;
  });
}

const ESCAPES: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\\": "\\",
  '"': '"',
  "'": "'",
};
