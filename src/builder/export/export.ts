/**
 * Outputs: what a solved build is made into. An image in the store (one manifest a platform, an index when there are
 * several or attestations), pushed on wish; archives of it (OCI's, Docker's); its files (a folder of the client, a tar).
 *
 *     const exporter = openExporter({ core, name, push, version });
 *     const { metadata, image } = await exporter(outcome);
 *
 * What is the same goes in, what is the same comes out: documents are written in a fixed order, times are the layers' own
 * (when their steps were made) or SOURCE_DATE_EPOCH, archives are sorted. Nothing of secrets, credentials, proxies or the
 * machine is part of any output.
 *
 * Attributes of an export (BuildKit's): name, push, push-by-digest, unpack, store, dest, tar, compression,
 * compression-level, force-compression, oci-mediatypes, rewrite-timestamp, platform-split, annotation….
 */
import type { Core } from "#core/core.ts";
import type { Lease } from "#core/leases/leases.ts";
import type { Tasks } from "#core/tasks/tasks.ts";
import type { Kernel } from "#linux/linux.ts";
import type { Descriptor } from "#spec/image.ts";
import type { Outcome } from "../build.ts";
import type { BuildClient, BuildResult } from "../builder.ts";
import type { Inline } from "./images.ts";

export { openExporter } from "./open-exporter.ts";

export type Exporter = (outcome: Outcome) => Promise<BuildResult>;

export type ExporterParts = {
  readonly core: Core;
  readonly kernel: Kernel;
  readonly tasks: Pick<Tasks, "openRoot" | "enterView">;
  /**
   * Names what is in the store and held by the lease, with all it leads to; without names it is kept without one.
   * `names` are as given: they are checked and completed here. @throws invalid, before anything is changed
   */
  readonly name: (lease: Lease, target: Descriptor, names: readonly string[]) => Promise<void>;
  readonly push: (lease: Lease, target: Descriptor, options: PushWish) => Promise<void>;
  /** --cache-to type=inline: what goes into each image's configuration. Undefined: it was not asked for. */
  readonly inline?: (outcome: Outcome) => Inline | undefined;
  /** Of the engine, for provenance. */
  readonly version: string;
};

export type PushWish = {
  readonly name: string;
  readonly byDigest: boolean;
  readonly client: BuildClient;
  readonly signal: AbortSignal;
  readonly progress: (id: string, status: string, current: number, total: number) => void;
};
