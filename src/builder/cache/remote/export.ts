/** What of a solve travels, and how it is put into a registry or a folder of the client. */
import { fail } from "#base/errors.ts";
import type { Layer } from "#core/layers/layers.ts";
import type { Node } from "#core/leases/leases.ts";
import type { Digest } from "#spec/digest.ts";
import { type Descriptor, MEDIA } from "#spec/image.ts";
import type { Outcome } from "../../build.ts";
import type { CacheWish } from "../../builder.ts";
import { compressionOf, once, plainBytes, storeLayer } from "../../export/store-layer.ts";
import type { Progress } from "../../internal-step.ts";
import { CACHE_CONFIG, type CacheDocument, type CachedResult, encodeDocument } from "./document.ts";
import type { RemoteCacheParts } from "./remote.ts";

type Parts = RemoteCacheParts & {
  /** Compressed before: by the layer's digest and how. */
  readonly done: Map<string, Layer>;
};

type Mode = "min" | "max";

/** `min`: only the layers of the targets; `max`: those of every step. Of the others it is said what they were. */
export function documentOf({ plan, solved }: Outcome, mode: Mode, isHere: (layer: Layer) => boolean): CacheDocument {
  const targets = solved.trees.map((tree) => (tree.kind === "layers" ? tree.layers.map(({ diffId }) => diffId) : []));
  const results = new Map<Digest, CachedResult>();
  for (const [index, { key, tree, created }] of solved.steps) {
    const { op } = plan.graph.steps[index]!;
    if (tree.kind !== "layers" || !["exec", "file", "merge"].includes(op.kind)) continue;
    const wanted = mode === "max" || targets.some((target) => tree.layers.every(({ diffId }, place) => target[place] === diffId));
    results.set(key, { key, layers: tree.layers, created, whole: wanted && tree.layers.every(isHere) });
  }
  return { results: [...results.values()], facts: solved.facts };
}

/** What is told is in BuildKit's words. */
export async function exportTo(parts: Parts, outcome: Outcome, wish: CacheWish, progress: Progress): Promise<Readonly<Record<string, string>>> {
  const { lease } = outcome;
  const preparing = { id: "preparing build cache for export", current: 0, total: 0 };
  progress(preparing);
  const { content } = parts.core;
  const mode = modeOf(wish);
  const document = documentOf(outcome, mode, ({ descriptor }) => content.find(lease, descriptor.digest) !== undefined);
  const results: CachedResult[] = [];
  for (const result of document.results) results.push(result.whole ? { ...result, layers: await readyLayers(parts, outcome, wish, result.layers) } : result);
  const manifest = await storeManifest(parts, outcome, { ...document, results }, wish);
  progress({ ...preparing, done: true });
  const writing = (digest: string): string => `writing ${digest === manifest.config ? "config" : "layer"} ${digest}`;
  if (wish.type === "local") await writeFolder(parts, outcome, wish, manifest, (blob) => progress({ id: writing(blob), current: 0, total: 0, done: true }));
  else await pushManifest(parts, outcome, wish, manifest.descriptor, (blob, current, total, done) => progress({ id: writing(blob), current, total, done }));
  progress({ id: `writing cache image manifest ${manifest.descriptor.digest}`, current: 0, total: 0, done: true });
  return { "cache.manifest": JSON.stringify(manifest.descriptor) };
}

function modeOf({ attributes }: CacheWish): Mode {
  const { mode = "min" } = attributes;
  if (mode === "min" || mode === "max") return mode;
  throw fail("invalid", `unsupported cache mode: ${JSON.stringify(mode)}: expected min or max`);
}

type Stored = { readonly descriptor: Descriptor; readonly config: Digest; readonly blobs: readonly Descriptor[] };

async function storeManifest({ core }: Parts, { lease }: Outcome, document: CacheDocument, { attributes }: CacheWish): Promise<Stored> {
  const text = Buffer.from(encodeDocument(document));
  const config: Descriptor = { mediaType: CACHE_CONFIG, ...(await core.content.ingest(lease, [text])) };
  const layers = [...new Map(document.results.flatMap((result) => (result.whole ? result.layers : [])).map(({ descriptor }) => [descriptor.digest, descriptor])).values()];
  const asIndex = attributes["image-manifest"] === "false";
  const mediaType = asIndex ? MEDIA.ociIndex : MEDIA.ociManifest;
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...(asIndex ? { manifests: [...layers, config] } : { config, layers }) }));
  const descriptor: Descriptor = { mediaType, ...(await core.content.ingest(lease, [bytes])) };
  const blobs = [...layers, config];
  await core.link(`content/${descriptor.digest}`, blobs.map(({ digest }): Node => `content/${digest}`));
  return { descriptor, config: config.digest, blobs };
}

type Telling = (blob: string, current: number, total: number, done: boolean) => void;

async function pushManifest({ push }: Parts, { lease, client, signal }: Outcome, { attributes }: CacheWish, descriptor: Descriptor, tell: Telling): Promise<void> {
  const { ref } = attributes;
  if (ref === undefined) throw fail("invalid", "registry cache exporter requires ref");
  await push(lease, descriptor, { name: ref, byDigest: false, client, signal, progress: (id, status, current, total) => id !== descriptor.digest && tell(id, current, total, status === "pushed") });
}

async function writeFolder({ core }: Parts, { client, signal }: Outcome, { attributes }: CacheWish, { descriptor, blobs }: Stored, tell: (blob: string) => void): Promise<void> {
  const { dest } = attributes;
  if (dest === undefined) throw fail("invalid", "local cache exporter requires dest");
  const store = await client.store?.(`local:${dest}`);
  if (store === undefined) throw fail("invalid", `export the build cache to ${dest}: the client does not offer the folder`);
  for (const blob of [...blobs, descriptor]) {
    await store.write(blob, core.content.stream(blob.digest), signal);
    if (blob !== descriptor) tell(blob.digest);
  }
}

/** Plain archives travel compressed, as images' do: gzip unless the wish says otherwise. */
async function readyLayers({ core, done }: Parts, { lease, signal }: Outcome, { attributes }: CacheWish, layers: readonly Layer[]): Promise<Layer[]> {
  const { compression = "gzip" } = attributes;
  if (compression !== "gzip" && compression !== "zstd" && compression !== "uncompressed") throw fail("invalid", `unsupported compression type ${JSON.stringify(compression)}`);
  const ready: Layer[] = [];
  for (const layer of layers) {
    const isReady = compression === "uncompressed" || compressionOf(layer) !== "uncompressed";
    const make = () => storeLayer(plainBytes({ core }, layer, signal), { core, lease, compression, level: undefined });
    ready.push(isReady ? layer : await once({ core, lease, done }, `${layer.descriptor.digest} ${compression}`, make));
  }
  return ready;
}
