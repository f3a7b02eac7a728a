/** A stage worked off, instruction by instruction: what it ends as. */
import { fail } from "#base/errors.ts";
import { takeTurns } from "#base/turns.ts";
import { CONFIG_INSTRUCTIONS } from "./config-instructions.ts";
import { copy } from "./copy.ts";
import { at } from "./failures.ts";
import { childState, entriesOf, type ImageState } from "./image-state.ts";
import type { PlannedInstruction } from "./plan.ts";
import { addLabels, imageNow } from "./planned-image.ts";
import { run } from "./run.ts";
import type { PlanScope, Scene, StageProgress } from "./scene.ts";
import type { Command, StageNode } from "./stages.ts";
import { workdir } from "./workdir.ts";

const INSTRUCTIONS: Readonly<Record<string, (scene: Scene) => void>> = { ...CONFIG_INSTRUCTIONS, ADD: copy, COPY: copy, RUN: run, WORKDIR: workdir };

const STEPS: ReadonlySet<string> = new Set(["ADD", "COPY", "RUN", "WORKDIR"]);

/** How many of its steps are counted in the names: "2/5". A FROM is one, if it is an image; it does not know of its triggers. */
export function openProgress(stage: StageNode): StageProgress {
  const own = stage.commands.filter(({ instruction, trigger }) => !trigger && STEPS.has(instruction.keyword)).length;
  const base = stage.index !== undefined && stage.parent === undefined && stage.base !== "scratch" ? 1 : 0;
  return { index: 0, total: stage.index === undefined ? 0 : own + base, commandSet: false };
}

/** `base`: what it goes on from, its own if it is based on no stage. */
export async function performStage(scope: PlanScope, stage: StageNode, base: ImageState, progress: StageProgress): Promise<{ state: ImageState; told: PlannedInstruction[] }> {
  scope.steps.spend(entriesOf(base) * ENTRY);
  const state = childState(base);
  progress.total += stage.commands.filter(({ trigger }) => trigger).length;
  const tell = ({ original, lines }: Pick<StageNode["from"], "original" | "lines">, onBuild: boolean): PlannedInstruction => ({
    text: original, stage: stage.title, lines, onBuild, step: state.step,
    ...imageTold(scope, state),
  });
  const told = stage.index === undefined ? [] : [tell(stage.from, false)];
  const turns = takeTurns();
  for (const command of stage.commands) {
    const lines = command.trigger ? stage.from.lines : command.instruction.lines;
    at(lines, () => perform({ scope, stage, state, progress, ...command, instruction: { ...command.instruction, lines } }));
    // An instruction may be 65,535 ports, and so is the image behind it then.
    await turns(INSTRUCTION);
    told.push(tell({ ...command.instruction, lines }, command.trigger));
    await turns(INSTRUCTION);
  }
  for (const text of stage === scope.labelled ? addLabels(scope, state) : []) told.push(tell({ original: text, lines: stage.from.lines }, false));
  return { state, told };
}

/** Large variables are part of every image behind them. */
function imageTold(scope: PlanScope, state: ImageState): Pick<PlannedInstruction, "image"> {
  const { toldImages } = scope;
  if (toldImages === undefined || toldImages.room <= 0) return {};
  const image = imageNow(scope, state);
  toldImages.room -= JSON.stringify(image).length;
  return { image };
}

/** An instruction may take as long as many entries of a list. */
const INSTRUCTION = 64;

/** Bytes of what a stage takes over from the one it is based on, each. */
const ENTRY = 64;

function perform(scene: Omit<Scene, "sources"> & Pick<Command, "sources">): void {
  const { keyword } = scene.instruction;
  const instruction = Object.hasOwn(INSTRUCTIONS, keyword) ? INSTRUCTIONS[keyword] : undefined;
  if (instruction === undefined) throw fail("invalid", `unknown instruction: ${keyword}`);
  instruction(scene);
}
