/** What lint has to say of a Dockerfile that is planned, or only checked. */
import { normalizePlatform } from "#spec/platform.ts";
import { canonical, tryReference, withDefaultTag } from "#spec/reference.ts";
import type { Instruction } from "../dockerfile/dockerfile.ts";
import { lintDockerfile, type LintBase, type LintInput } from "../dockerfile/lint.ts";
import type { BuildWarning } from "../events.ts";
import { globalArgs } from "./global-args.ts";
import { PATH, splitPair } from "./image-state.ts";
import type { BaseImage, PlanInput } from "./plan.ts";
import { findContext } from "./sources.ts";
import { openStages, type StageNode } from "./stages.ts";

export type Known = {
  /** By stages' indexes. */
  readonly bases: LintInput["bases"];
  readonly replaced?: ReadonlySet<number>;
  /** Indexes of the stages that the target needs; undefined: all are looked at. */
  readonly stages?: ReadonlySet<number>;
  readonly triggers?: ReadonlyMap<number, readonly Instruction[]>;
};

/** Of one platform: with several, the others would say the same. */
export function lintPlan({ dockerfile, request, ignore, host }: PlanInput, { bases, replaced, stages, triggers }: Known): BuildWarning[] {
  const machines = { host: normalizePlatform(host), target: normalizePlatform(request.platforms[0] ?? host), stage: request.target || dockerfile.stages.at(-1)?.name || "" };
  const check = request.buildArgs["BUILDKIT_DOCKERFILE_CHECK"];
  return lintDockerfile(dockerfile, {
    file: request.dockerfile.path,
    ...(check !== undefined && { check }),
    args: globalArgs(dockerfile, request.buildArgs, machines),
    defaults: defaultsOf(() => globalArgs(dockerfile, {}, machines)),
    buildArgs: request.buildArgs,
    ignore,
    bases,
    ...(replaced !== undefined && { replaced }),
    ...(stages !== undefined && { stages }),
    ...(triggers !== undefined && { triggers }),
  });
}

/** "${X:?}" of an argument that only --build-arg gives is no default, and no failure of this build. */
function defaultsOf(read: () => ReadonlyMap<string, string>): ReadonlyMap<string, string> | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** `--check`: nothing is planned. A base image that cannot be had is no reason to say nothing. @throws invalid, as a build would */
export async function checkPlan(input: PlanInput): Promise<BuildWarning[]> {
  const { dockerfile, request, host } = input;
  const target = normalizePlatform(request.platforms[0] ?? host);
  const args = globalArgs(dockerfile, request.buildArgs, { host: normalizePlatform(host), target, stage: request.target });
  const stages = openStages(dockerfile, { args, noCache: false, host, context: (name, platform) => findContext(request.contexts, name, platform ?? target) });
  const needed = request.target === "" ? undefined : stages.needed(stages.target(request.target));
  const bases = new Set((needed ?? stages.list).flatMap(({ parent, base, context }) => (parent === undefined && context === undefined && base !== "scratch" ? [base] : [])));
  const images = new Map<string, BaseImage>();
  await Promise.all([...bases].map(async (base) => {
    const reference = tryReference(imageOf(base, findContext(request.contexts, base, target)));
    if (reference === undefined) return;
    const image = await input.images.resolve(canonical(withDefaultTag(reference)), { platform: target, pull: false, signal: input.signal }).catch(() => undefined);
    if (image !== undefined) images.set(base, image);
  }));
  return lintPlan(input, { bases: knownBases(stages.list, images), ...(needed !== undefined && { stages: new Set(needed.flatMap(({ index }) => index ?? [])) }) });
}

/** A context stands for it that may be an image; of another one ("") there is nothing to look up. */
function imageOf(base: string, context: string | undefined): string {
  return context === undefined ? base : (/^docker-image:(?:\/\/)?(.+)$/s.exec(context)?.[1] ?? "");
}

function knownBases(list: readonly StageNode[], images: ReadonlyMap<string, BaseImage>): LintInput["bases"] {
  return new Map(list.flatMap(({ index, base }) => (index !== undefined && (base === "scratch" || images.has(base)) ? [[index, lintBase(images.get(base))] as const] : [])));
}

/** Of none: of plain files, of nothing. */
export function lintBase(image: BaseImage | undefined): LintBase {
  const { Env, Shell } = (image?.document["config"] ?? {}) as { readonly Env?: readonly string[] | null; readonly Shell?: readonly string[] | null };
  return { variables: new Map([["PATH", PATH], ...(Env ?? []).map(splitPair)]), hasShell: (Shell ?? []).length > 0 };
}
