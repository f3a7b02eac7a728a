/**
 * The Dockerfile as a value. Pure: text in, instructions with positions out; nothing is expanded and nothing looked up.
 *
 *     const { stages, meta, directives, warnings } = parseDockerfile(text, { name: "Dockerfile" });
 *     expandWord("${a:-b}/c", { lookup, escape: "\\" })                     // "b/c"
 *
 * A failure is `invalid`, its message BuildKit's and classic's ("dockerfile parse error on line 3: unknown instruction:
 * FRM (did you mean FROM?)"), its facts `{ lines: [3, 3] }`. Work is bounded: linear in the text, at most MAX_DOCKERFILE
 * bytes, MAX_STAGES stages; an expansion has at most MAX_EXPANSION bytes.
 */
export type Dockerfile = {
  /** syntax, escape, check: as written, of the lines before anything else. */
  readonly directives: Readonly<Record<string, string>>;
  readonly escape: "\\" | "`";
  /** ARGs before the first FROM. */
  readonly meta: readonly Instruction[];
  readonly stages: readonly Stage[];
  /** The lines as they stand, for showing where an error is. */
  readonly lines: readonly string[];
};

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
  /** In upper case. */
  readonly keyword: string;
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
  /** Comment lines directly above it (descriptions of stages and ARGs). */
  readonly comment: string;
};

export type Heredoc = {
  readonly name: string;
  /** Not to be expanded: the word was quoted. */
  readonly quoted: boolean;
  /** <<- : leading tabs are gone. */
  readonly stripTabs: boolean;
  readonly content: string;
  /** Descriptor number before <<, 0 if none. */
  readonly descriptor: number;
};

export const MAX_DOCKERFILE = 16 * 2 ** 20;
export const MAX_STAGES = 10_000;
export const MAX_EXPANSION = 2 ** 20;
