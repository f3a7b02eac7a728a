/** The road of a build: read the Dockerfile, parse it, plan, solve, export. */
import { fail, kindOf } from "#base/errors.ts";
import type { Lease, Leases } from "#core/leases/leases.ts";
import type { Platform } from "#spec/platform.ts";
import type { Builder, BuildClient, BuildOptions, BuildRequest, BuildResult } from "./builder.ts";
import type { GitOp, HttpOp } from "./graph.ts";
import { internalStep } from "./internal-step.ts";
import type { BaseImages, Plan } from "./plan/plan.ts";
import type { Solved, Solver } from "./solve/solve.ts";
import type { FileTree } from "./tree.ts";

/** What was read before anything is planned. */
export type Definition = {
  /** The Dockerfile's name as messages have it. */
  readonly name: string;
  readonly text: Buffer;
  /** Lines of .dockerignore. */
  readonly ignore: readonly string[];
};

export type Remote = GitOp | HttpOp;

export type BuilderParts = {
  readonly leases: Leases;
  readonly host: Platform;
  readonly solver: Solver;
  readonly images: (client: BuildClient, lease: Lease) => BaseImages;
  /** The Dockerfile and its .dockerignore in a tree. @throws not-found with Docker's text */
  readonly readDefinition: (tree: FileTree, path: string) => Promise<Definition>;
  /** A remote context: what it stands for as a step, or a Dockerfile's text. */
  readonly openRemote: (url: string, options: { client: BuildClient; signal: AbortSignal; lease: Lease }) => Promise<FileTree>;
  readonly plan: (definition: Definition, options: PlanOptions) => Promise<Plan>;
  readonly only: (what: NonNullable<BuildRequest["only"]>, definition: Definition, plan: () => Promise<Plan>) => Promise<string>;
  readonly exporter: (outcome: Outcome) => Promise<BuildResult>;
  /** A build begins and ends: what is kept of it for `build history`. */
  readonly record?: (request: BuildRequest) => BuildRecorder;
};

export type PlanOptions = { readonly request: BuildRequest; readonly images: BaseImages; readonly host: Platform; readonly signal: AbortSignal };

export type BuildRecorder = {
  readonly report: BuildOptions["report"];
  end(outcome: { readonly result?: BuildResult; readonly error?: unknown }): Promise<void>;
};

/** What there is to export. */
export type Outcome = BuildOptions & { readonly request: BuildRequest; readonly client: BuildClient; readonly lease: Lease; readonly plan: Plan; readonly solved: Solved };

const EMPTY_PATHS = { ignore: ".dockerignore" } as const;

export function openBuilder(parts: BuilderParts): Builder {
  return {
    async build(request, client, options) {
      const recorder = parts.record?.(request);
      const report: BuildOptions["report"] = recorder === undefined ? options.report : (event) => (recorder.report(event), options.report(event));
      try {
        const result = await build(parts, request, client, { ...options, report });
        await recorder?.end({ result });
        return result;
      } catch (error) {
        const told = options.signal.aborted && kindOf(error) !== "cancelled" ? fail("cancelled", "the build was cancelled", { cause: error }) : error;
        await recorder?.end({ error: told });
        throw told;
      }
    },
  };
}

async function build(parts: BuilderParts, request: BuildRequest, client: BuildClient, options: BuildOptions): Promise<BuildResult> {
  using lease = parts.leases.open();
  const definition = await readDefinition(parts, request, client, options, lease);
  const images = toldImages(parts.images(client, lease), request, options);
  const plan = () => parts.plan(definition, { request, images, host: parts.host, signal: options.signal });
  if (request.only !== undefined) return { metadata: {}, text: await parts.only(request.only, definition, plan) };
  const planned = await plan();
  const { run, entitlements, debugOnFail = false } = request;
  const targets = planned.images.map(({ step }) => step);
  const solved = await parts.solver.solve(planned.graph, targets, { ...options, lease, client, run, entitlements, debugOnFail });
  return await parts.exporter({ ...options, request, client, lease, plan: planned, solved });
}

async function readDefinition(parts: BuilderParts, request: BuildRequest, client: BuildClient, options: BuildOptions, lease: Lease): Promise<Definition> {
  const { path, separate } = request.dockerfile;
  const { signal, report } = options;
  return await internalStep(report, request.ref, "[internal] load build definition from Dockerfile", async () => {
    const include = [path, `${path}${EMPTY_PATHS.ignore}`, EMPTY_PATHS.ignore];
    const tree =
      request.context !== "" && !separate
        ? await parts.openRemote(request.context, { client, signal, lease })
        : await client.files(separate ? "dockerfile" : "context", { include, signal });
    return await parts.readDefinition(tree, path);
  });
}

/** Base images are looked up in vertices of their own. */
function toldImages(images: BaseImages, request: BuildRequest, { report }: BuildOptions): BaseImages {
  return {
    resolve: (reference, options) =>
      internalStep(report, request.ref, `[internal] load metadata for ${reference}`, (progress) =>
        images.resolve(reference, { ...options, progress: (id, name, current, total) => progress({ id, name, current, total }) }),
      ),
  };
}
