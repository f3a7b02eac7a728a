/**
 * Lint: what is not wrong in a Dockerfile and yet better otherwise. Pure; the plan hands in what a Dockerfile does not
 * say itself. What tools key on, and people read, is BuildKit's word for word.
 */
import { fail, messageOf } from "#base/errors.ts";
import type { Failure } from "#base/errors.ts";
import type { BuildWarning } from "../events.ts";
import type { Dockerfile, Instruction } from "./dockerfile.ts";
import { lintLanguage } from "./lint-language.ts";
import { counts, parseLintOptions } from "./lint-options.ts";
import { lintStages } from "./lint-stages.ts";
import { rules, ruleUrl } from "./rules.ts";
import type { RuleName } from "./rules.ts";

export type LintInput = {
  /** The Dockerfile's name, for the warnings. */
  readonly file: string;
  /** Options that count instead of the file's own "# check=…". */
  readonly check?: string;
  /** What FROM sees; and what it would see without --build-arg. */
  readonly args: ReadonlyMap<string, string>;
  /** Undefined: without --build-arg it could not be known. */
  readonly defaults: ReadonlyMap<string, string> | undefined;
  /** --build-arg. */
  readonly buildArgs: Readonly<Record<string, string | undefined>>;
  /** Lines of .dockerignore. */
  readonly ignore: readonly string[];
  /** What stages begin with that go on from no other one, by their index; of one that is missing nobody knows. */
  readonly bases: ReadonlyMap<number, LintBase>;
  /** Stages that a context stands in for: their instructions count for nothing. */
  readonly replaced?: ReadonlySet<number>;
  /** What a stage's base says is to be done first: instructions with the lines of its FROM, by the stage's index. */
  readonly triggers?: ReadonlyMap<number, readonly Instruction[]>;
  /** Stages whose instructions are looked at: all without it. */
  readonly stages?: ReadonlySet<number>;
};

export type LintBase = { readonly variables: ReadonlyMap<string, string>; readonly hasShell: boolean };

/** Nobody reads more; and each is kept, and sent to whoever listens. */
const MAX_WARNINGS = 1000;

/** Tells something of an instruction; its lines, unless others are meant. */
export type Say = (rule: RuleName, detail: string, about: Pick<Instruction, "lines">, lines?: readonly [number, number]) => void;

/** In the order in which they are found: the file, its stages' names, then instruction by instruction. @throws invalid for wrong options */
export function lintDockerfile(dockerfile: Dockerfile, input: LintInput): BuildWarning[] {
  const options = checkOptions(dockerfile, input);
  const warnings: BuildWarning[] = [];
  const say: Say = (name, detail, { lines: own }, lines = own) => {
    if (warnings.length === MAX_WARNINGS || !counts(name, options)) return;
    const rule = rules[name];
    warnings.push({ rule: name, detail, description: rule.description, url: ruleUrl(rule), file: input.file, ranges: [{ start: lines[0], end: lines[1] }] });
  };
  lintLanguage(dockerfile, say);
  lintStages(dockerfile, input, say);
  return warnings;
}

/** What a build fails with whose Dockerfile says that warnings are errors. */
export function lintFailure(dockerfile: Dockerfile, warnings: readonly BuildWarning[], input: Pick<LintInput, "check"> = {}): Failure | undefined {
  if (warnings.length === 0 || !checkOptions(dockerfile, input).error) return undefined;
  const names = new Set(warnings.map(({ rule }) => rule));
  return fail("invalid", `lint violation found for rules: ${[...names].join(", ")}`);
}

function checkOptions({ directives }: Dockerfile, { check }: Pick<LintInput, "check">): ReturnType<typeof parseLintOptions> {
  try {
    return parseLintOptions(check ?? directives["check"]?.split(" ")[0] ?? "");
  } catch (error) {
    throw fail("invalid", `failed to parse ${check === undefined ? "check options" : "build-arg:BUILDKIT_DOCKERFILE_CHECK"}: ${messageOf(error)}`, { cause: error });
  }
}
