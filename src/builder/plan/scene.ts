/** What an instruction is performed in: its stage as it is so far, and the plan that it writes into. */
import type { Platform } from "#spec/platform.ts";
import type { Instruction } from "../dockerfile/dockerfile.ts";
import type { Step, StepOp } from "../graph.ts";
import { type Expansion, expandWord, type PatternWork, splitWords } from "../dockerfile/expand.ts";
import type { BuildArgs } from "./global-args.ts";
import type { ImageState } from "./image-state.ts";
import type { BaseImage, PlanInput } from "./plan.ts";
import type { StageNode } from "./stages.ts";
import type { Steps } from "./steps.ts";

/** One platform's plan. */
export type PlanScope = {
  readonly input: PlanInput;
  readonly steps: Steps;
  readonly target: Platform;
  /** What FROM sees. */
  readonly args: ReadonlyMap<string, string>;
  readonly buildArgs: BuildArgs;
  readonly proxies: readonly string[];
  /** Names of build arguments that some ARG took. */
  readonly taken: Set<string>;
  readonly severalPlatforms: boolean;
  /** Of all expansions. */
  readonly work: PatternWork;
  readonly epoch: number | undefined;
  /** Of a classic build: the stage whose last steps are the request's labels; and whether it is told what image each instruction makes, for how many characters more of such images. */
  readonly labelled?: StageNode;
  readonly toldImages?: { room: number };
  /** Each image once, whoever asks for it. */
  readonly resolve: (reference: string, platform: Platform, label?: string) => Promise<BaseImage>;
  /** The stages' final states, as soon as they are known. */
  readonly finished: Map<StageNode, ImageState>;
};

export type Scene = {
  readonly scope: PlanScope;
  readonly stage: StageNode;
  readonly state: ImageState;
  readonly instruction: Instruction;
  /** It stands in the base's ONBUILD. */
  readonly trigger: boolean;
  /** Stages and images of its --from and --mount flags, in their order. */
  readonly sources: readonly (StageNode | undefined)[];
  readonly progress: StageProgress;
};

/** What is counted while a stage is worked off. */
export type StageProgress = { index: number; total: number; commandSet: boolean };

export const lookup = ({ state }: Scene) => (name: string): string | undefined => state.variables.get(name);

export const expand = (scene: Scene) => (word: string): string => expandWord(word, { lookup: lookup(scene), escape: scene.instruction.escape, work: scene.scope.work });

export const split = (scene: Scene) => (word: string): string[] => splitWords(word, { lookup: lookup(scene), escape: scene.instruction.escape, work: scene.scope.work });

/** "[linux/arm64 build 2/5] ": where in its stage a step is. */
export function prefixOf(scope: PlanScope, stage: StageNode, progress: StageProgress, platform: Platform, trigger: boolean): string {
  if (progress.total === 0) return "";
  progress.index += 1;
  const machine = scope.severalPlatforms ? `${platformText(platform, scope.target)} ` : "";
  const name = stage.title === "" ? "" : `${stage.title} `;
  return `[${machine}${name}${String(progress.index).padStart(String(progress.total).length)}/${progress.total}] ${trigger ? "ONBUILD " : ""}`;
}

/** "linux/amd64->arm64": what runs here for somewhere else. */
function platformText(platform: Platform, target: Platform): string {
  const own = [platform.os, platform.architecture, platform.variant].filter(Boolean).join("/");
  if (platform.os !== target.os || platform.architecture === target.architecture) return own;
  return `${own}->${[target.architecture, target.variant].filter(Boolean).join("/")}`;
}

/** The step's name: the instruction as it was written, with what its variables are. */
export function stepName(scene: Scene, suffix = "", masked: ReadonlySet<string> = new Set()): string {
  const { scope, stage, progress, state, instruction, trigger } = scene;
  const known = (name: string): string | undefined => (masked.has(name) ? "****" : state.variables.get(name));
  return prefixOf(scope, stage, progress, state.platform, trigger) + readable(instruction, suffix, { lookup: known, work: scope.work });
}

/** Of a RUN the shell's quotes are kept, and the variables that are its own. */
function readable(instruction: Instruction, suffix: string, known: Pick<Expansion, "lookup" | "work">): string {
  const how = { ...known, escape: instruction.escape, ...(instruction.keyword === "RUN" && ({ quotes: "keep", keepUnset: true } as const)) };
  const text = instruction.original.trim() + suffix;
  let shown = text;
  try {
    shown = expandWord(text, how);
  } catch {
    // For people only: what cannot be expanded is shown as it stands.
  }
  return redacted(shown.replace(/^\S+/, (word) => word.toUpperCase()));
}

/** An address without who asks, as BuildKit shows it: what is kept and shown of a build holds no password (security BLD-13). */
export const redacted = (text: string): string => text.replaceAll(/(\b[a-z][a-z0-9+.-]{0,20}:\/\/)[^\s/"']{1,2000}@/gi, "$1xxxxx:xxxxx@");

/** Adds a step of this instruction that goes on from the stage's state. `others`: the inputs after that one. */
export function advance(scene: Scene, op: StepOp, others: readonly number[], name: string, group?: Step["group"]): number {
  const step = addStep(scene, op, [scene.state.step, ...others], name, group);
  scene.state.step = step;
  return step;
}

export function addStep({ scope, stage, state, instruction }: Scene, op: StepOp, inputs: readonly number[], name: string, group?: Step["group"]): number {
  const step: Step = {
    op,
    inputs,
    name,
    ...(group !== undefined && { group }),
    stage: stage.title,
    instruction: instruction.original,
    lines: instruction.lines,
    platform: state.platform,
    ...(stage.noCache && { noCache: true }),
  };
  return scope.steps.add(step);
}

