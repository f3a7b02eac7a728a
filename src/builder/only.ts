/** Questions about a Dockerfile that are answered without building it: JSON of the fields that BuildKit's subrequests have. */
import type { BuildRequest } from "./builder.ts";
import type { Definition } from "./definition.ts";
import { argsOf, descriptionOf } from "./dockerfile/arguments.ts";
import type { Dockerfile, Instruction, Stage } from "./dockerfile/dockerfile.ts";
import type { BuildWarning } from "./events.ts";
import type { Plan, PlanInput } from "./plan/plan.ts";
import { showSvg } from "./plan/show-svg.ts";
import { showText } from "./plan/show-text.ts";
import { checkPlan } from "./plan/warnings.ts";

type Question = { readonly request: BuildRequest; readonly definition: Definition; readonly dockerfile: Dockerfile; readonly input: PlanInput; readonly plan: () => Promise<Plan> };

export async function answerOnly(what: NonNullable<BuildRequest["only"]>, question: Question): Promise<string> {
  return JSON.stringify(await answers[what](question));
}

const answers: Readonly<Record<NonNullable<BuildRequest["only"]>, (question: Question) => Promise<unknown>>> = {
  check: async ({ definition, input }) => ({ warnings: (await checkPlan(input)).map(warningOf), sources: [sourceOf(definition)] }),
  targets: async ({ definition, dockerfile }) => ({ targets: dockerfile.stages.map((stage, at) => targetOf(stage, at === dockerfile.stages.length - 1)), sources: [definition.text.toString("base64")] }),
  outline: async (question) => outlineOf(question),
  plan: async ({ plan }) => planOf(await plan()),
};

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

async function outlineOf({ request, definition, dockerfile, plan }: Question): Promise<unknown> {
  const { graph } = await plan();
  const stage = dockerfile.stages.find(({ name }) => name !== "" && name === request.target.toLowerCase()) ?? dockerfile.stages.at(-1)!;
  const mounts = graph.steps.flatMap(({ op }) => (op.kind === "exec" ? op.mounts : []));
  const named = (type: "secret" | "ssh") => unique(mounts.flatMap((mount) => (mount.type === type && "required" in mount ? [{ name: mount.id, ...(mount.required && { required: true }) }] : [])));
  const caches = unique(mounts.flatMap((mount) => (mount.type === "cache" ? [{ ID: mount.id }] : [])));
  const description = descriptionOf(stage.from.comments, stage.name);
  return {
    ...(stage.name !== "" && { name: stage.name }),
    ...(description !== "" && { description }),
    args: [...dockerfile.meta, ...stage.instructions.filter(({ keyword }) => keyword === "ARG")].flatMap((instruction) => argsOfOutline(instruction, request)),
    secrets: named("secret"),
    ssh: named("ssh"),
    cache: caches,
    sources: [definition.text.toString("base64")],
  };
}

function argsOfOutline(instruction: Instruction, { buildArgs }: BuildRequest): unknown[] {
  return argsOf(instruction).map(({ key, value }) => {
    const given = Object.hasOwn(buildArgs, key) ? buildArgs[key] : value;
    const description = descriptionOf(instruction.comments, key);
    return { name: key, ...(description !== "" && { description }), ...(given !== undefined && { value: given }), location: linesOf(instruction) };
  });
}

const unique = <T>(items: readonly T[]): T[] => [...new Map(items.map((item) => [JSON.stringify(item), item])).values()];
