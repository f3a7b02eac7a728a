/**
 * The cache elsewhere: --cache-from and --cache-to. `inline`: in the configuration of the image that is built; `registry`: a
 * manifest of its own; `local`: the same in a folder of the client. See docs/design/build-cache.md for the form.
 *
 *     const remote = openRemoteCache({ core, open, push });
 *     const imports = await remote.imports(request, { client, lease, signal, report });
 *     const metadata = await remote.exportCache(outcome);
 *     openExporter({ …, inline: remote.inline });
 */
import type { Core } from "#core/core.ts";
import type { Lease } from "#core/leases/leases.ts";
import type { Descriptor } from "#spec/image.ts";
import type { Remote } from "#transfer/transfer.ts";
import type { ImportOptions, Outcome } from "../../build.ts";
import type { BuildClient, BuildRequest } from "../../builder.ts";
import type { ExporterParts } from "../../export/export.ts";
import type { ImportedCache } from "../../solve/solve.ts";

export { openRemoteCache } from "./open-remote.ts";

export type RemoteCache = {
  /** A cache that cannot be had is told, and left out. */
  imports(request: BuildRequest, options: ImportOptions): Promise<readonly ImportedCache[]>;
  /** Resolves to what the client is told. @throws what goes wrong, unless the wish says ignore-error */
  exportCache(outcome: Outcome): Promise<Readonly<Record<string, string>>>;
  readonly inline: NonNullable<ExporterParts["inline"]>;
};

export type RemoteCacheParts = {
  readonly core: Pick<Core, "content" | "layers" | "link" | "images">;
  /** The repository that a reference names, and its tag or digest. @throws invalid */
  readonly open: (reference: string, client: BuildClient) => Promise<{ readonly remote: Remote; readonly tag: string }>;
  /** The target of an image that is here under this name. */
  readonly here: (reference: string) => Descriptor | undefined;
  readonly push: ExporterParts["push"];
};

/** Where a cache's documents and blobs come from. */
export type CacheSource = {
  manifest(signal: AbortSignal): Promise<{ readonly bytes: Buffer; readonly mediaType: string }>;
  /** One of an index's. */
  member(descriptor: Descriptor, signal: AbortSignal): Promise<Buffer>;
  blob(descriptor: Descriptor, signal: AbortSignal): AsyncIterable<Uint8Array>;
};

export type Held = { readonly lease: Lease; readonly signal: AbortSignal };
