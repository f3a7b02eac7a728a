/**
 * From a Dockerfile to a graph: ARG scopes, platforms, stages by name, ONBUILD, every instruction's meaning. Looks up
 * nothing but what it is handed: base images' configurations.
 *
 *     const { graph, images } = await planBuild({ dockerfile, request, images, host, ignore, signal });
 *     showText(plan)                                     // show-text.ts: --dry-run; showSvg(plan): the same as a picture
 *
 * What does not lead to the target is not in the graph; what is equal is one step, whichever stages and platforms ask for
 * it. Failures are `invalid` with BuildKit's texts; facts: `lines` of the Dockerfile. The size of a plan is bounded
 * (MAX_PLAN bytes of operations and history), whatever expansion makes of a small file.
 */
import type { Layer } from "#core/layers/layers.ts";
import type { Digest } from "#spec/digest.ts";
import type { Platform } from "#spec/platform.ts";
import type { BuildRequest } from "../builder.ts";
import type { Dockerfile } from "../dockerfile/dockerfile.ts";
import type { BuildWarning } from "../events.ts";
import type { GitOp, Graph, HttpOp } from "../graph.ts";

export { planBuild } from "./plan-build.ts";

/** Bytes of all operations and of all history together. */
export const MAX_PLAN = 64 * 2 ** 20;

export type Plan = {
  readonly graph: Graph;
  /** One a platform. */
  readonly images: readonly PlannedImage[];
  /** Outputs are of several platforms, or as if they were (BUILDKIT_MULTI_PLATFORM): an index, folders. */
  readonly multiPlatform: boolean;
  readonly warnings: readonly BuildWarning[];
  /** Every instruction that the target needs, in the order of the Dockerfile; also those that make no step. Of the first platform. */
  readonly instructions: readonly PlannedInstruction[];
  /** Names of --build-arg that no ARG took, sorted. */
  readonly unusedArgs: readonly string[];
};

export type PlannedInstruction = {
  /** On one line: "COPY . /src"; a FROM is one, too. */
  readonly text: string;
  /** "" for the only stage, if it has no name. */
  readonly stage: string;
  readonly lines: readonly [number, number];
  /** The base's ONBUILD triggers stand after its FROM. */
  readonly onBuild: boolean;
  /** The state after it: a step of the graph. */
  readonly step: number;
  /** The image after it, of a classic build. */
  readonly image?: PlannedImage;
};

export type PlannedImage = {
  readonly platform: Platform;
  /** The step whose layers it has. */
  readonly step: number;
  /** The `config` object of the image's configuration. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly author: string;
  /** The base's entries as they are, then one an instruction; `step`: the one whose layer it is, none: an empty layer. */
  readonly baseHistory: readonly Readonly<Record<string, unknown>>[];
  readonly history: readonly PlannedHistory[];
  readonly base?: { readonly name: string; readonly digest: Digest };
  readonly sourceDateEpoch?: number;
};

export type PlannedHistory = { readonly createdBy: string; readonly comment: string; readonly step?: number; readonly instruction?: string };

/** Images that a build starts from, found here or in their registries (implemented by engine/builds). */
export type BaseImages = {
  /** `progress`: of a layer, or with "" of the whole. @throws not-found, with Docker's text for an image that is nowhere */
  resolve(reference: string, options: ResolveOptions): Promise<BaseImage>;
};

export type ResolveOptions = {
  readonly platform: Platform;
  readonly pull: boolean;
  readonly signal: AbortSignal;
  readonly progress?: (id: string, status: string, current: number, total: number) => void;
  /** What it is told as. */
  readonly label?: string;
};

export type BaseImage = {
  /** Canonical. */
  readonly reference: string;
  /** Of the index or manifest that the name leads to, and of the platform's manifest. */
  readonly digest: Digest;
  readonly manifest: Digest;
  readonly platform: Platform;
  /** The whole configuration document, parsed. */
  readonly document: Readonly<Record<string, unknown>>;
  readonly layers: readonly Layer[];
  /** Chain ID of its layers; "" without. */
  readonly chain: string;
};

export type PlanInput = {
  readonly dockerfile: Dockerfile;
  readonly request: BuildRequest;
  readonly images: BaseImages;
  readonly host: Platform;
  /** Of .dockerignore (or NAME.dockerignore): what COPY from the main context never sees. */
  readonly ignore: readonly string[];
  /** The same of a named context that is a folder of the client, which calls it `folder`. */
  readonly ignoreOf?: (folder: string, name: string) => Promise<readonly string[]>;
  /** The main context, if it is no folder of the client. An HttpOp's file is unpacked. */
  readonly remote?: GitOp | HttpOp;
  readonly signal: AbortSignal;
  /** Stages before the target are planned, too, whatever it needs: for lint. */
  readonly all?: boolean;
};
