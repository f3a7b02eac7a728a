/** The plan of a build: each platform's target, written into one graph. */
import { fail } from "#base/errors.ts";
import type { Plan, PlanInput } from "./plan.ts";

export async function planBuild(input: PlanInput): Promise<Plan> {
  throw fail("not-implemented", `plan ${input.request.ref}: not yet`);
}
