/** What a build says of itself, beside the image: provenance and SBOM, in manifests of their own. */
import type { Descriptor } from "#spec/image.ts";
import type { MadeImage, Making } from "./images.ts";

export type Attestation = { readonly manifest: Descriptor; readonly parts: readonly Descriptor[] };

export async function attest(_making: Making, _images: readonly MadeImage[]): Promise<Attestation[]> {
  return [];
}
