/** The plan of a build: each platform's target, written into one graph. */
import { fail } from "#base/errors.ts";
import { formatPlatform, normalizePlatform, type Platform } from "#spec/platform.ts";
import { argsOf } from "../dockerfile/arguments.ts";
import type { Instruction } from "../dockerfile/dockerfile.ts";
import { openWork } from "../dockerfile/expand.ts";
import { parseTrigger, triggerText } from "../dockerfile/parse.ts";
import type { BuildWarning } from "../events.ts";
import { unusedArgs } from "./config-instructions.ts";
import { at, invalid, located } from "./failures.ts";
import { globalArgs, proxyVariables } from "./global-args.ts";
import type { ImageState } from "./image-state.ts";
import type { BaseImage, Plan, PlanInput, PlannedImage, PlannedInstruction } from "./plan.ts";
import { plannedImage, withLabels } from "./planned-image.ts";
import type { PlanScope } from "./scene.ts";
import { type Base, emitBase, findContext, checkBase, resolveBase, rooted } from "./sources.ts";
import { openProgress, performStage } from "./stage.ts";
import { openStages, type StageNode, type Stages } from "./stages.ts";
import { type Known, lintBase, lintPlan } from "./warnings.ts";
import { openSteps } from "./steps.ts";

export async function planBuild(input: PlanInput): Promise<Plan> {
  const { request, host, dockerfile } = input;
  const common = { input, steps: openSteps(), work: openWork(), taken: new Set(dockerfile.meta.flatMap((instruction) => argsOf(instruction).map(({ key }) => key))), resolve: resolveOnce(input) };
  const platforms = request.platforms.length === 0 ? [host] : request.platforms;
  const severalPlatforms = platforms.length > 1 || /^(1|t|true)$/i.test(request.buildArgs["BUILDKIT_MULTI_PLATFORM"] ?? "");
  const planned: PlatformPlan[] = [];
  for (const platform of platforms) planned.push(await planPlatform({ ...common, target: normalizePlatform(platform), severalPlatforms }));
  return {
    graph: { steps: common.steps.finish() },
    images: planned.map(({ image }) => image),
    multiPlatform: severalPlatforms,
    warnings: planned[0]!.warnings,
    instructions: planned[0]!.told,
    unusedArgs: unusedArgs(request.buildArgs, common.taken),
  };
}

function resolveOnce({ images, request, signal }: PlanInput): PlanScope["resolve"] {
  const asked = new Map<string, Promise<BaseImage>>();
  return (reference, platform, label) => {
    const key = `${reference} ${formatPlatform(platform)}`;
    const answer = asked.get(key) ?? images.resolve(reference, { platform, pull: request.pull, signal, ...(label !== undefined && { label }) });
    asked.set(key, answer);
    return answer;
  };
}

type PlatformPlan = { readonly image: PlannedImage; readonly warnings: readonly BuildWarning[]; readonly told: readonly PlannedInstruction[] };

async function planPlatform(common: Pick<PlanScope, "input" | "steps" | "target" | "taken" | "resolve" | "severalPlatforms" | "work">): Promise<PlatformPlan> {
  const { input, target } = common;
  const { dockerfile, request } = input;
  const { buildArgs } = request;
  const host = normalizePlatform(input.host);
  const args = globalArgs(dockerfile, buildArgs, { host, target, stage: request.target || dockerfile.stages.at(-1)?.name || "" });
  const opened: PlanScope = { ...common, args, buildArgs, proxies: proxyVariables(buildArgs), epoch: epochOf(buildArgs["SOURCE_DATE_EPOCH"] ?? args.get("SOURCE_DATE_EPOCH")), finished: new Map() };
  const stages = openStages(dockerfile, { args, work: common.work, noCache: request.noCache, host, context: (name, platform) => findContext(request.contexts, name, platform ?? target) });
  const last = stages.target(request.target);
  for (const { index, parent, context, base, from } of stages.list) if (index !== undefined && parent === undefined && context === undefined) at(from.lines, () => checkBase(base));
  const { bases, needed } = await openBases(opened, stages, last);
  const scope: PlanScope = request.classic === true ? { ...opened, labelled: last, ...(needed.reduce((sum, { commands }) => sum + commands.length, 0) <= MOST_TOLD && { toldImages: { room: ROOM_TOLD } }) } : opened;
  const warnings: BuildWarning[] = [];
  const told: PlannedInstruction[] = [];
  for (const stage of needed) {
    const progress = openProgress(stage);
    const base = stage.parent === undefined ? emitBase(scope, stage, bases.get(stage)!, progress) : parentState(scope, stage);
    const done = await performStage(scope, stage, stage.commands.length > 0 ? rooted(scope, base) : base, progress);
    scope.finished.set(stage, done.state);
    for (const one of done.told) told.push(one);
    warnings.push(...platformWarning(scope, stage, bases.get(stage)));
  }
  warnings.unshift(...lintPlan(input, linted(needed, bases)));
  const image = plannedImage(scope, rooted(scope, withLabels(scope.finished.get(last)!, request.labels)));
  return { image, warnings, told };
}

/** What images the instructions of a larger Dockerfile make is not told: each is as long as all that are before it. */
const MOST_TOLD = 500;
const ROOM_TOLD = 32 * 2 ** 20;

/** What lint is told of the stages that are needed. */
function linted(needed: readonly StageNode[], bases: ReadonlyMap<StageNode, Base>): Known {
  const stages = needed.filter((stage): stage is StageNode & { index: number } => stage.index !== undefined);
  const known = stages.flatMap((stage) => {
    const base = bases.get(stage);
    return base === undefined ? [] : [[stage.index, lintBase(base.kind === "image" ? base.image : undefined)] as const];
  });
  return {
    bases: new Map(known),
    replaced: new Set(stages.filter(({ context }) => context !== undefined).map(({ index }) => index)),
    stages: new Set(stages.map(({ index }) => index)),
    triggers: new Map(stages.map((stage) => [stage.index, triggersIn(stage)])),
  };
}

/** As they are told: where the FROM is that brings them. */
const triggersIn = ({ commands, from: { lines } }: StageNode): Instruction[] => commands.filter(({ trigger }) => trigger).map(({ instruction }) => ({ ...instruction, lines }));

function epochOf(text: string | undefined): number | undefined {
  if (text === undefined || text === "") return undefined;
  if (!/^-?\d{1,12}$/.test(text)) throw invalid(`invalid SOURCE_DATE_EPOCH: ${text}`);
  return Number(text);
}

function parentState(scope: PlanScope, { parent, title }: StageNode): ImageState {
  const state = scope.finished.get(parent!);
  if (state === undefined) throw fail("internal", `plan stage ${title}: its base was not planned before it`);
  return rooted(scope, state);
}

/** Base images side by side; and once more, as long as ONBUILD triggers ask for others. */
async function openBases(scope: PlanScope, stages: Stages, last: StageNode): Promise<{ bases: ReadonlyMap<StageNode, Base>; needed: StageNode[] }> {
  const bases = new Map<StageNode, Base>();
  const seen = new Set<StageNode>();
  for (;;) {
    const needed = stages.needed(last, { before: scope.input.all === true });
    const open = needed.filter((stage) => stage.parent === undefined && !bases.has(stage));
    await Promise.all(open.map(async (stage) => {
      try {
        bases.set(stage, await resolveBase(scope, stage));
      } catch (error) {
        throw located(error, stage.from.lines);
      }
    }));
    const fresh = needed.filter((stage) => !seen.has(stage) && stage.index !== undefined && stage.context === undefined);
    const triggers = new Map(fresh.map((stage) => [stage, at(stage.from.lines, () => triggersOf(stage, bases.get(stage)))]));
    for (const stage of needed) seen.add(stage);
    if ([...triggers.values()].every((list) => list.length === 0)) return { needed, bases };
    stages.trigger(triggers);
  }
}

/** What the base says is to be done first in every stage that is made of it. */
function triggersOf({ parent }: StageNode, base: Base | undefined): Instruction[] {
  const own = parent?.commands.filter(({ instruction }) => instruction.keyword === "ONBUILD").map(({ instruction }) => triggerText(instruction));
  const config = base?.kind === "image" ? (base.image.document["config"] as { OnBuild?: unknown } | null | undefined) : undefined;
  const texts = own ?? (Array.isArray(config?.OnBuild) ? (config.OnBuild as unknown[]) : []);
  return texts.map((text) => parseTrigger(String(text)));
}

function platformWarning({ target }: PlanScope, stage: StageNode, base: Base | undefined): BuildWarning[] {
  if (base?.kind !== "image" || stage.index === undefined) return [];
  const [actual, wanted] = [base.image.platform, stage.platform ?? target].map(normalizePlatform) as [Platform, Platform];
  if (actual.os === wanted.os && actual.architecture === wanted.architecture) return [];
  return [{
    rule: "InvalidBaseImagePlatform",
    description: "Base image platform does not match expected target platform",
    detail: `Base image ${stage.base} was pulled with platform ${JSON.stringify(formatPlatform(actual))}, expected ${JSON.stringify(formatPlatform(wanted))} for current build`,
    url: "",
    file: "",
    ranges: [{ start: stage.from.lines[0], end: stage.from.lines[1] }],
  }];
}
