/**
 * Provenance by SLSA's words: what an image was built of and how. Nothing in it could be a secret: of build arguments there
 * are the names only, of addresses no user and no query, and no name of this machine (security BLD-13).
 */
import { formatTime, nowNanos } from "#base/clock.ts";
import { fail } from "#base/errors.ts";
import { formatPlatform } from "#spec/platform.ts";
import { tryReference } from "#spec/reference.ts";
import type { Outcome } from "../build.ts";
import type { Provenance } from "../builder.ts";
import type { Step } from "../graph.ts";
import { neededSteps } from "../plan/show-text.ts";
import { imageUrl, type Predicate } from "./attestations.ts";
import type { Making } from "./images.ts";

const BUILD_TYPE = "https://mobyproject.org/buildkit@v1";

type Options = Readonly<Record<string, string>>;

type Described = Pick<Making, "outcome" | "version"> & { readonly options: Pick<Making["options"], "epoch"> };

/** `index`: of the image among those that were planned. With an epoch, the same build says the same. */
export function provenance({ outcome, options: { epoch }, version }: Described, options: Options, index: number): Predicate {
  const mode = options["mode"] ?? "min";
  if (mode !== "min" && mode !== "max") throw fail("invalid", `invalid mode ${JSON.stringify(mode)} of provenance`);
  const wanted = options["version"] ?? "v0.2";
  const facts: Facts = {
    outcome,
    steps: neededSteps(outcome.plan.graph, [outcome.plan.images[index]!.step]),
    platform: formatPlatform(outcome.plan.images[index]!.platform),
    started: outcome.started === undefined ? undefined : formatTime(outcome.started),
    finished: epoch === undefined ? formatTime(nowNanos()) : undefined,
    builder: { id: options["builder-id"] ?? "" },
    full: mode === "max",
    version,
  };
  if (wanted === "v1") return { type: "https://slsa.dev/provenance/v1", value: first(facts) };
  if (wanted === "v0.2") return { type: "https://slsa.dev/provenance/v0.2", value: early(facts) };
  throw fail("invalid", `invalid version ${JSON.stringify(wanted)} of provenance`);
}

type Facts = {
  readonly outcome: Outcome;
  readonly steps: readonly number[];
  readonly platform: string;
  readonly started: string | undefined;
  readonly finished: string | undefined;
  readonly builder: { readonly id: string };
  readonly full: boolean;
  readonly version: string;
};

function early(facts: Facts): Record<string, unknown> {
  const { outcome: { request }, started, finished, full, builder, platform } = facts;
  return {
    builder,
    buildType: BUILD_TYPE,
    materials: materials(facts),
    invocation: { configSource: configSource(facts), parameters: parameters(facts), environment: { platform } },
    ...(full && { buildConfig: { steps: definition(facts) } }),
    metadata: {
      ...(finished !== undefined && { buildInvocationID: request.ref, ...(started !== undefined && { buildStartedOn: started }), buildFinishedOn: finished }),
      completeness: { parameters: full, environment: true, materials: false },
      reproducible: false,
      ...vcs(facts),
    },
  };
}

/** Which commit the client's files are of, as it says. */
function vcs({ outcome: { request: { said = {} } } }: Facts): Record<string, unknown> {
  const found = Object.entries(said).flatMap(([key, value]) => (key.startsWith("vcs:") ? [[key.slice("vcs:".length), withoutSecrets(value)]] : []));
  return found.length === 0 ? {} : { "https://mobyproject.org/buildkit@v1#metadata": { vcs: Object.fromEntries(found) } };
}

function first(facts: Facts): Record<string, unknown> {
  const { outcome: { request }, started, finished, full, builder, platform, version } = facts;
  return {
    buildDefinition: {
      buildType: "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md",
      externalParameters: { configSource: configSource(facts), request: parameters(facts) },
      internalParameters: { builderPlatform: platform, ...(full && { buildConfig: { steps: definition(facts) } }) },
      resolvedDependencies: materials(facts),
    },
    runDetails: {
      builder: { ...builder, version: { gantry: version } },
      metadata: finished === undefined ? {} : { invocationId: request.ref, ...(started !== undefined && { startedOn: started }), finishedOn: finished },
    },
  };
}

function configSource({ outcome: { request: { context, dockerfile } } }: Facts): Record<string, unknown> {
  return { ...(context !== "" && { uri: withoutSecrets(context) }), entryPoint: dockerfile.path };
}

function parameters({ outcome: { request, plan }, full }: Facts): Record<string, unknown> {
  // A Dockerfile of a client's folder is read from one, too.
  const locals = [...new Set([...plan.graph.steps.flatMap(({ op }) => (op.kind === "local" ? [op.name] : [])), ...(request.context === "" ? ["context", "dockerfile"] : [])])].toSorted();
  const named = full ? Object.keys(request.buildArgs).toSorted() : [];
  const args = { ...(request.target !== "" && { target: request.target }), ...Object.fromEntries(named.map((name) => [`build-arg:${name}`, ""])) };
  return {
    frontend: "dockerfile.v0",
    // Clients read them as texts by names, as BuildKit writes them: here without the values.
    ...(Object.keys(args).length > 0 && { args }),
    locals: locals.map((name) => ({ name })),
  };
}

/** For the history: with everything that is known, whatever was asked for. Of an image for one platform without its name. */
export function pastProvenance(outcome: Outcome, version: string): Provenance[] {
  const { request: { attestations, buildArgs }, plan: { images, multiPlatform } } = outcome;
  const builder = attestations["provenance"]?.["builder-id"];
  const options: Options = { mode: "max", ...(builder !== undefined && { "builder-id": builder }), ...(/^(?:1|t|true)$/i.test(buildArgs["BUILDKIT_HISTORY_PROVENANCE_V1"] ?? "") && { version: "v1" }) };
  return images.map(({ platform }, index) => {
    const { type, value } = provenance({ outcome, options: { epoch: undefined }, version }, options, index);
    return { type, text: JSON.stringify(value, null, 2), ...(multiPlatform && { platform: formatPlatform(platform) }) };
  });
}

/** Images, repositories and files that came from elsewhere, each once. */
function materials({ outcome: { plan, solved }, steps }: Facts): unknown[] {
  const found = steps.flatMap((index) => material(plan.graph.steps[index]!, solved.steps.get(index)?.tree));
  return [...new Map(found.map((one) => [one.uri, one])).values()];
}

type Material = { readonly uri: string; readonly digest: Readonly<Record<string, string>> };

function material({ op, platform }: Step, tree: { readonly kind: string; readonly entries?: readonly { readonly digest?: string }[] } | undefined): Material[] {
  switch (op.kind) {
    case "image":
      return [{ uri: `${tryReference(op.reference) === undefined ? op.reference : imageUrl(op.reference)}?platform=${encodeURIComponent(formatPlatform(platform))}`, digest: { sha256: op.manifest.slice(7) } }];
    case "git":
      return [{ uri: `${withoutSecrets(op.url)}${op.ref === "" ? "" : `#${op.ref}`}`, digest: op.checksum === undefined ? {} : { sha1: op.checksum } }];
    case "http": {
      const digest = op.checksum ?? tree?.entries?.find((entry) => entry.digest !== undefined)?.digest;
      const [algorithm, value] = digest?.split(":") ?? [];
      return [{ uri: withoutSecrets(op.url), digest: algorithm === undefined || value === undefined ? {} : { [algorithm]: value } }];
    }
    default:
      return [];
  }
}

/** Steps as they follow one another: kinds, inputs and the Dockerfile's own text, unexpanded. */
function definition({ outcome: { plan: { graph } }, steps }: Facts): unknown[] {
  const place = new Map(steps.map((index, at) => [index, `step${at}`]));
  return steps.map((index) => {
    const { op, inputs, instruction } = graph.steps[index]!;
    const written = instruction === undefined || /:\/\/[^/\s]*@/.test(instruction) ? {} : { instruction };
    return { id: place.get(index), kind: op.kind, inputs: inputs.map((input) => place.get(input)), ...written };
  });
}

/** An address without who asks, and without what may be a token. */
export function withoutSecrets(address: string): string {
  return address.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/]*@/i, "$1").replace(/\?[^#]*/, "");
}
