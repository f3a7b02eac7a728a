/** Questions about a Dockerfile that are answered without building it: JSON of the fields that BuildKit's subrequests have. */
import type { BuildRequest } from "./builder.ts";
import type { Definition } from "./definition.ts";
import { Failure, kindOf, messageOf } from "#base/errors.ts";
import { descriptionOf } from "./dockerfile/arguments.ts";
import { lintFailure } from "./dockerfile/lint.ts";
import type { Dockerfile, Instruction, Stage } from "./dockerfile/dockerfile.ts";
import type { BuildWarning } from "./events.ts";
import { outlineArgs } from "./plan/outline.ts";
import { type Plan, planBuild, type PlanInput } from "./plan/plan.ts";
import { showSvg } from "./plan/show-svg.ts";
import { showText } from "./plan/show-text.ts";
import { lintPlan } from "./plan/warnings.ts";

type Question = { readonly request: BuildRequest; readonly definition: Definition; readonly dockerfile: Dockerfile; readonly input: PlanInput; readonly plan: () => Promise<Plan> };

export async function answerOnly(what: NonNullable<BuildRequest["only"]>, question: Question): Promise<string> {
  // As BuildKit writes it: people look at it, too.
  return JSON.stringify(await answers[what](question), undefined, what === "plan" ? undefined : 2);
}

/** `--check` of what cannot be built says that as well. @throws what is no fault of the Dockerfile */
export function refusedCheck(definition: Definition, error: unknown, warnings: readonly BuildWarning[] = []): string {
  return JSON.stringify(refusal(definition, error, warnings), undefined, 2);
}

function refusal(definition: Definition, error: unknown, warnings: readonly BuildWarning[]) {
  if (["cancelled", "internal"].includes(kindOf(error))) throw error;
  const lines = error instanceof Failure ? (error.facts["lines"] as readonly [number, number] | undefined) : undefined;
  const buildError = { message: messageOf(error), ...(lines !== undefined && { location: locationOf([{ start: lines[0], end: lines[1] }]) }) };
  return { warnings: warnings.map(warningOf), sources: [sourceOf(definition)], buildError };
}

const answers: Readonly<Record<NonNullable<BuildRequest["only"]>, (question: Question) => Promise<unknown>>> = {
  check: async ({ definition, dockerfile, input }) => {
    const check = input.request.buildArgs["BUILDKIT_DOCKERFILE_CHECK"];
    try {
      const { warnings } = await planBuild({ ...input, all: input.request.target === "" });
      const violation = lintFailure(dockerfile, warnings, check === undefined ? {} : { check });
      return violation !== undefined ? refusal(definition, violation, warnings) : { warnings: warnings.map(warningOf), sources: [sourceOf(definition)] };
    } catch (error) {
      return refusal(definition, error, lintAnyway(input));
    }
  },
  targets: async ({ definition, dockerfile }) => ({ targets: dockerfile.stages.map((stage, at) => targetOf(stage, at === dockerfile.stages.length - 1)), sources: [definition.text.toString("base64")] }),
  outline: async (question) => outlineOf(question),
  plan: async ({ plan }) => planOf(await plan()),
};

/** Of what cannot be planned: what can be said without knowing any base. */
function lintAnyway(input: PlanInput): BuildWarning[] {
  try {
    return lintPlan(input, { bases: new Map() });
  } catch {
    return [];
  }
}

/** `text` and `svg` are what `--dry-run` prints. */
const planOf = (plan: Plan) => ({ text: showText(plan), svg: showSvg(plan), steps: plan.graph.steps, images: plan.images, unusedArgs: plan.unusedArgs });

function warningOf({ rule, description, url, detail, ranges }: BuildWarning): unknown {
  return { ruleName: rule, description, url, detail, location: locationOf(ranges) };
}

const locationOf = (ranges: readonly { readonly start: number; readonly end: number }[]) => ({
  ranges: ranges.map(({ start, end }) => ({ start: { line: start }, end: { line: end } })),
});

const linesOf = ({ lines: [start, end] }: Instruction) => locationOf([{ start, end }]);

const sourceOf = ({ name, text }: Definition) => ({ filename: name, language: "Dockerfile", data: text.toString("base64") });

function targetOf({ name, base, platform, from }: Stage, last: boolean): unknown {
  const description = descriptionOf(from.comments, name);
  return { ...(name !== "" && { name }), ...(last && { default: true }), ...(description !== "" && { description }), base, ...(platform !== undefined && { platform }), location: linesOf(from) };
}

async function outlineOf({ request, definition, dockerfile, input, plan }: Question): Promise<unknown> {
  const { graph } = await plan();
  const stage = dockerfile.stages.find(({ name }) => name !== "" && name === request.target.toLowerCase()) ?? dockerfile.stages.at(-1)!;
  const mounts = graph.steps.flatMap(({ op, lines }) => (op.kind === "exec" ? op.mounts.map((mount) => ({ mount, lines })) : []));
  const named = (type: "secret" | "ssh") => {
    const found = new Map<string, unknown>();
    for (const { mount, lines } of mounts) {
      if (mount.type !== type || found.has(mount.id)) continue;
      found.set(mount.id, { name: mount.id, ...(mount.required && { required: true }), ...(lines !== undefined && { location: locationOf([{ start: lines[0], end: lines[1] }]) }) });
    }
    return [...found.values()];
  };
  const caches = [...new Set(mounts.flatMap(({ mount }) => (mount.type === "cache" ? [mount.id] : [])))].map((ID) => ({ ID }));
  const args = outlineArgs(input).map(({ name, description, value, lines: [start, end] }) => ({
    name, ...(description !== "" && { description }), ...(value !== undefined && value !== "" && { value }), location: locationOf([{ start, end }]),
  }));
  const description = descriptionOf(stage.from.comments, stage.name);
  const lists = Object.entries({ args, secrets: named("secret"), ssh: named("ssh"), cache: caches }).filter(([, list]) => list.length > 0);
  return {
    ...(stage.name !== "" && { name: stage.name }),
    ...(description !== "" && { description }),
    ...Object.fromEntries(lists),
    sources: [definition.text.toString("base64")],
  };
}
