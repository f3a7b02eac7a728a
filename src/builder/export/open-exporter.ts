/** All exports of a build, one after another; each says what it made. */
import { fail } from "#base/errors.ts";
import type { Layer } from "#core/layers/layers.ts";
import type { Digest } from "#spec/digest.ts";
import type { Outcome } from "../build.ts";
import type { BuildResult, ExportWish } from "../builder.ts";
import { exportArchive } from "./export-archive.ts";
import { exportFiles } from "./export-files.ts";
import { exportImage } from "./export-image.ts";
import type { Exporter, ExporterParts } from "./export.ts";
import { pastProvenance } from "./provenance.ts";

export type Exported = { readonly metadata: Readonly<Record<string, string>>; readonly image?: Digest };

/** `done`: layers that were made ready before. */
export type Parts = ExporterParts & { readonly done: Map<string, Layer> };

/** `index`: of the wish, for whoever receives an archive. */
type Export = (parts: Parts, outcome: Outcome, wish: ExportWish, index: number) => Promise<Exported>;

const EXPORTS: Readonly<Record<ExportWish["type"], Export>> = {
  image: exportImage,
  none: async () => ({ metadata: {} }),
  oci: exportArchive,
  docker: exportArchive,
  local: exportFiles,
  tar: exportFiles,
};

export function openExporter(given: ExporterParts): Exporter {
  const parts: Parts = { ...given, done: new Map() };
  return async (outcome): Promise<BuildResult> => {
    let result: BuildResult = { metadata: {}, provenance: () => pastProvenance(outcome, given.version) };
    for (const [index, wish] of outcome.request.exports.entries()) {
      outcome.signal.throwIfAborted();
      if (!Object.hasOwn(EXPORTS, wish.type)) throw fail("invalid", `exporter ${JSON.stringify(wish.type)} could not be found`);
      const { metadata, image } = await EXPORTS[wish.type](parts, outcome, wish, index);
      // The image's id is that of the one in the store, if there is one.
      const id = wish.type === "image" ? (image ?? result.image) : (result.image ?? image);
      result = { ...result, metadata: { ...result.metadata, ...metadata }, ...(id !== undefined && { image: id }) };
    }
    return result;
  };
}
