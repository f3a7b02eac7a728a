/** What an instruction's text says, by its keyword. Unexpanded: quotes and $ are as they are written. */
import { fail } from "#base/errors.ts";
import type { Heredoc, Instruction } from "./dockerfile.ts";
import { heredocWord } from "./heredocs.ts";
import { quotedWords, splitBlanks } from "./words.ts";

/** ENV and LABEL. `legacy`: "ENV key some value". */
export type Pair = { readonly key: string; readonly value: string; readonly legacy: boolean };

/** ARG: a value of undefined is none. `comment`: its description, from a comment "# name description" above it. */
export type ArgPair = { readonly key: string; readonly value: string | undefined; readonly comment: string };

/** ADD and COPY: sources and destination, and sources that are heredocs. */
export type Transfer = { readonly sources: readonly string[]; readonly heredocs: readonly Heredoc[]; readonly destination: string };

type Written = Pick<Instruction, "keyword" | "text" | "escape">;

/** @throws invalid */
export function pairsOf({ keyword, text, escape }: Written): Pair[] {
  const words = quotedWords(text, escape);
  if (words.length === 0) return [];
  if (words[0]!.includes("=")) return words.map((word) => pairOf(word));
  const [key = "", value] = splitBlanks(text, 2);
  if (value === undefined) throw fail("invalid", `${keyword} must have two arguments`);
  return [{ key, value, legacy: true }];
}

export function argsOf({ text, escape, comments }: Pick<Instruction, "text" | "escape" | "comments">): ArgPair[] {
  return quotedWords(text, escape).map((word) => {
    const equals = word.indexOf("=");
    const key = equals === -1 ? word : word.slice(0, equals);
    return { key, value: equals === -1 ? undefined : word.slice(equals + 1), comment: descriptionOf(comments, key) };
  });
}

/** FROM, EXPOSE, VOLUME, ADD, COPY: the JSON array, or what blanks separate. */
export function wordsOf({ text, json }: Pick<Instruction, "text" | "json">): readonly string[] {
  return json ?? (text === "" ? [] : splitBlanks(text));
}

export function transferOf(instruction: Pick<Instruction, "keyword" | "text" | "json" | "heredocs">): Transfer {
  const words = wordsOf(instruction);
  const destination = words.at(-1) ?? "";
  if (heredocWord(destination) !== undefined) throw fail("invalid", `${instruction.keyword} cannot accept a heredoc as a destination`);
  const found = words.slice(0, -1).map((word) => ({ word, heredoc: heredocWord(word) }));
  // Of several of one name each source has the last one's content, as in BuildKit.
  const contents = new Map(instruction.heredocs.map(({ name, content }) => [name, content]));
  return {
    sources: found.flatMap(({ word, heredoc }) => (heredoc === undefined ? [word] : [])),
    heredocs: found.flatMap(({ heredoc }) => (heredoc === undefined ? [] : [{ ...heredoc, content: contents.get(heredoc.name) ?? "" }])),
    destination,
  };
}

/** RUN, CMD, ENTRYPOINT, SHELL: the exec form's arguments, or one string for the shell. */
export function commandOf({ text, json }: Pick<Instruction, "text" | "json">): { readonly args: readonly string[]; readonly shell: boolean } {
  return json === undefined ? { args: text === "" ? [] : [text], shell: true } : { args: json, shell: false };
}

/** A RUN that is nothing but one heredoc: its content is the script. */
export function isOnlyHeredoc({ text, heredocs }: Pick<Instruction, "text" | "heredocs">): boolean {
  return heredocs.length === 1 && heredocWord(text) !== undefined;
}

/** The description that a comment "# name description" gives a stage or an argument. */
export function descriptionOf(comments: readonly string[], name: string): string {
  const comment = name === "" ? undefined : comments.find((line) => line.startsWith(`${name} `));
  return comment === undefined ? "" : comment.slice(name.length + 1);
}

function pairOf(word: string): Pair {
  const equals = word.indexOf("=");
  if (equals === -1) throw fail("invalid", `Syntax error - can't find = in ${JSON.stringify(word)}. Must be of the form: name=value`);
  return { key: word.slice(0, equals), value: word.slice(equals + 1), legacy: false };
}
