/** What lint has to say of a Dockerfile that is planned. */
import { normalizePlatform } from "#spec/platform.ts";
import type { Instruction } from "../dockerfile/dockerfile.ts";
import { lintDockerfile, type LintBase, type LintInput } from "../dockerfile/lint.ts";
import type { BuildWarning } from "../events.ts";
import { globalArgs } from "./global-args.ts";
import { PATH, splitPair } from "./image-state.ts";
import type { BaseImage, PlanInput } from "./plan.ts";

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

/** Of none: of plain files, of nothing. */
export function lintBase(image: BaseImage | undefined): LintBase {
  const { Env, Shell } = (image?.document["config"] ?? {}) as { readonly Env?: readonly string[] | null; readonly Shell?: readonly string[] | null };
  return { variables: new Map([["PATH", PATH], ...(Env ?? []).map(splitPair)]), hasShell: (Shell ?? []).length > 0 };
}
