/** The index that a list becomes, byte for byte as docker writes it. */
import { fail } from "#base/errors.ts";
import { MEDIA } from "#spec/image.ts";
import { parseReference } from "#spec/reference.ts";
import { orderedPlatform } from "./remote.ts";
import type { ListedManifest } from "./state.ts";

/** `domain`: the registry it is for. @throws invalid */
export function listDocument(manifests: readonly ListedManifest[], domain: string): { mediaType: string; text: string } {
  const mediaType = manifests[0]?.Descriptor.mediaType === MEDIA.ociManifest ? MEDIA.ociIndex : MEDIA.dockerIndex;
  const entries = manifests.map(({ Ref, Descriptor: { mediaType: type, size, digest, platform } }) => {
    const own = parseReference(Ref).domain;
    if (own !== domain) throw fail("invalid", `cannot use source images from a different registry than the target image: ${own} != ${domain}`);
    return { mediaType: type, size, digest, platform: platform === undefined ? { architecture: "", os: "" } : orderedPlatform(platform) };
  });
  return { mediaType, text: JSON.stringify({ schemaVersion: 2, mediaType, manifests: entries }, undefined, 3) };
}
