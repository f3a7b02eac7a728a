/**
 * Steps as they are shown: BuildKit's vertices. A vertex's id is made of what the step is and of its inputs' vertices, so
 * that the same definition has the same id in every build; steps of one definition are one vertex. Pure.
 */
import { sha256 } from "#base/digest.ts";
import type { BuildEvent, PlannedVertex, VertexGroup } from "../events.ts";
import type { Graph, Step } from "../graph.ts";

export type Vertices = {
  /** Of each step that is needed; "" of the others. */
  readonly ids: readonly string[];
  /** Of each step, the first that is the same. */
  readonly same: readonly number[];
  /** Steps that the targets need, in the order of the graph; of the same ones the first. */
  readonly needed: readonly number[];
};

export function verticesOf({ steps }: Graph, targets: readonly number[]): Vertices {
  const needed = neededBy(steps, targets);
  const ids: string[] = new Array(steps.length).fill("");
  const same = steps.map((_, index) => index);
  const first = new Map<string, number>();
  for (const index of needed) {
    const { op, platform, noCache = false, inputs } = steps[index]!;
    // Not canonical: whoever writes the same instruction into a graph writes the same members in the same order.
    const id = sha256(JSON.stringify([op, platform, noCache, inputs.map((input) => ids[input]!)]));
    ids[index] = id;
    if (!first.has(id)) first.set(id, index);
    same[index] = first.get(id)!;
  }
  return { ids, same, needed: needed.filter((index) => same[index] === index) };
}

function neededBy(steps: readonly Step[], targets: readonly number[]): number[] {
  const needed = new Uint8Array(steps.length);
  for (const target of targets) needed[target] = 1;
  for (let index = steps.length - 1; index >= 0; index--) {
    if (needed[index] === 1) for (const input of steps[index]!.inputs) needed[input] = 1;
  }
  return steps.flatMap((_, index) => (needed[index] === 1 ? [index] : []));
}

/** A scratch step is nothing to look at. */
export const isShown = ({ op }: Step): boolean => op.kind !== "scratch";

export function groupOf(steps: readonly Step[], ids: readonly string[], index: number): { readonly group?: VertexGroup } {
  const { group, inputs } = steps[index]!;
  return group === undefined ? {} : { group: { id: ids[group.weak ? index : inputs.at(-1)!]!, ...group } };
}

export function planEvent({ steps }: Graph, { ids, needed }: Vertices): Extract<BuildEvent, { kind: "plan" }> {
  const vertices = needed.filter((index) => isShown(steps[index]!)).map((index): PlannedVertex => {
    const { name, instruction, stage } = steps[index]!;
    return { id: ids[index]!, name, ...groupOf(steps, ids, index), ...(instruction !== undefined && { instruction }), ...(stage !== undefined && { stage }) };
  });
  return { kind: "plan", vertices };
}
