/** An image into the store, under its names, and to registries. */
import { fail } from "#base/errors.ts";
import type { Descriptor } from "#spec/image.ts";
import { familiar, canonical, parseReference, withDefaultTag } from "#spec/reference.ts";
import type { Outcome } from "../build.ts";
import type { ExportWish } from "../builder.ts";
import { internalStep, type Progress } from "../internal-step.ts";
import { imageOptions, type ImageOptions, isOn } from "./attributes.ts";
import type { ExporterParts } from "./export.ts";
import { type MadeImage, type MadeImages, makeImages } from "./images.ts";
import type { Exported, Parts } from "./open-exporter.ts";

export async function exportImage(parts: Parts, outcome: Outcome, wish: ExportWish): Promise<Exported> {
  const { request, lease, plan } = outcome;
  const options = imageOptions(wish, plan.images[0]?.sourceDateEpoch);
  if (options.push && options.names.length === 0) throw fail("invalid", "tag is needed when pushing to registry");
  const names = options.names.map(checkedName);
  return await internalStep(outcome.report, request.ref, "exporting to image", async (progress) => {
    progress({ id: "exporting layers", current: 0, total: 0 });
    const { target, images } = await makeImages({ ...parts, lease, outcome, options, inline: parts.inline?.(outcome) });
    progress({ id: "exporting layers", current: 0, total: 0, done: true });
    said(progress, `writing image ${target.digest}`);
    if (isOn(wish.attributes, "unpack")) for (const image of images) await unpack(parts, outcome, image, progress);
    if (options.store) await parts.name(lease, target, names);
    for (const name of options.store ? names : []) said(progress, `naming to ${canonical(withDefaultTag(parseReference(name)))}`);
    for (const name of options.push ? names : []) await push(parts, outcome, { name, target, options, progress });
    return { metadata: imageMetadata(target, names), image: target.digest };
  });
}

/** @throws invalid: before anything is made */
function checkedName(name: string): string {
  const reference = parseReference(name);
  if (reference.digest !== undefined) throw fail("invalid", `refusing to create a tag with a digest reference: ${name}`);
  return familiar(withDefaultTag(reference));
}

/** What lies there already is not made again. */
async function unpack({ core }: Parts, { lease, signal }: Outcome, { layers, config }: MadeImage, progress: Progress): Promise<void> {
  const top = await core.layers.unpack(lease, layers, { signal });
  if (top !== "") await core.link(`content/${config.digest}`, [`snapshot/${top}`]);
  said(progress, `unpacking ${config.digest}`);
}

type Pushing = { readonly name: string; readonly target: Descriptor; readonly options: ImageOptions; readonly progress: Progress };

async function push({ push }: ExporterParts, { lease, client, signal }: Outcome, { name, target, options, progress }: Pushing): Promise<void> {
  await push(lease, target, {
    name,
    byDigest: options.byDigest,
    client,
    signal,
    progress: (id, status, current, total) => progress({ id: `${status} ${id}`, current, total, done: status === "pushed" || (total > 0 && current >= total) }),
  });
  said(progress, `pushing manifest for ${canonical(withDefaultTag(parseReference(name)))}@${target.digest}`);
}

/** In BuildKit's words. */
export function sayManifests(progress: Progress, { images, target, attestations }: MadeImages): void {
  for (const { manifest, config } of images) {
    said(progress, `exporting manifest ${manifest.digest}`);
    said(progress, `exporting config ${config.digest}`);
  }
  for (const { manifest } of attestations) said(progress, `exporting attestation manifest ${manifest.digest}`);
  if (images.every(({ manifest }) => manifest.digest !== target.digest)) said(progress, `exporting manifest list ${target.digest}`);
}

export const said = (progress: Progress, id: string): void => progress({ id, current: 0, total: 0, done: true });

/** As BuildKit's clients read it. */
export function imageMetadata(target: Descriptor, names: readonly string[]): Record<string, string> {
  const described = { mediaType: target.mediaType, digest: target.digest, size: target.size, ...(target.annotations && { annotations: target.annotations }) };
  return {
    "containerimage.descriptor": Buffer.from(JSON.stringify(described)).toString("base64"),
    "containerimage.digest": target.digest,
    ...(names.length > 0 && { "image.name": names.map((name) => canonical(withDefaultTag(parseReference(name)))).join(",") }),
  };
}
