/** From text to instructions, and from instructions to stages. */
import { Failure, fail, messageOf } from "#base/errors.ts";
import { pairsOf, wordsOf } from "./arguments.ts";
import { checkInstruction, stageNameOf } from "./check.ts";
import { MAX_DOCKERFILE, MAX_INSTRUCTIONS, MAX_STAGES } from "./dockerfile.ts";
import type { Dockerfile, Escape, Heredoc, Instruction, Stage } from "./dockerfile.ts";
import { flagOf } from "./flags.ts";
import { healthcheckWords } from "./healthcheck.ts";
import { heredocWords } from "./heredocs.ts";
import { openLines } from "./lines.ts";
import type { Lines, LogicalLine } from "./lines.ts";
import { leadingFlags, splitBlanks } from "./words.ts";

const heredocKeywords: ReadonlySet<string> = new Set(["ADD", "COPY", "RUN"]);
const jsonKeywords: ReadonlySet<string> = new Set(["ADD", "CMD", "COPY", "ENTRYPOINT", "HEALTHCHECK", "RUN", "SHELL", "VOLUME"]);

/** `name`: what the file is called in errors about the whole of it. @throws invalid */
export function parseDockerfile(bytes: Uint8Array | string, { name = "Dockerfile" }: { readonly name?: string } = {}): Dockerfile {
  if (bytes.length === 0) throw fail("invalid", "the Dockerfile cannot be empty", { facts: { phase: "syntax", classic: `the Dockerfile (${name}) cannot be empty` } });
  const source = textOf(bytes, name);
  const lines = openLines(source);
  const instructions = readInstructions(lines);
  const { meta, stages } = inStages(instructions);
  return { directives: lines.directives.values, escape: lines.directives.escape, meta, stages, source, emptyContinuations: lines.emptyContinuations };
}

/** The instruction that an ONBUILD keeps for later. @throws invalid, without lines: they are those of whoever has the trigger */
export function parseTrigger(text: string): Instruction {
  try {
    const [instruction, ...more] = readInstructions(openLines(text));
    if (instruction === undefined || more.length > 0) throw fail("invalid", "onbuild trigger should be a single expression");
    checkInstruction(instruction);
    return instruction;
  } catch (error) {
    throw fail("invalid", messageOf(error), { cause: error });
  }
}

/** What an ONBUILD's trigger is kept as: its text, and its heredocs after it. */
export function triggerText({ text, heredocs }: Pick<Instruction, "text" | "heredocs">): string {
  return [text, ...heredocs.map(({ content, name }) => content + name)].join("\n");
}

function textOf(bytes: Uint8Array | string, name: string): string {
  if (bytes.length > MAX_DOCKERFILE) throw fail("invalid", `${name} exceeds maximum allowed size of ${MAX_DOCKERFILE} bytes`, { facts: { phase: "syntax" } });
  return typeof bytes === "string" ? bytes.replace(/^\uFEFF/, "") : new TextDecoder().decode(bytes);
}

function readInstructions(lines: Lines): Instruction[] {
  const instructions: Instruction[] = [];
  let first = 0;
  try {
    for (let line = lines.next(); line !== undefined; line = lines.next()) {
      first = line.first;
      if (instructions.length === MAX_INSTRUCTIONS) throw fail("invalid", `a Dockerfile has at most ${MAX_INSTRUCTIONS} instructions`);
      instructions.push(readInstruction(line, lines));
      first = 0;
    }
    if (instructions.length === 0) throw fail("invalid", "file with no instructions");
  } catch (error) {
    const last = Math.max(lines.number, 1);
    throw located(error, { lines: [first === 0 ? last : first, last], phase: "syntax" });
  }
  return instructions;
}

function readInstruction(line: LogicalLine, lines: Lines): Instruction {
  const escape = lines.directives.escape;
  const parts = partsOf(line.text, escape);
  const heredocs = mayHaveHeredocs(parts) ? heredocWords(line.text).map((word): Heredoc => ({ ...word, content: lines.until(word.name, word) })) : [];
  return { ...parts, heredocs, lines: [line.first, lines.number], original: line.text.trim(), comments: line.comments, escape };
}

type Parts = Pick<Instruction, "keyword" | "written" | "flags" | "text" | "json">;

/** @throws invalid: what cannot be read at all, whatever the instruction means */
function partsOf(line: string, escape: Escape): Parts {
  const [written = "", rest = ""] = splitBlanks(line.trimStart(), 2);
  const keyword = written.toUpperCase();
  const { flags, rest: after } = leadingFlags(rest, escape);
  // A trigger is kept with its blanks.
  const text = keyword === "ONBUILD" ? after : after.trim();
  if (keyword === "ENV" || keyword === "LABEL") pairsOf({ keyword, text, escape });
  if (keyword === "ONBUILD" && text !== "") partsOf(text, escape);
  const json = jsonKeywords.has(keyword) ? jsonForm(keyword === "HEALTHCHECK" ? healthcheckWords(text).command : text) : undefined;
  return { keyword, written, flags: flags.map(flagOfWord), text, json };
}

/** "--mount=…"; the value of a bare flag is undefined. */
function flagOfWord(word: string): Instruction["flags"][number] {
  const equals = word.indexOf("=");
  return equals === -1 ? { name: word.slice(2), value: undefined } : { name: word.slice(2, equals), value: word.slice(equals + 1) };
}

/** The exec form. What only looks like one is a shell's line, but an array of something else than strings is an error. */
function jsonForm(text: string): string[] | undefined {
  if (!text.startsWith("[")) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(value) || value.some((item) => typeof item !== "string")) throw fail("invalid", "when using JSON array syntax, arrays must be comprised of strings only");
  return value.map((item: string) => item.toWellFormed());
}

function mayHaveHeredocs({ keyword, text, json }: Parts): boolean {
  const trigger = keyword === "ONBUILD" ? /^\S*/.exec(text)![0].toUpperCase() : keyword;
  return heredocKeywords.has(trigger) && json === undefined;
}

function checkOne(instruction: Instruction): void {
  try {
    checkInstruction(instruction);
  } catch (error) {
    const [line] = instruction.lines;
    throw located(error, { lines: instruction.lines, phase: "instructions" }, `dockerfile parse error on line ${line}: `);
  }
}

function inStages(instructions: readonly Instruction[]): Pick<Dockerfile, "meta" | "stages"> {
  const meta: Instruction[] = [];
  const stages: (Stage & { instructions: Instruction[] })[] = [];
  for (const instruction of instructions) {
    checkOne(instruction);
    if (instruction.keyword === "FROM") {
      if (stages.length === MAX_STAGES) throw located(fail("invalid", `a Dockerfile has at most ${MAX_STAGES} stages`), { lines: instruction.lines, phase: "instructions" });
      stages.push({ from: instruction, name: stageNameOf(instruction), base: wordsOf(instruction)[0]!, platform: flagOf(instruction, "platform") || undefined, instructions: [] });
    } else if (stages.length > 0) stages.at(-1)!.instructions.push(instruction);
    else if (instruction.keyword === "ARG") meta.push(instruction);
    else throw located(fail("invalid", "no build stage in current context"), { lines: instruction.lines, phase: "instructions" });
  }
  if (stages.length === 0) throw fail("invalid", "dockerfile contains no stages to build", { facts: { phase: "instructions" } });
  return { meta, stages };
}

function located(error: unknown, facts: { readonly lines: readonly [number, number]; readonly phase: "syntax" | "instructions" }, prefix = ""): Failure {
  return fail("invalid", prefix + messageOf(error), { cause: error, facts });
}
