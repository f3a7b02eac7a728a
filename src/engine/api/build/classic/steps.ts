/** The steps of a classic build: what is told as "Step 3/5", and the ids of what they result in. Pure. */
import { hash } from "node:crypto";
import type { ToldInstruction } from "#builder/events.ts";

export type Step = Pick<ToldInstruction, "text" | "stage" | "onBuild" | "vertex" | "image" | "parent" | "hasImage"> & {
  /** meta: an ARG before the first FROM. run: what the classic builder has a container for. */
  readonly kind: "meta" | "from" | "config" | "file" | "run";
};

export function stepsOf(meta: readonly string[], instructions: readonly ToldInstruction[]): Step[] {
  return [
    ...meta.map((text): Step => ({ text, stage: "", onBuild: false, kind: "meta" })),
    ...instructions.map((told): Step => ({ ...told, kind: kindOfStep(told) })),
  ];
}

function kindOfStep({ text, vertex, image, parent }: ToldInstruction): Step["kind"] {
  const keyword = keywordOf(text);
  if (image !== undefined || parent !== undefined || keyword === "FROM") return "from";
  if (vertex === undefined) return "config";
  return keyword === "COPY" || keyword === "ADD" ? "file" : "run";
}

export const keywordOf = (text: string): string => (/^\S*/.exec(text)![0]).toUpperCase();

/** How many triggers of its base stand after a FROM. */
export function triggersAfter(steps: readonly Step[], from: number): number {
  let count = 0;
  while (steps[from + 1 + count]?.onBuild === true) count += 1;
  return count;
}

/** Twelve characters, as ids are told. */
export const short = (digest: string): string => digest.replace(/^[a-z0-9]+:/, "").slice(0, 12);

/** Of what leads to it: the same build has the same ids. `result`: what the step's vertex resulted in, "" without one. */
export const idAfter = (before: string, text: string, result: string): string => digestOf([before, text, result]);

/** The container of a step, which nobody can ask for once it is told. */
export const containerOf = (before: string, text: string, time: bigint): string => digestOf(["container", before, text, String(time)]);

const digestOf = (parts: readonly string[]): string => hash("sha256", JSON.stringify(parts), "hex").slice(0, 12);
