/**
 * JSON from strangers. Stricter than JSON.parse, which keeps the last of two equal keys, rounds integers above 2^53 and
 * takes any depth: such a document means one thing to us and another to whoever checked it before.
 *
 *     parseJson('{"Memory":1,"Memory":2}')            // Failure invalid: … duplicate key "Memory" …
 *     parseJson('{"__proto__":1}').__proto__          // 1: objects have no prototype
 */
import { fail } from "./errors.ts";

export type Json = null | boolean | number | string | Json[] | JsonObject;
export type JsonObject = { [key: string]: Json };

const MAX_DEPTH = 64;
const NUMBER = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y;
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const SPACE = /[ \t\n\r]*/y;

/** Parses one document; what follows it must be white space. Failures are `invalid` and say where. */
export function parseJson(text: string, options: { maxDepth?: number } = {}): Json {
  const scanner: Scanner = { text, at: 0, maxDepth: options.maxDepth ?? MAX_DEPTH };
  skipSpace(scanner);
  if (scanner.at === text.length) throw fail("invalid", "invalid JSON: got EOF while reading request body");
  const value = readValue(scanner, 0);
  skipSpace(scanner);
  if (scanner.at !== text.length) throw fail("invalid", "unexpected content after JSON");
  return value;
}

type Scanner = { readonly text: string; at: number; readonly maxDepth: number };

function readValue(s: Scanner, depth: number): Json {
  if (depth > s.maxDepth) throw refuse(s, `nested deeper than ${s.maxDepth}`);
  switch (s.text[s.at]) {
    case "{":
      return readObject(s, depth);
    case "[":
      return readList(s, depth);
    case '"':
      return readString(s);
    case "t":
      return readWord(s, "true", true);
    case "f":
      return readWord(s, "false", false);
    case "n":
      return readWord(s, "null", null);
    default:
      return readNumber(s);
  }
}

function readObject(s: Scanner, depth: number): JsonObject {
  const object: JsonObject = Object.create(null);
  s.at++;
  if (closes(s, "}")) return object;
  for (;;) {
    skipSpace(s);
    const key = readString(s);
    if (key in object) throw refuse(s, `duplicate key ${JSON.stringify(key)}`);
    skipSpace(s);
    expect(s, ":");
    skipSpace(s);
    object[key] = readValue(s, depth + 1);
    if (closes(s, "}")) return object;
    expect(s, ",");
  }
}

function readList(s: Scanner, depth: number): Json[] {
  const list: Json[] = [];
  s.at++;
  if (closes(s, "]")) return list;
  for (;;) {
    skipSpace(s);
    list.push(readValue(s, depth + 1));
    if (closes(s, "]")) return list;
    expect(s, ",");
  }
}

function readString(s: Scanner): string {
  const literal = match(s, STRING);
  if (literal === undefined) throw refuse(s, "expected a string");
  return literal.includes("\\") ? (JSON.parse(literal) as string).toWellFormed() : literal.slice(1, -1);
}

function readNumber(s: Scanner): number {
  const literal = match(s, NUMBER);
  if (literal === undefined) throw refuse(s, "unexpected character");
  const value = Number(literal);
  if (!Number.isFinite(value)) throw refuseNumber(literal, "is too large");
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) throw refuseNumber(literal, "is beyond 2^53");
  return value;
}

function readWord<T extends Json>(s: Scanner, word: string, value: T): T {
  if (!s.text.startsWith(word, s.at)) throw refuse(s, "unexpected character");
  s.at += word.length;
  return value;
}

function closes(s: Scanner, sign: string): boolean {
  skipSpace(s);
  if (s.text[s.at] !== sign) return false;
  s.at++;
  return true;
}

function expect(s: Scanner, sign: string): void {
  if (s.text[s.at] !== sign) throw refuse(s, `expected ${JSON.stringify(sign)}`);
  s.at++;
}

function skipSpace(s: Scanner): void {
  SPACE.lastIndex = s.at;
  SPACE.test(s.text);
  s.at = SPACE.lastIndex;
}

function match(s: Scanner, pattern: RegExp): string | undefined {
  pattern.lastIndex = s.at;
  const literal = pattern.exec(s.text)?.[0];
  if (literal !== undefined) s.at += literal.length;
  return literal;
}

const refuseNumber = (literal: string, what: string) => fail("invalid", `invalid JSON: number ${literal.slice(0, 40)} ${what}`);

function refuse(s: Scanner, what: string) {
  return fail("invalid", s.at >= s.text.length ? "invalid JSON: unexpected end" : `invalid JSON: ${what} at character ${s.at}`);
}
