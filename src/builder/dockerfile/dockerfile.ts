/**
 * The Dockerfile as a value. Pure: text in, instructions with positions out; nothing is expanded and nothing looked up.
 *
 *     const { stages, meta, directives } = parseDockerfile(bytes);          // parse.ts; parseTrigger(text) for ONBUILD's
 *     expandWord("${a:-b}/c", { lookup, escape: "\\" })                     // expand.ts: "b/c"
 *     splitWords("$ports 80", { lookup, escape: "\\" })                     // expand.ts: ["1", "2", "80"]
 *     pairsOf(env), argsOf(arg), wordsOf(volume), transferOf(copy),         // arguments.ts: what an instruction's text says
 *       commandOf(run), healthcheckOf(healthcheck)
 *     flagOf(copy, "from"), flagsOf(run, "mount"), isSet(copy, "link")      // flags.ts
 *     compilePatterns(parseIgnore(text)).matches("a/b")                     // spec/path-patterns.ts: .dockerignore, --exclude
 *     lintDockerfile(dockerfile, input), lintFailure(…)                     // lint.ts
 *     showLines("Dockerfile", source, [3, 3])                               // show-lines.ts: as BuildKit shows where an error is
 *
 * A failure is `invalid`, its message BuildKit's ("dockerfile parse error on line 3: unknown instruction: FRM (did you
 * mean FROM?)"), its facts `{ lines: [3, 3], phase }`: "syntax" when the file could not be read as instructions at all,
 * "instructions" when one of them is wrong. Everything that can be wrong in an instruction before expansion is said by
 * parseDockerfile, of all stages. Work is bounded: linear in the text, at most MAX_DOCKERFILE bytes, MAX_STAGES stages,
 * MAX_INSTRUCTIONS instructions; an expansion has at most MAX_EXPANSION bytes.
 */
export type Dockerfile = {
  /** syntax, escape, check: as written, of the lines before anything else. */
  readonly directives: Readonly<Record<string, string>>;
  readonly escape: Escape;
  /** ARGs before the first FROM. */
  readonly meta: readonly Instruction[];
  readonly stages: readonly Stage[];
  /** As it stands, for showing where an error is. */
  readonly source: string;
  /** Lines on which an empty line within a continued instruction was left out. */
  readonly emptyContinuations: readonly number[];
};

export type Escape = "\\" | "`";

export type Stage = {
  /** The FROM. */
  readonly from: Instruction;
  /** Lower case, "" if it has none; and what the FROM says, unexpanded. */
  readonly name: string;
  readonly base: string;
  readonly platform: string | undefined;
  readonly instructions: readonly Instruction[];
};

export type Instruction = {
  /** In upper case, and as it was written. */
  readonly keyword: string;
  readonly written: string;
  /** "--mount=type=cache,target=/x" → { name: "mount", value: "type=cache,target=/x" }; undefined for a bare flag. Unexpanded. */
  readonly flags: readonly { readonly name: string; readonly value: string | undefined }[];
  /** What follows the flags, continuation lines joined, comments among them left out. */
  readonly text: string;
  /** The exec form, if it is one: a JSON array of strings. */
  readonly json: readonly string[] | undefined;
  readonly heredocs: readonly Heredoc[];
  /** From 1, both included; with heredocs. */
  readonly lines: readonly [number, number];
  /** On one line, as the classic builder prints it after "Step 3/5 : ". */
  readonly original: string;
  /** Comment lines directly above it (descriptions of stages and ARGs), without their #. */
  readonly comments: readonly string[];
  /** Of its file. */
  readonly escape: Escape;
};

export type Heredoc = {
  readonly name: string;
  /** Not to be expanded: the word was quoted. */
  readonly quoted: boolean;
  /** <<- : tabs at the beginning of its lines do not count. */
  readonly stripTabs: boolean;
  /** As it is written; textOf (heredocs.ts) is what it says. */
  readonly content: string;
  /** Descriptor number before <<, 0 if none. */
  readonly descriptor: number;
};

export const MAX_DOCKERFILE = 4 * 2 ** 20;
export const MAX_STAGES = 10_000;
export const MAX_INSTRUCTIONS = 20_000;
export const MAX_EXPANSION = 2 ** 20;
