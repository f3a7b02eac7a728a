/**
 * Steps as they are shown: BuildKit's vertices. A vertex's id is made of what the step is and of its inputs' vertices, so
 * that the same definition has the same id in every build; steps of one definition are one vertex. Pure.
 */
import { sha256 } from "#base/digest.ts";
import type { BuildEvent, PlannedVertex } from "../events.ts";
import type { Graph, Step } from "../graph.ts";
import { canonical } from "./keys.ts";

export type Vertices = {
  /** Of each step. */
  readonly ids: readonly string[];
  /** Of each step, the first that is the same. */
  readonly same: readonly number[];
  /** Steps that the targets need, in the order of the graph; of the same ones the first. */
  readonly needed: readonly number[];
};

export function verticesOf({ steps }: Graph, targets: readonly number[]): Vertices {
  const ids: string[] = [];
  const first = new Map<string, number>();
  const same: number[] = [];
  steps.forEach((step, index) => {
    const id = sha256(canonical([step.op, step.platform, step.noCache === true, step.inputs.map((input) => ids[input]!)]));
    ids.push(id);
    if (!first.has(id)) first.set(id, index);
    same.push(first.get(id)!);
  });
  return { ids, same, needed: neededBy(steps, targets, same) };
}

function neededBy(steps: readonly Step[], targets: readonly number[], same: readonly number[]): number[] {
  const needed = new Set(targets.map((target) => same[target]!));
  for (let index = steps.length - 1; index >= 0; index--) {
    if (needed.has(index)) for (const input of steps[index]!.inputs) needed.add(same[input]!);
  }
  return [...needed].toSorted((a, b) => a - b);
}

/** A scratch step is nothing to look at. */
export const isShown = ({ op }: Step): boolean => op.kind !== "scratch";

export function planEvent({ steps }: Graph, { ids, needed }: Vertices): Extract<BuildEvent, { kind: "plan" }> {
  const vertices = needed.filter((index) => isShown(steps[index]!)).map((index): PlannedVertex => {
    const { name, instruction, stage } = steps[index]!;
    return { id: ids[index]!, name, ...(instruction !== undefined && { instruction }), ...(stage !== undefined && { stage }) };
  });
  return { kind: "plan", vertices };
}
