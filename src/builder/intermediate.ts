/** The images after each instruction, of a build that tells of them: known as soon as their layers are. */
import type { BuildOptions, BuildRequest } from "./builder.ts";
import { imageOptions } from "./export/attributes.ts";
import { historyOf } from "./export/configuration.ts";
import { imageDocuments } from "./export/documents.ts";
import { madeBy } from "./export/images.ts";
import type { Plan } from "./plan/plan.ts";
import type { SolveOptions } from "./solve/solve.ts";
import { verticesOf } from "./solve/vertices.ts";

/** To be told what steps result in, each after those below it. */
export function openIntermediates(plan: Plan, request: BuildRequest, tell: NonNullable<BuildOptions["intermediate"]>): NonNullable<SolveOptions["known"]> {
  const { graph, instructions, images } = plan;
  const { same } = verticesOf(graph, images.map(({ step }) => step));
  const steps = new Map<number, Parameters<NonNullable<SolveOptions["known"]>>[1]>();
  const get = (step: number) => steps.get(same[step]!);
  const made = madeBy({ plan, solved: { steps: { get } } });
  return (step, result) => {
    steps.set(step, result);
    if (result.tree.kind !== "layers") return;
    for (const [place, { image, step: last }] of instructions.entries()) {
      if (image === undefined || same[last] !== step) continue;
      const { oci, epoch } = imageOptions(request.exports[0] ?? { type: "image", attributes: {} }, image.sourceDateEpoch);
      tell(place, imageDocuments({ image, layers: result.tree.layers, history: historyOf(image, made, epoch), oci }));
    }
  };
}
