/** What a build tells of its Dockerfile: for doors that show instructions, and not the graph's vertices. */
import type { BuildRequest } from "./builder.ts";
import type { Dockerfile } from "./dockerfile/dockerfile.ts";
import type { BuildEvent, ToldInstruction } from "./events.ts";
import type { Plan, PlannedInstruction } from "./plan/plan.ts";
import { verticesOf } from "./solve/vertices.ts";

export function dockerfileEvent({ meta, stages, emptyContinuations }: Dockerfile, { target, labels }: Pick<BuildRequest, "target" | "labels">): Extract<BuildEvent, { kind: "dockerfile" }> {
  const all = [...meta, ...stages.flatMap(({ from, instructions }) => [from, ...instructions])];
  let place = 0;
  /** Both in the order of the file. */
  const around = (line: number): string[] => {
    while (place < all.length && all[place]!.lines[1] < line) place++;
    const found = all[place];
    return found === undefined || found.lines[0] > line ? [] : [found.original];
  };
  return {
    kind: "dockerfile",
    meta: meta.map(({ original }) => original),
    froms: stages.map(({ from }) => ({ text: from.original, line: from.lines[0] })),
    instructions: meta.length + stages.slice(0, lastOf(stages, target) + 1).reduce((sum, { instructions }) => sum + 1 + instructions.length, 0) + Object.keys(labels).length,
    emptyContinuations: emptyContinuations.flatMap(around),
  };
}

/** The target's place; without one, or if there is none of that name, the last. */
function lastOf(stages: Dockerfile["stages"], target: string): number {
  const named = stages.findIndex(({ name }) => name !== "" && name === target.toLowerCase());
  return named >= 0 ? named : /^\d+$/.test(target) ? Number(target) : stages.length - 1;
}

export function instructionsEvent({ graph, images, instructions, unusedArgs }: Plan): Extract<BuildEvent, { kind: "instructions" }> {
  const { ids } = verticesOf(graph, images.map(({ step }) => step));
  /** Ids of images as they are listed: of an image of several platforms, its index's. */
  const listed = new Map(images.flatMap(({ base }) => (base === undefined ? [] : [[base.name, base.digest] as const])));
  const stages = new Set<string>();
  let before: PlannedInstruction | undefined;
  const told = instructions.map((instruction): ToldInstruction => {
    const { text, stage, onBuild, lines, step, image } = instruction;
    const common = { text, stage, onBuild, line: lines[0], ...(image !== undefined && { hasImage: true }) };
    const isFrom = !onBuild && before?.stage !== stage;
    const isOwn = before?.step !== step;
    before = instruction;
    if (!isFrom) return { ...common, ...(isOwn && { vertex: ids[step]! }) };
    stages.add(stage);
    const parent = text.split(/\s+/).slice(1).find((word) => !word.startsWith("--"))?.toLowerCase();
    if (parent !== undefined && parent !== stage && stages.has(parent)) return { ...common, parent };
    const { op } = graph.steps[step]!;
    return { ...common, ...(op.kind === "image" && { image: listed.get(op.reference) ?? op.manifest }), ...(op.kind === "scratch" && { image: "" }) };
  });
  return { kind: "instructions", instructions: told, unusedArgs };
}
