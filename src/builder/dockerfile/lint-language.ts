/** Lint of how a Dockerfile is written, whatever it means. */
import { tryReference } from "#spec/reference.ts";
import { argsOf, wordsOf } from "./arguments.ts";
import type { Dockerfile, Instruction } from "./dockerfile.ts";
import type { Say } from "./lint.ts";

const reserved: ReadonlySet<string> = new Set(["context", "scratch"]);

export function lintLanguage(dockerfile: Dockerfile, say: Say): void {
  for (const line of dockerfile.emptyContinuations) say("NoEmptyContinuation", "Empty continuation line", { lines: [line, line] });
  for (const instruction of [...dockerfile.meta, ...dockerfile.stages.flatMap(({ from, instructions }) => [from, ...instructions])]) lintWriting(instruction, say);
  lintNames(dockerfile, say);
  lintCasing(dockerfile, say);
}

function lintWriting(instruction: Instruction, say: Say): void {
  const { keyword } = instruction;
  if (keyword === "MAINTAINER") say("MaintainerDeprecated", "Maintainer instruction is deprecated in favor of using label", instruction);
  if (keyword === "FROM") lintFrom(instruction, say);
  if (keyword === "ARG") lintDescription(instruction, argsOf(instruction).map(({ key }) => key), say);
}

function lintFrom(instruction: Instruction, say: Say): void {
  const [, as, name] = wordsOf(instruction);
  if (as === undefined || name === undefined) return;
  const { written } = instruction;
  if (name !== name.toLowerCase()) say("StageNameCasing", `Stage name '${name}' should be lowercase`, instruction);
  const isWrong = (written === written.toLowerCase() && as !== as.toLowerCase()) || (written === written.toUpperCase() && as !== as.toUpperCase());
  if (isWrong) say("FromAsCasing", `'${as}' and '${written}' keywords' casing do not match`, instruction);
  lintDescription(instruction, [name.toLowerCase()], say);
}

/** A comment directly above is taken for a description, which begins with the name. */
function lintDescription(instruction: Instruction, names: readonly string[], say: Say): void {
  const word = instruction.comments.at(-1)?.split(" ")[0];
  if (word === undefined || names.length === 0 || names.includes(word)) return;
  const example = names.length > 1 ? "<arg_key>" : names[0]!;
  say("InvalidDefinitionDescription", `Comment for ${instruction.keyword} should follow the format: \`# ${example} <description>\``, instruction);
}

function lintNames({ stages }: Dockerfile, say: Say): void {
  const names = new Set<string>();
  for (const { name, from } of stages) {
    if (name === "") continue;
    if (reserved.has(name)) say("ReservedStageName", `Stage name should not use the same name as reserved stage ${JSON.stringify(name)}`, from);
    if (names.has(name)) say("DuplicateStageName", `Duplicate stage name ${JSON.stringify(name)}, stage names should be unique`, from);
    names.add(name);
  }
}

/** The case that most instructions are written in is the case of all. */
function lintCasing({ stages }: Dockerfile, say: Say): void {
  const all = stages.flatMap(({ from, instructions }) => [from, ...instructions]);
  const lower = all.filter(({ written }) => written === written.toLowerCase()).length;
  const upper = all.filter(({ written }) => written === written.toUpperCase()).length;
  const isLower = lower > upper;
  for (const instruction of all) {
    const { written, keyword } = instruction;
    if (written === (isLower ? keyword.toLowerCase() : keyword)) continue;
    say("ConsistentInstructionCasing", `Command '${written}' should match the case of the command majority (${isLower ? "lowercase" : "uppercase"})`, instruction);
  }
}

/** What is no image's name without --build-arg, whatever it is with it. */
export function isBaseName(text: string): boolean {
  return tryReference(text) !== undefined;
}
