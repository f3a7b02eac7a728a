import { fail } from "#base/errors.ts";
import { lex, type Token, unquote } from "./go-template-lex.ts";
import { type CommandNode, type Node, type Operand, type Pipe, show } from "./go-template-nodes.ts";

/** Parses a template to its nodes. @throws invalid, with Go's texts */
export function parse(text: string, name: string, functions: Readonly<Record<string, unknown>>): Node[] {
  const error = (at: number, message: string) =>
    fail("invalid", `template: ${name}:${text.slice(0, at).split("\n").length}: ${message}`);
  const reader: Reader = { tokens: lex(text, error), next: 0, error, functions, variables: ["$"], loops: 0 };
  const { nodes, stop } = readList(reader);
  if (stop !== undefined) throw error(stop.at, `unexpected {{${stop.word}}}`);
  return nodes;
}

type Reader = {
  readonly tokens: readonly Token[];
  next: number;
  readonly error: (at: number, message: string) => Error;
  readonly functions: Readonly<Record<string, unknown>>;
  /** Names in scope. */
  variables: string[];
  loops: number;
};

type Stop = { readonly word: "end" | "else"; readonly at: number };

/** Nodes up to the end of the text, or to an `end` or `else` that closes the list. */
function readList(reader: Reader): { nodes: Node[]; stop?: Stop } {
  const nodes: Node[] = [];
  for (;;) {
    const token = take(reader);
    if (token.kind === "end") return { nodes };
    if (token.kind === "text") {
      nodes.push({ kind: "text", text: token.text });
      continue;
    }
    const first = peekWord(reader);
    if (first.kind !== "keyword") {
      nodes.push({ kind: "action", at: first.at, pipe: readPipe(reader, "command", "close") });
      continue;
    }
    takeWord(reader);
    if (first.text === "end") {
      expectClose(reader, "end");
      return { nodes, stop: { word: "end", at: first.at } };
    }
    if (first.text === "else") return { nodes, stop: { word: "else", at: first.at } };
    nodes.push(readControl(reader, first));
  }
}

function readControl(reader: Reader, word: Token): Node {
  switch (word.text) {
    case "if":
    case "with":
    case "range":
      return readBranch(reader, word.text, word.at);
    case "break":
    case "continue":
      expectClose(reader, `{{${word.text}}}`);
      if (reader.loops === 0) throw reader.error(word.at, `{{${word.text}}} outside {{range}}`);
      return { kind: word.text };
    default:
      throw reader.error(word.at, `unexpected {{${word.text}}}: not supported here`);
  }
}

function readBranch(reader: Reader, kind: "if" | "with" | "range", at: number): Node {
  const scope = reader.variables.length;
  const pipe = readPipe(reader, kind, "close");
  if (kind === "range") reader.loops++;
  const body = readList(reader);
  if (kind === "range") reader.loops--;
  if (body.stop === undefined) throw reader.error(reader.tokens.at(-1)!.at, "unexpected EOF");
  let otherwise: Node[] = [];
  if (body.stop.word === "else") {
    const next = peekWord(reader);
    if (kind !== "range" && next.kind === "keyword" && (next.text === "if" || next.text === "with") && next.text === kind) {
      takeWord(reader);
      otherwise = [readBranch(reader, kind, next.at)];
    } else {
      expectClose(reader, "input");
      const list = readList(reader);
      if (list.stop === undefined) throw reader.error(reader.tokens.at(-1)!.at, "unexpected EOF");
      if (list.stop.word !== "end") throw reader.error(list.stop.at, "expected end; found {{else}}");
      otherwise = list.nodes;
    }
  }
  reader.variables.length = scope;
  return { kind, at, pipe, body: body.nodes, otherwise };
}

function expectClose(reader: Reader, context: string): void {
  const token = takeWord(reader);
  if (token.kind !== "close") throw unexpected(reader, token, context);
}

function readPipe(reader: Reader, context: string, until: "close" | ")"): Pipe {
  const at = peekWord(reader).at;
  const { variables, assigns } = readVariables(reader, context);
  const commands: CommandNode[] = [];
  for (;;) {
    const token = peekWord(reader);
    if (token.kind === until) {
      takeWord(reader);
      if (commands.length === 0) throw reader.error(token.at, `missing value for ${context}`);
      checkPipe(reader, commands);
      return { kind: "pipe", at, variables, assigns, commands };
    }
    commands.push(readCommand(reader, context));
  }
}

/** "$x := ", "$k, $v := ", "$x = " at the start of a pipeline. */
function readVariables(reader: Reader, context: string): { variables: string[]; assigns: boolean } {
  const start = reader.next;
  const none = () => {
    reader.next = start;
    return { variables: [], assigns: false };
  };
  const variables: string[] = [];
  for (;;) {
    const name = takeWord(reader);
    if (name.kind !== "variable") return none();
    variables.push(name.text);
    const sign = takeWord(reader);
    if (sign.kind === ":=" || sign.kind === "=") {
      if (sign.kind === ":=") reader.variables.push(...variables);
      return { variables, assigns: sign.kind === "=" };
    }
    if (sign.kind !== "," || context !== "range" || variables.length === 2) {
      if (sign.kind === ",") throw reader.error(sign.at, `too many declarations in ${context}`);
      return none();
    }
  }
}

function checkPipe(reader: Reader, commands: readonly CommandNode[]): void {
  commands.slice(1).forEach((command, index) => {
    const first = command.args[0]!;
    if (["constant", "dot", "nil"].includes(first.kind)) {
      throw reader.error(command.at, `non executable command in pipeline stage ${index + 2}`);
    }
  });
}

function readCommand(reader: Reader, context: string): CommandNode {
  const at = peekWord(reader).at;
  const args: Operand[] = [];
  for (;;) {
    const before = peekWord(reader);
    const operand = readOperand(reader);
    if (operand !== undefined) args.push(operand);
    const token = take(reader);
    if (token.kind === "space") continue;
    if (token.kind === "|") break;
    if (token.kind === "close" || token.kind === ")") {
      reader.next--;
      break;
    }
    throw operand === undefined && token.kind !== "=" ? unexpected(reader, before, context) : unexpected(reader, token, "operand");
  }
  if (args.length === 0) throw reader.error(at, "empty command");
  return { kind: "command", at, args };
}

/** A term and the fields that hang on it. */
function readOperand(reader: Reader): Operand | undefined {
  const term = readTerm(reader);
  if (term === undefined) return undefined;
  const path: string[] = [];
  const at = peek(reader).at;
  while (peek(reader).kind === "field") path.push(take(reader).text.slice(1));
  if (path.length === 0) return term;
  if (term.kind === "field") return { kind: "field", at, path: [...term.path, ...path] };
  if (term.kind === "variable") return { kind: "variable", at, name: term.name, path: [...term.path, ...path] };
  if (term.kind === "constant" || term.kind === "nil" || term.kind === "dot") {
    throw reader.error(at, `unexpected . after term ${JSON.stringify(show(term))}`);
  }
  return { kind: "chain", at, of: term, path };
}

function readTerm(reader: Reader): Operand | undefined {
  const token = takeWord(reader);
  const { at, text } = token;
  switch (token.kind) {
    case "identifier":
      if (!Object.hasOwn(reader.functions, text)) throw reader.error(at, `function ${JSON.stringify(text)} not defined`);
      return { kind: "function", at, name: text };
    case "dot":
    case "nil":
      return { kind: token.kind, at };
    case "variable":
      if (!reader.variables.includes(text)) throw reader.error(at, `undefined variable ${JSON.stringify(text)}`);
      return { kind: "variable", at, name: text, path: [] };
    case "field":
      return { kind: "field", at, path: [text.slice(1)] };
    case "bool":
      return { kind: "constant", at, text, value: text === "true" };
    case "number":
      return { kind: "constant", at, text, value: numberOf(reader, token) };
    case "character":
      return { kind: "constant", at, text, value: unquote(text).codePointAt(0)! };
    case "string":
    case "raw string":
      return { kind: "constant", at, text, value: literal(reader, token) };
    case "(":
      return readPipe(reader, "parenthesized pipeline", ")");
    default:
      reader.next--;
      return undefined;
  }
}

function literal(reader: Reader, token: Token): string {
  try {
    return unquote(token.text);
  } catch {
    throw reader.error(token.at, "invalid syntax");
  }
}

function numberOf(reader: Reader, token: Token): number {
  const plain = token.text.replaceAll("_", "");
  const sign = plain[0] === "-" ? -1 : 1;
  const digits = plain.replace(/^[+-]/, "");
  if (digits === ".") throw reader.error(token.at, `illegal number syntax: ${JSON.stringify(token.text)}`);
  const value = /^0[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number(digits);
  if (Number.isNaN(value)) throw reader.error(token.at, `illegal number syntax: ${JSON.stringify(token.text)}`);
  return sign * value;
}

function unexpected(reader: Reader, token: Token, context: string): Error {
  const shown = token.kind === "end" ? "EOF" : token.kind === "keyword" ? `<${token.text}>` : JSON.stringify(token.text);
  return reader.error(token.at, `unexpected ${shown} in ${context}`);
}

function take(reader: Reader): Token {
  return reader.tokens[reader.next++]!;
}

function peek(reader: Reader): Token {
  return reader.tokens[reader.next]!;
}

function takeWord(reader: Reader): Token {
  while (peek(reader).kind === "space") reader.next++;
  return take(reader);
}

function peekWord(reader: Reader): Token {
  while (peek(reader).kind === "space") reader.next++;
  return peek(reader);
}
