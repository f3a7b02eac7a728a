/**
 * From a Dockerfile to a graph: ARG scopes, platforms, stages by name, ONBUILD, every instruction's meaning. Looks up
 * nothing but what it is handed: base images' configurations.
 */
import type { Layer } from "#core/layers/layers.ts";
import type { Digest } from "#spec/digest.ts";
import type { Platform } from "#spec/platform.ts";
import type { BuildRequest } from "../builder.ts";
import type { Dockerfile } from "../dockerfile/dockerfile.ts";
import type { BuildWarning } from "../events.ts";
import type { Graph } from "../graph.ts";

export type Plan = {
  readonly graph: Graph;
  /** One a platform. */
  readonly images: readonly PlannedImage[];
  readonly warnings: readonly BuildWarning[];
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
  readonly history: readonly { readonly createdBy: string; readonly comment: string; readonly step?: number; readonly instruction?: string }[];
  readonly base?: { readonly name: string; readonly digest: Digest };
  readonly sourceDateEpoch?: number;
};

/** Images that a build starts from, found here or in their registries (implemented by engine/builds). */
export type BaseImages = {
  /** @throws not-found, with Docker's text for an image that is nowhere */
  resolve(reference: string, options: { readonly platform: Platform; readonly pull: boolean; readonly signal: AbortSignal; readonly progress?: (id: string, status: string, current: number, total: number) => void }): Promise<BaseImage>;
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
  readonly signal: AbortSignal;
};
