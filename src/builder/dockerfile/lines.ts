/** From text to instructions' lines: comments left out, continued lines joined, heredocs' lines handed out on request. */
import { type Failure, fail } from "#base/errors.ts";
import { openDirectives } from "./directives.ts";
import type { Directives } from "./directives.ts";
import type { Escape } from "./dockerfile.ts";

/** Comments that can be a description of what follows; of more only the last ones. */
const MAX_COMMENTS = 100;
/** Bytes of a line of the file: BuildKit's bound. */
const MAX_LINE = 2 ** 16 - 1;
/** Characters of one that goes on over several. */
const MAX_JOINED = 2 ** 20;

export type Lines = {
  readonly directives: Directives;
  readonly emptyContinuations: readonly number[];
  /** The number of the last line that was read, from 1. */
  readonly number: number;
  /** Undefined at the end. */
  next(): LogicalLine | undefined;
  /** What stands before the line that says only `terminator`. @throws invalid when there is none */
  until(terminator: string, options: { readonly stripTabs: boolean }): string;
};

export type LogicalLine = { readonly text: string; readonly first: number; readonly comments: readonly string[] };

export function openLines(source: string): Lines {
  const directives = openDirectives();
  const emptyContinuations: number[] = [];
  let offset = 0;
  let number = 0;
  let comments: string[] = [];

  const physical = (): string | undefined => {
    if (offset >= source.length) return undefined;
    const end = source.indexOf("\n", offset);
    const line = source.slice(offset, end === -1 ? source.length : end);
    offset = end === -1 ? source.length : end + 1;
    number += 1;
    if (line.length > MAX_LINE / 3 && Buffer.byteLength(line) > MAX_LINE) throw tooLong(MAX_LINE);
    return line;
  };

  const next = (): LogicalLine | undefined => {
    for (let raw = physical(); raw !== undefined; raw = physical()) {
      const line = raw === "" ? raw : withoutReturn(raw).trimStart();
      if (number === 1 && line.startsWith("#!")) {
        directives.skipShebang();
        continue;
      }
      const isDirective = directives.read(line);
      if (line === "" || isDirective) continue;
      if (line.startsWith("#")) {
        // Comments survive empty lines, but not an empty comment.
        comments = withComment(comments, line.slice(1).trim());
        continue;
      }
      const first = number;
      const start = continued(line, directives.escape);
      const text = bounded(start === undefined ? line : joined(start));
      const above = comments;
      comments = [];
      return { text, first, comments: above };
    }
    return undefined;
  };

  const joined = (start: string): string => {
    let text = start;
    let empty = false;
    for (let raw = physical(); raw !== undefined; raw = physical()) {
      const line = withoutReturn(raw);
      const word = line.trimStart();
      if (word.startsWith("#")) continue;
      if (word === "") {
        empty = true;
        continue;
      }
      const part = continued(line, directives.escape);
      text = bounded(text + (part ?? line));
      if (part === undefined) break;
    }
    if (empty) emptyContinuations.push(number);
    return text;
  };

  const until = (terminator: string, { stripTabs }: { readonly stripTabs: boolean }): string => {
    const begin = offset;
    let end = offset;
    for (let raw = physical(); raw !== undefined; raw = physical()) {
      const line = withoutReturn(raw);
      if ((stripTabs ? withoutTabs(line) : line) === terminator) return source.slice(begin, end);
      end = offset;
    }
    throw fail("invalid", "unterminated heredoc");
  };

  return {
    directives,
    emptyContinuations,
    get number() {
      return number;
    },
    next,
    until,
  };
}

/** The line without the escape that continues it, undefined if it is not continued. Blanks may follow; an escape before it undoes it. */
function continued(line: string, escape: Escape): string | undefined {
  let end = line.length;
  while (end > 0 && (line[end - 1] === " " || line[end - 1] === "\t")) end -= 1;
  if (end === 0 || line[end - 1] !== escape || (end > 1 && line[end - 2] === escape)) return undefined;
  return line.slice(0, end - 1);
}

function bounded(text: string): string {
  if (text.length > MAX_JOINED) throw tooLong(MAX_JOINED);
  return text;
}

const tooLong = (most: number): Failure => fail("invalid", `dockerfile line greater than max allowed size of ${most}`);

function withComment(comments: string[], comment: string): string[] {
  if (comment === "") return comments.length === 0 ? comments : [];
  comments.push(comment);
  return comments.length > 2 * MAX_COMMENTS ? comments.slice(-MAX_COMMENTS) : comments;
}

function withoutReturn(line: string): string {
  let end = line.length;
  while (end > 0 && line[end - 1] === "\r") end -= 1;
  return end === line.length ? line : line.slice(0, end);
}

export function withoutTabs(line: string): string {
  let start = 0;
  while (line[start] === "\t") start += 1;
  return start === 0 ? line : line.slice(start);
}
