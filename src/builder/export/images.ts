/** Images of what was solved: configuration and manifest a platform; an index over several, or over attestations. */
import { sha256 } from "#base/digest.ts";
import { fail } from "#base/errors.ts";
import type { Layer } from "#core/layers/layers.ts";
import type { Lease } from "#core/leases/leases.ts";
import { chainIds, type Descriptor, MEDIA } from "#spec/image.ts";
import type { Platform } from "#spec/platform.ts";
import type { Outcome } from "../build.ts";
import type { PlannedImage } from "../plan/plan.ts";
import type { Solved } from "../solve/solve.ts";
import { annotationsAt, type ImageOptions } from "./attributes.ts";
import { historyOf, type Made } from "./configuration.ts";
import { imageDocuments } from "./documents.ts";
import type { ExporterParts } from "./export.ts";
import type { LayerTree, Tree } from "../tree.ts";
import { attest, type Attestation } from "./attestations.ts";
import { finishLayers } from "./layers.ts";

export type Making = Pick<ExporterParts, "core" | "kernel" | "tasks" | "version"> & {
  readonly lease: Lease;
  readonly outcome: Outcome;
  readonly options: ImageOptions;
  readonly inline?: Inline | undefined;
  /** Layers that were rewritten or compressed before, by what was made of which. */
  readonly done: Map<string, Layer>;
};

/** What goes into a configuration so that others can build on this build's results (--cache-to type=inline). */
export type Inline = (image: PlannedImage, layers: readonly Layer[]) => Promise<Readonly<Record<string, unknown>>>;

export type MadeImage = {
  readonly platform: Platform;
  readonly manifest: Descriptor;
  readonly config: Descriptor;
  readonly layers: readonly Layer[];
};

export type MadeImages = {
  /** The manifest, or the index. */
  readonly target: Descriptor;
  readonly images: readonly MadeImage[];
  readonly attestations: readonly Attestation[];
  /** Everything that the target leads to, itself last; each once. */
  readonly blobs: readonly Descriptor[];
};

/** All that the target leads to is in the store, held by the lease. */
export async function makeImages(making: Making): Promise<MadeImages> {
  const { outcome, options } = making;
  const images: MadeImage[] = [];
  for (const [index, image] of outcome.plan.images.entries()) images.push(await makeImage(making, image, rootOf(outcome.solved, index)));
  const attestations = await attest(making, images);
  if (!outcome.plan.multiPlatform && attestations.length === 0) {
    if (options.annotations.some(({ at }) => at.startsWith("index"))) throw fail("invalid", "index annotations not supported for single platform export");
    return { target: images[0]!.manifest, images, attestations, blobs: blobsOf(images, [images[0]!.manifest]) };
  }
  const manifests = [...images.map(({ manifest, platform }) => ({ ...manifest, platform: plainPlatform(platform) })), ...attestations.map(({ manifest }) => manifest)];
  const annotations = annotationsAt(options.annotations, "index");
  const target = await storeJson(making, options.oci ? MEDIA.ociIndex : MEDIA.dockerIndex, { manifests, ...(annotations && { annotations }) });
  const blobs = blobsOf(images, [...attestations.flatMap(({ parts, manifest }) => [...parts, manifest]), target]);
  return { target: annotated(target, annotationsAt(options.annotations, "index-descriptor")), images, attestations, blobs };
}

function blobsOf(images: readonly MadeImage[], others: readonly Descriptor[]): Descriptor[] {
  const all = [...images.flatMap(({ layers, config, manifest }) => [...layers.map(({ descriptor }) => descriptor), config, manifest]), ...others];
  return [...new Map(all.map((descriptor) => [descriptor.digest, descriptor])).values()];
}

export function rootOf({ trees }: Solved, index: number): LayerTree {
  const tree = trees[index];
  if (tree === undefined) throw fail("internal", `export: target ${index} has no result`);
  if (tree.kind === "files") throw fail("invalid", "export an image: the target is a folder of files, not a root file system: begin its stage with FROM scratch and copy them");
  return tree;
}

async function makeImage(making: Making, image: PlannedImage, tree: LayerTree): Promise<MadeImage> {
  const { outcome, options } = making;
  const history = historyOf(image, madeBy(outcome), options.epoch);
  const finished = await finishLayers(making, { tree, base: baseLayers(outcome, image), history });
  const { config, manifest, layers } = imageDocuments({
    image,
    layers: finished.layers,
    history: finished.history,
    oci: options.oci,
    annotations: annotationsAt(options.annotations, "manifest", image.platform),
    extra: await making.inline?.(image, finished.layers),
  });
  for (const { descriptor: { mediaType }, text } of [config, manifest]) await storeText(making, mediaType, text);
  await keepSnapshot(making, config.descriptor, finished.layers);
  return { platform: image.platform, manifest: annotated(manifest.descriptor, annotationsAt(options.annotations, "manifest-descriptor", image.platform)), config: config.descriptor, layers };
}

/** Its files lie there already, unless its layers were changed: with the image, they stay. */
async function keepSnapshot({ core, lease }: Making, config: Descriptor, layers: readonly Layer[]): Promise<void> {
  const top = chainIds(layers.map(({ diffId }) => diffId)).at(-1);
  if (top === undefined || core.snapshots.stat(top) === undefined) return;
  lease.hold(`snapshot/${top}`);
  await core.link(`content/${config.digest}`, [`snapshot/${top}`]);
}

/** How many of the layers were there before the build: the base image's. */
function baseLayers({ plan, solved }: Outcome, image: PlannedImage): number {
  const first = image.history.find(({ step }) => step !== undefined)?.step;
  const step = plan.graph.steps[first ?? image.step]!;
  const below = first === undefined ? image.step : step.inputs[0]!;
  const tree = solved.steps.get(below)?.tree;
  return tree?.kind === "layers" ? tree.layers.length : 0;
}

type Results = { readonly plan: Pick<Outcome["plan"], "graph">; readonly solved: { readonly steps: Pick<ReadonlyMap<number, { readonly tree: Tree; readonly created: bigint }>, "get"> } };

/** A step that changed nothing may have left no layer. */
export function madeBy({ plan, solved }: Results): (step: number) => Made {
  return (step) => {
    const made = solved.steps.get(step);
    const below = solved.steps.get(plan.graph.steps[step]!.inputs[0]!)?.tree;
    if (made?.tree.kind !== "layers") return { layers: 1, created: made?.created ?? 0n };
    return { layers: made.tree.layers.length - (below?.kind === "layers" ? below.layers.length : 0), created: made.created };
  };
}

export function plainPlatform({ architecture, os, variant, "os.version": version }: Platform): Platform {
  return { architecture, os, ...(variant && { variant }), ...(version && { "os.version": version }) };
}

const annotated = (descriptor: Descriptor, annotations: Readonly<Record<string, string>> | undefined): Descriptor => (annotations === undefined ? descriptor : { ...descriptor, annotations });

type Storing = Pick<Making, "core" | "lease">;

export async function storeJson(storing: Storing, mediaType: string, value: Readonly<Record<string, unknown>>): Promise<Descriptor> {
  return await storeText(storing, mediaType, JSON.stringify({ schemaVersion: 2, mediaType, ...value }));
}

/** What is there already is not written again. */
export async function storeText({ core, lease }: Storing, mediaType: string, text: string): Promise<Descriptor> {
  const bytes = Buffer.from(text);
  const { digest, size } = core.content.find(lease, sha256(bytes)) ?? (await core.content.ingest(lease, [bytes]));
  return { mediaType, digest, size };
}

