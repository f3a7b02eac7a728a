/** An image's two documents, and the names that they give it, before they are anywhere. Pure. */
import { sha256 } from "#base/digest.ts";
import type { Layer } from "#core/layers/layers.ts";
import { type Descriptor, MEDIA } from "#spec/image.ts";
import type { PlannedImage } from "../plan/plan.ts";
import { configurationText, type HistoryEntry } from "./configuration.ts";

export type ImageDocuments = {
  /** The manifest, whose digest is the image's id. */
  readonly manifest: Text;
  readonly config: Text;
  /** As the manifest has them. */
  readonly layers: readonly Layer[];
};

export type Text = { readonly descriptor: Descriptor; readonly text: string };

export type Parts = {
  readonly image: PlannedImage;
  readonly layers: readonly Layer[];
  readonly history: readonly HistoryEntry[];
  readonly oci: boolean;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  /** See configuration.ts. */
  readonly extra?: Readonly<Record<string, unknown>> | undefined;
};

export function imageDocuments({ image, layers: all, history, oci, annotations, extra }: Parts): ImageDocuments {
  const document = { image, diffIds: all.map(({ diffId }) => diffId), history, ...(extra && { extra }) };
  const config = described(oci ? MEDIA.ociConfig : MEDIA.dockerConfig, configurationText(document));
  const layers = all.map(({ descriptor: { mediaType, digest, size }, diffId }) => ({ descriptor: { mediaType: layerType(mediaType, oci), digest, size }, diffId }));
  const mediaType = oci ? MEDIA.ociManifest : MEDIA.dockerManifest;
  const manifest = { schemaVersion: 2, mediaType, config: config.descriptor, layers: layers.map(({ descriptor }) => descriptor), ...(annotations && { annotations }) };
  return { manifest: described(mediaType, JSON.stringify(manifest)), config, layers };
}

const described = (mediaType: string, text: string): Text => ({ descriptor: { mediaType, digest: sha256(text), size: Buffer.byteLength(text) }, text });

const DOCKER = "application/vnd.docker.image.rootfs.diff.tar";

/** One kind of manifest holds one kind of layers. */
function layerType(mediaType: string, oci: boolean): string {
  const [, compression = ""] = /[.+](gzip|zstd)$/.exec(mediaType) ?? [];
  if (oci) return compression === "" ? MEDIA.ociLayer : `${MEDIA.ociLayer}+${compression}`;
  return compression === "" ? DOCKER : `${DOCKER}.${compression}`;
}
