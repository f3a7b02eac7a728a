/** New images from layers that are in the content store. */
import type { Core } from "#core/core.ts";
import type { Lease } from "#core/leases/leases.ts";
import type { Digest } from "#spec/digest.ts";
import { type Descriptor, MEDIA } from "#spec/image.ts";
import type { Platform } from "#spec/platform.ts";

export type NewImageConfig = {
  readonly platform: Platform;
  /** RFC 3339 */
  readonly created: string;
  readonly author?: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly history: readonly Readonly<Record<string, unknown>>[];
  readonly layers: readonly { readonly descriptor: Descriptor; readonly diffId: Digest }[];
};

/** Stores configuration and manifest; the lease holds them. The manifest's descriptor. */
export async function makeImage(core: Core, lease: Lease, image: NewImageConfig): Promise<Descriptor> {
  const { os, architecture, variant } = image.platform;
  const config = await storeJson(core, lease, MEDIA.ociConfig, {
    architecture,
    ...(variant && { variant }),
    os,
    created: image.created,
    ...(image.author && { author: image.author }),
    config: image.config,
    rootfs: { type: "layers", diff_ids: image.layers.map((layer) => layer.diffId) },
    history: image.history,
  });
  return storeJson(core, lease, MEDIA.ociManifest, {
    schemaVersion: 2,
    mediaType: MEDIA.ociManifest,
    config,
    layers: image.layers.map((layer) => layer.descriptor),
  });
}

async function storeJson(core: Core, lease: Lease, mediaType: string, value: unknown): Promise<Descriptor> {
  const { digest, size } = await core.content.ingest(lease, [Buffer.from(JSON.stringify(value))]);
  return { mediaType, digest, size };
}
