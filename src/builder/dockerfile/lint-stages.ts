/** Lint of what a Dockerfile means: variables, base images, paths. Goes through the stages as a build would. */
import { parsePlatform } from "#spec/platform.ts";
import { argsOf, pairsOf, transferOf, wordsOf } from "./arguments.ts";
import type { Dockerfile, Instruction, Stage } from "./dockerfile.ts";
import { type Expansion, expandWord, splitWords } from "./expand.ts";
import { flagOf, flagsOf } from "./flags.ts";
import { posix } from "node:path";
import { quote } from "#spec/go-template-quote.ts";
import { compilePatterns } from "#spec/path-patterns.ts";
import type { PatternMatcher } from "#spec/path-patterns.ts";
import { isBaseName } from "./lint-language.ts";
import type { LintInput, Say } from "./lint.ts";
import { nearest } from "./suggest.ts";

/** What is known in a stage so far. `undefined` values: set, nobody knows to what. */
type Scope = {
  readonly variables: Map<string, string | undefined>;
  /** Declared without a value. */
  readonly declared: Set<string>;
  /** The base image's variables are not known: nothing is said of variables. */
  readonly isOpen: boolean;
  hasWorkdir: boolean;
  hasShell: boolean;
};

type Visit = {
  readonly dockerfile: Dockerfile;
  readonly input: LintInput;
  readonly say: Say;
  readonly ignored: PatternMatcher;
  /** Names that FROM may use. */
  readonly known: ReadonlySet<string>;
  /** What may still be done that grows with the product of two things. Then less is said. */
  readonly budget: { left: number };
};

const MAX_WORK = 4_000_000;
/** Of saying something, beside looking at a name. */
const WARNING = 50;

const mayDo = ({ budget }: Visit, work: number): boolean => (budget.left -= work) >= 0;

type Here = Visit & { readonly scope: Scope; readonly instruction: Instruction; readonly last: Map<string, Instruction> };

/** They mean something to the builder and are no variables. */
const noVariables: ReadonlySet<string> = new Set(["BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"]);

export function lintStages(dockerfile: Dockerfile, input: LintInput, say: Say): void {
  const known = new Set([...input.args.keys(), ...dockerfile.meta.flatMap((arg) => argsOf(arg).map(({ key }) => key))]);
  const visit: Visit = { dockerfile, input, say, ignored: compilePatterns(input.ignore), known, budget: { left: MAX_WORK } };
  for (const { from, base } of dockerfile.stages) lintDefault(visit, from, base);
  const scopes = new Map<string, Scope>();
  for (const [index, stage] of dockerfile.stages.entries()) {
    const base = lintFrom(visit, stage);
    const isReplaced = input.replaced?.has(index) === true;
    const scope = scopeOf(visit, isReplaced ? undefined : scopes.get(base.toLowerCase()), index);
    if (stage.name !== "") scopes.set(stage.name, scope);
    if (isReplaced || input.stages?.has(index) === false) continue;
    const last = new Map<string, Instruction>();
    for (const instruction of [...(input.triggers?.get(index) ?? []), ...stage.instructions]) lintInstruction({ ...visit, scope, instruction, last });
  }
}

function lintDefault({ dockerfile, input, say, budget }: Visit, from: Instruction, base: string): void {
  const { defaults } = input;
  const name = defaults && tryExpand(base, dockerfile, { lookup: (variable) => defaults.get(variable), work: budget });
  if (name !== undefined && !isBaseName(name)) say("InvalidDefaultArgInFrom", `Default value for ARG ${base} results in empty or invalid base image name`, from);
}

/** The base, expanded. */
function lintFrom(visit: Visit, { from, base, platform, name }: Stage): string {
  const { dockerfile, input, say, known, budget } = visit;
  const expanded = (text: string): { text: string | undefined; used: Set<string>; unset: Set<string> } => {
    const used = new Set<string>();
    const unset = new Set<string>();
    const lookup = (variable: string): string | undefined => {
      (input.args.has(variable) ? used : unset).add(variable);
      return input.args.get(variable);
    };
    const result = tryExpand(text, dockerfile, { lookup, work: budget });
    for (const variable of unset) {
      if (known.has(variable)) continue;
      say("UndefinedArgInFrom", `FROM argument '${variable}' is not declared${didYouMean(visit, "", variable, known)}`, from);
    }
    return { text: result, used, unset };
  };
  const result = expanded(base).text ?? base;
  if (platform === undefined) return result;
  const { text, used, unset } = expanded(platform);
  if (used.size === 1 && unset.size === 0 && used.has("TARGETPLATFORM") && text === input.args.get("TARGETPLATFORM")) {
    say("RedundantTargetPlatform", `Setting platform to predefined ${platform} in FROM is redundant as this is the default behavior`, from);
  }
  const constant = used.size + unset.size === 0 && text !== undefined ? trying(() => parsePlatform(text)) : undefined;
  if (constant !== undefined && !name.includes(constant.os) && !name.includes(constant.architecture)) {
    say("FromPlatformFlagConstDisallowed", `FROM --platform flag should not use constant value ${JSON.stringify(text)}`, from);
  }
  return result;
}

function scopeOf(visit: Visit, parent: Scope | undefined, index: number): Scope {
  if (parent !== undefined && mayDo(visit, parent.variables.size + parent.declared.size)) return { ...parent, variables: new Map(parent.variables), declared: new Set(parent.declared) };
  const base = parent !== undefined ? undefined : visit.input.bases.get(index);
  return { variables: new Map(base?.variables), declared: new Set(), isOpen: base === undefined, hasWorkdir: false, hasShell: base?.hasShell ?? false };
}

function lintInstruction(here: Here): void {
  const { instruction, scope } = here;
  const look = Object.hasOwn(looks, instruction.keyword) ? looks[instruction.keyword] : undefined;
  look?.(here);
  if (instruction.keyword === "SHELL") scope.hasShell = true;
}

const looks: Readonly<Record<string, (here: Here) => void>> = {
  ADD: transfer,
  ARG: arg,
  CMD: command,
  COPY: transfer,
  ENTRYPOINT: command,
  ENV: (here) => {
    const pairs = pairsOf(here.instruction);
    const values = pairs.map(({ key, value }) => [expanded(here, key), expanded(here, value)] as const);
    for (const [at, { key, legacy }] of pairs.entries()) {
      if (legacy) legacyFormat(here);
      secret(here, values[at]![0] ?? key);
      here.scope.variables.set(values[at]![0] ?? key, values[at]![1]);
    }
  },
  EXPOSE: expose,
  HEALTHCHECK: once,
  LABEL: (here) => {
    for (const { key, value, legacy } of pairsOf(here.instruction)) {
      if (legacy) legacyFormat(here);
      expanded(here, key);
      expanded(here, value);
    }
  },
  RUN: (here) => flagsOf(here.instruction, "mount").forEach((mount) => expanded(here, mount)),
  STOPSIGNAL: (here) => void expanded(here, here.instruction.text),
  USER: (here) => void expanded(here, here.instruction.text),
  VOLUME: (here) => wordsOf(here.instruction).forEach((word) => expanded(here, word)),
  WORKDIR: (here) => {
    const { scope, instruction, say } = here;
    const path = expanded(here, instruction.text) ?? "/";
    if (!scope.hasWorkdir && !path.startsWith("/")) say("WorkdirRelativePath", `Relative workdir ${JSON.stringify(path)} can have unexpected results if the base image changes`, instruction);
    scope.hasWorkdir = true;
  },
};

function arg(here: Here): void {
  const { input, instruction, scope } = here;
  for (const { key, value } of argsOf(instruction)) {
    secret(here, key);
    const given = Object.hasOwn(input.buildArgs, key) ? input.buildArgs[key] : undefined;
    const own = given ?? (value === undefined ? input.args.get(key) : expanded(here, value));
    scope.declared.add(key);
    if ((value !== undefined || own !== undefined) && !noVariables.has(key)) scope.variables.set(key, own);
  }
}

function command(here: Here): void {
  const { instruction, scope, say } = here;
  once(here);
  if (instruction.json === undefined && !scope.hasShell) {
    say("JSONArgsRecommended", `JSON arguments recommended for ${instruction.written} to prevent unintended behavior related to OS signals`, instruction);
  }
}

/** Of several only the last counts: it is said where the other one is. */
function once({ instruction, last, say }: Here): void {
  const before = last.get(instruction.keyword);
  last.set(instruction.keyword, instruction);
  if (before === undefined) return;
  say("MultipleInstructionsDisallowed", `Multiple ${instruction.written} instructions should not be used in the same stage because only the last one will be used`, instruction, before.lines);
}

function legacyFormat({ instruction, say }: Here): void {
  const { written } = instruction;
  say("LegacyKeyValueFormat", `"${written} key=value" should be used instead of legacy "${written} key value" format`, instruction);
}

function secret({ instruction, say }: Here, key: string): void {
  const parts = key.toLowerCase().split("_");
  if (!parts.some((part) => secretWords.includes(part)) || parts.includes("public")) return;
  say("SecretsUsedInArgOrEnv", `Do not use ARG or ENV instructions for sensitive data (${instruction.keyword} ${JSON.stringify(key)})`, instruction);
}

const secretWords = ["apikey", "auth", "credential", "credentials", "key", "password", "pword", "passwd", "secret", "token"];

function expose(here: Here): void {
  const { instruction, say } = here;
  const words = [...wordsOf(instruction)].toSorted();
  const ports = trying(() => words.flatMap((word) => splitWords(word, { lookup: (name) => here.scope.variables.get(name), escape: here.dockerfile.escape, work: here.budget })));
  for (const port of ports ?? []) {
    const parts = port.split(":");
    const [, protocol = ""] = parts.pop()!.split("/");
    if (protocol !== protocol.toLowerCase()) say("ExposeProtoCasing", `Defined protocol '${port}' in EXPOSE instruction should be lowercase`, instruction);
    if (parts.some((part) => part !== "")) say("ExposeInvalidFormat", `EXPOSE instruction should not define an IP address or host-port mapping, found '${port}'`, instruction);
  }
}

function transfer(here: Here): void {
  const { instruction } = here;
  const { sources, destination, heredocs } = transferOf(instruction);
  for (const name of ["chown", "chmod", "checksum"]) expanded(here, flagOf(instruction, name) ?? "");
  for (const { quoted, content } of heredocs) if (!quoted) expanded(here, content, true);
  expanded(here, destination);
  for (const source of sources) {
    const path = expanded(here, source);
    if (path !== undefined && (flagOf(instruction, "from") ?? "") === "") ignoredSource(here, path);
  }
}

/** As it is written: of "./a/b" only what "a" is counts, and "./a" is not looked at, as in BuildKit. */
function ignoredSource(here: Here, source: string): void {
  const { instruction, ignored, say } = here;
  if (ignored.patterns.length === 0 || !mayDo(here, ignored.patterns.length) || /^[a-z]+:\/\/|^git@/.test(source)) return;
  const parent = posix.normalize(posix.dirname(source));
  const isMatch = posix.normalize(source) === source ? ignored.matches(source) : parent !== "." && ignored.matches(parent);
  if (isMatch) say("CopyIgnoredFile", `Attempting to ${instruction.keyword === "ADD" ? "Add" : "Copy"} file ${quote(source)} that is excluded by .dockerignore`, instruction);
}

/** The word, and something said of each variable in it that is not there. Undefined: it cannot be known. */
function expanded(here: Here, word: string, raw = false): string | undefined {
  const { scope, instruction, dockerfile, say } = here;
  const unset = new Set<string>();
  let isKnown = true;
  const lookup = (name: string): string | undefined => {
    if (!scope.variables.has(name)) {
      if (!scope.declared.has(name) && !noVariables.has(name)) unset.add(name);
      isKnown &&= !scope.isOpen;
      return undefined;
    }
    isKnown &&= scope.variables.get(name) !== undefined;
    return scope.variables.get(name) ?? "";
  };
  const text = tryExpand(word, dockerfile, { lookup, work: here.budget }, raw);
  if (!mayDo(here, unset.size * WARNING)) return isKnown ? text : undefined;
  for (const name of scope.isOpen ? [] : unset) say("UndefinedVar", `Usage of undefined variable '$${name}'${didYouMean(here, "$", name, new Set(scope.variables.keys()))}`, instruction);
  return isKnown ? text : undefined;
}

/** Undefined for what cannot be expanded: the build says so itself. */
const tryExpand = (word: string, { escape }: Dockerfile, how: Pick<Expansion, "lookup" | "work">, raw = false): string | undefined =>
  trying(() => expandWord(word, raw ? { ...how, escape: "\\", quotes: "ignore" } : { ...how, escape }));

function trying<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

function didYouMean(visit: Visit, prefix: string, name: string, known: ReadonlySet<string>): string {
  const match = mayDo(visit, known.size * name.length) ? nearest(name, [...known], { exactCase: true }) : undefined;
  return match === undefined ? "" : ` (did you mean ${prefix}${match}?)`;
}
