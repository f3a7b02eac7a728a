/** What lint has to say of a Dockerfile that is planned, or only checked. */
import { normalizePlatform } from "#spec/platform.ts";
import { canonical, tryReference, withDefaultTag } from "#spec/reference.ts";
import { lintDockerfile } from "../dockerfile/lint.ts";
import type { BuildWarning } from "../events.ts";
import { globalArgs } from "./global-args.ts";
import type { BaseImage, PlanInput } from "./plan.ts";
import { findContext } from "./sources.ts";
import { openStages } from "./stages.ts";

export type Known = {
  /** The base images that were resolved, by what FROM says (expanded). */
  readonly images: ReadonlyMap<string, BaseImage>;
  /** Indexes of the stages that the target needs; undefined: all are looked at. */
  readonly stages?: ReadonlySet<number>;
};

/** Of one platform: with several, the others would say the same. */
export function lintPlan({ dockerfile, request, ignore, host }: PlanInput, { images, stages }: Known): BuildWarning[] {
  const machines = { host: normalizePlatform(host), target: normalizePlatform(request.platforms[0] ?? host), stage: request.target || dockerfile.stages.at(-1)?.name || "" };
  const check = request.buildArgs["BUILDKIT_DOCKERFILE_CHECK"];
  return lintDockerfile(dockerfile, {
    file: request.dockerfile.path,
    ...(check !== undefined && { check }),
    args: globalArgs(dockerfile, request.buildArgs, machines),
    defaults: globalArgs(dockerfile, {}, machines),
    buildArgs: request.buildArgs,
    ignore,
    variables: (base) => variablesOf(images.get(base)),
    ...(stages !== undefined && { stages }),
  });
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
    const reference = tryReference(base);
    if (reference === undefined) return;
    const image = await input.images.resolve(canonical(withDefaultTag(reference)), { platform: target, pull: false, signal: input.signal }).catch(() => undefined);
    if (image !== undefined) images.set(base, image);
  }));
  return lintPlan(input, { images, ...(needed !== undefined && { stages: new Set(needed.flatMap(({ index }) => index ?? [])) }) });
}

function variablesOf(image: BaseImage | undefined): string[] | undefined {
  if (image === undefined) return undefined;
  const { Env = [] } = (image.document["config"] ?? {}) as { readonly Env?: readonly string[] | null };
  return ["PATH", ...(Env ?? []).map((pair) => pair.split("=")[0]!)];
}
