/** The road of a build: read the Dockerfile, parse it, plan, solve, export. */
import { nowNanos } from "#base/clock.ts";
import { fail, Failure, kindOf } from "#base/errors.ts";
import { sha256 } from "#base/digest.ts";
import type { Lease, Leases } from "#core/leases/leases.ts";
import type { Platform } from "#spec/platform.ts";
import type { Builder, BuildClient, BuildOptions, BuildRequest, BuildResult } from "./builder.ts";
import { definitionFiles, IGNORE_FILE, ignoredDefinition, readIgnore } from "./contexts/definition.ts";
import { type Definition, readDefinition, withSource } from "./definition.ts";
import type { Dockerfile } from "./dockerfile/dockerfile.ts";
import { lintFailure } from "./dockerfile/lint.ts";
import { parseDockerfile } from "./dockerfile/parse.ts";
import type { Exporter } from "./export/export.ts";
import { openFailedSteps } from "./failed-steps.ts";
import type { GitOp, HttpOp } from "./graph.ts";
import { openIntermediates } from "./intermediate.ts";
import { internalStep, type Progress } from "./internal-step.ts";
import { answerOnly, refusedCheck } from "./only.ts";
import { type BaseImages, type Plan, planBuild, type PlanInput } from "./plan/plan.ts";
import { keepsGitDir } from "./plan/sources.ts";
import type { ImportedCache, Solved, Solver } from "./solve/solve.ts";
import { dockerfileEvent, instructionsEvent } from "./told.ts";
import type { FilePool, FileTree } from "./tree.ts";

export type BuilderParts = {
  readonly leases: Leases;
  readonly host: Platform;
  readonly solver: Solver;
  readonly pool: FilePool;
  readonly images: (client: BuildClient, lease: Lease) => BaseImages;
  readonly openRemote: OpenRemote;
  readonly exporter: Exporter;
  /** What --cache-from names. */
  readonly imports?: (request: BuildRequest, options: ImportOptions) => Promise<readonly ImportedCache[]>;
  /** What --cache-to names is written, of what was solved. */
  readonly exportCache?: (outcome: Outcome) => Promise<Readonly<Record<string, string>>>;
  /** A build begins and ends: what is kept of it for `build history`. */
  readonly record?: (request: BuildRequest) => BuildRecorder;
};

/** Of a context that is no folder of the client. */
export type OpenRemote = (url: string, options: RemoteOptions) => Promise<RemoteContext>;
export type RemoteOptions = { readonly client: BuildClient; readonly lease: Lease; readonly signal: AbortSignal; /** A repository's .git belongs to it. */ readonly keepGitDir?: boolean };

export type RemoteContext = {
  readonly tree: FileTree;
  /** What stands for it in the graph. None of a Dockerfile that came alone. */
  readonly op?: GitOp | HttpOp;
  /** The path of what is a Dockerfile by itself. */
  readonly dockerfile?: string;
};

export type ImportOptions = BuildOptions & { readonly client: BuildClient; readonly lease: Lease };

export type BuildRecorder = {
  readonly report: BuildOptions["report"];
  end(outcome: { readonly result?: BuildResult; readonly error?: unknown; readonly solved?: Solved }): Promise<void>;
};

/** What there is to export. */
export type Outcome = BuildOptions & { readonly request: BuildRequest; readonly client: BuildClient; readonly lease: Lease; readonly plan: Plan; readonly solved: Solved; /** Unix nanoseconds. */ readonly started?: bigint };

/** One build, as its steps below see it. */
type Job = BuildOptions & { readonly parts: BuilderParts; readonly request: BuildRequest; readonly client: BuildClient; readonly lease: Lease };

export function openBuilder(parts: BuilderParts): Builder {
  return {
    async build(request, client, { signal, report: tell, intermediate }) {
      // What is only asked of a Dockerfile is no build to be remembered.
      const recorder = request.only === undefined ? parts.record?.(request) : undefined;
      const report = recorder === undefined ? tell : reportBoth(recorder.report, tell);
      using lease = parts.leases.open();
      try {
        const result = await build({ parts, request, client, lease, signal, report, ...(intermediate && { intermediate }) });
        await recorder?.end({ result });
        return result;
      } catch (error) {
        const told = signal.aborted && kindOf(error) !== "cancelled" ? fail("cancelled", "the build was cancelled", { cause: error }) : error;
        await recorder?.end({ error: told });
        throw told;
      }
    },
  };
}

/** Whoever tells waits for the slower one. */
function reportBoth(one: BuildOptions["report"], other: BuildOptions["report"]): BuildOptions["report"] {
  return (event) => {
    const [first, second] = [one(event), other(event)];
    return first === undefined ? second : Promise.all([first, second]).then(() => undefined);
  };
}

async function build(job: Job): Promise<BuildResult> {
  const { parts, request, client, lease, signal, report } = job;
  const started = nowNanos();
  const remote = await openRemote(job);
  const { definition, ignore: own } = await define(job, remote);
  let dockerfile: Dockerfile;
  try {
    dockerfile = parseDockerfile(definition.text, { name: definition.name });
  } catch (error) {
    if (request.only === "check") return { metadata: {}, text: refusedCheck(definition, error) };
    throw withSource(error, definition, undefined);
  }
  const ignore = own ?? (await contextIgnore(job));
  // What came with the Dockerfile is shown as if it had been asked for.
  if (own !== undefined && remote === undefined && !request.dockerfile.separate) await internalStep(report, request.ref, LOADING_IGNORE, async () => {});
  const input = planInput(job, { dockerfile, ignore, remote });
  const plan = () => planBuild(input).catch((error: unknown) => Promise.reject(withSource(error, definition, undefined)));
  if (request.only !== undefined) return { metadata: {}, text: await answerOnly(request.only, { request, definition, dockerfile, input, plan }) };
  report(dockerfileEvent(dockerfile, request));
  const planned = await plan();
  report(instructionsEvent(planned));
  lint(job, dockerfile, planned);
  const solved = await solve(job, planned, definition);
  const outcome: Outcome = { signal, report, request, client, lease, plan: planned, solved, started };
  const result = await parts.exporter(outcome);
  const told = await parts.exportCache?.(outcome);
  return told === undefined ? result : { ...result, metadata: { ...result.metadata, ...told } };
}

/** @throws invalid, where the Dockerfile says that warnings are errors */
function lint({ request, report }: Job, dockerfile: Dockerfile, { warnings }: Plan): void {
  for (const warning of warnings) report({ kind: "warning", vertex: sha256(`${request.ref}\0${loading(request)}`), warning });
  const check = request.buildArgs["BUILDKIT_DOCKERFILE_CHECK"];
  const violation = lintFailure(dockerfile, warnings, check === undefined ? {} : { check });
  if (violation !== undefined) throw violation;
}

async function solve({ parts, request, client, lease, signal, report, intermediate }: Job, plan: Plan, definition: Definition): Promise<Solved> {
  const { run, entitlements } = request;
  await using failed = openFailedSteps();
  const imports = (await parts.imports?.(request, { client, lease, signal, report })) ?? [];
  const targets = plan.images.map(({ step }) => step);
  const known = intermediate && openIntermediates(plan, request, intermediate);
  const keepFailed = request.debugOnFail === true ? failed.keep : undefined;
  const solving = parts.solver.solve(plan.graph, targets, { signal, report, lease, client, run, entitlements, imports, ...(known && { known }), ...(keepFailed && { keepFailed }) });
  return await solving.catch(async (error: unknown) => {
    const failure = withSource(error, definition, linesOf(plan, error));
    if (keepFailed !== undefined) await failed.show(failure, { graph: plan.graph, client, signal });
    throw failure;
  });
}

const loading = ({ dockerfile }: BuildRequest): string => `[internal] load build definition from ${dockerfile.path}`;

async function openRemote({ parts, request, client, lease, signal, report }: Job): Promise<RemoteContext | undefined> {
  const { context, ref } = request;
  if (context === "") return undefined;
  return await internalStep(report, ref, "[internal] load remote build context", () => parts.openRemote(context, { client, lease, signal, keepGitDir: keepsGitDir({ request }) }));
}

type Defined = { readonly definition: Definition; readonly ignore: readonly string[] | undefined };

async function define({ parts: { pool }, request, client, signal, report }: Job, remote: RemoteContext | undefined): Promise<Defined> {
  const { path: given, separate } = request.dockerfile;
  // A Dockerfile's own folder may have a .dockerignore, which says nothing of the context.
  const { tree, path } = await internalStep(report, request.ref, loading(request), async (progress) => {
    const inRemote = !separate && remote !== undefined;
    const path = (inRemote && remote.dockerfile) || given;
    const tree = inRemote ? remote.tree : await client.files(separate ? "dockerfile" : "context", { include: separate ? [path, `${path}${IGNORE_FILE}`] : definitionFiles(path), signal, told: transferring(progress, "dockerfile") });
    return { tree, path };
  });
  const definition = await readDefinition(pool, tree, path);
  if (request.classic === true) return { definition, ignore: ignoredDefinition(path, (await readIgnore(pool, tree, "")) ?? []) };
  const ignore = await readIgnore(pool, tree, path);
  return { definition, ignore: ignore === undefined && (!separate || remote !== undefined) ? [] : ignore };
}

const LOADING_IGNORE = `[internal] load ${IGNORE_FILE}`;

async function contextIgnore({ parts, request, client, signal, report }: Job): Promise<readonly string[]> {
  return await internalStep(report, request.ref, LOADING_IGNORE, async (progress) => {
    const tree = await client.files("context", { include: [IGNORE_FILE], signal, told: transferring(progress, "context") }).catch((error: unknown) => (kindOf(error) === "not-found" ? undefined : Promise.reject(error)));
    return tree === undefined ? [] : ((await readIgnore(parts.pool, tree, IGNORE_FILE)) ?? []);
  });
}

/** In BuildKit's words. */
const transferring = (progress: Progress, what: string) => (current: number, done: boolean) => progress({ id: `transferring ${what}:`, current, total: 0, done });

type Planning = { readonly dockerfile: Dockerfile; readonly ignore: readonly string[]; readonly remote: RemoteContext | undefined };

function planInput(job: Job, { dockerfile, ignore, remote }: Planning): PlanInput {
  const { parts, request, client, lease, signal, report } = job;
  const images = toldImages(parts.images(client, lease), job);
  const ignoreOf = async (folder: string, name: string) =>
    await internalStep(report, request.ref, `[context ${name}] load ${IGNORE_FILE}`, async (progress) => {
      const tree = await client.files(folder, { include: [IGNORE_FILE], signal, told: transferring(progress, folder) });
      return (await readIgnore(parts.pool, tree, IGNORE_FILE)) ?? [];
    });
  return { dockerfile, request, images, host: parts.host, ignore, ignoreOf, signal, ...(remote?.op && { remote: remote.op }) };
}

/** Base images are looked up in vertices of their own. */
function toldImages(images: BaseImages, { request, report }: Job): BaseImages {
  return {
    resolve: (reference, options) =>
      internalStep(report, request.ref, options.label ?? `[internal] load metadata for ${reference}`, (progress) =>
        images.resolve(reference, { ...options, progress: (id, name, current, total) => void ((id !== "" || request.classic === true) && progress({ id, name, current, total })) }),
      ),
  };
}

/** Of the step that failed. */
function linesOf({ graph }: Plan, error: unknown): readonly [number, number] | undefined {
  const step = error instanceof Failure ? error.facts["step"] : undefined;
  return typeof step === "number" ? graph.steps[step]?.lines : undefined;
}
