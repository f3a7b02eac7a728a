/** A build's layers made ready for their image: squashed, with times that are clamped, compressed. */
import type { Layer } from "#core/layers/layers.ts";
import { chainIds } from "#spec/image.ts";
import type { LayerTree } from "../tree.ts";
import { archiveChanges, archiveTree } from "./archive-tree.ts";
import { clampTimes } from "./remake-archive.ts";
import type { HistoryEntry } from "./configuration.ts";
import type { Making } from "./images.ts";
import { compressionOf, once, plainBytes, storeLayer } from "./store-layer.ts";

export type Finishing = {
  readonly tree: LayerTree;
  /** How many of its layers are the base's. */
  readonly base: number;
  readonly history: readonly HistoryEntry[];
};

type Finished = { readonly layers: readonly Layer[]; readonly history: readonly HistoryEntry[] };

export async function finishLayers(making: Making, finishing: Finishing): Promise<Finished> {
  const { tree, history } = finishing;
  const { squash } = making.outcome.request;
  const base = squash === "all" ? 0 : finishing.base;
  if (squash !== "no" && tree.layers.length - base > 1) return await squashed(making, tree, { base, history });
  const layers = await Promise.all(tree.layers.map((layer, index) => finishLayer(making, layer, index >= finishing.base)));
  return { layers, history };
}

/** Entries of the layers that became one tell of no layer any more; the last one does. */
async function squashed(making: Making, tree: LayerTree, { base, history }: { readonly base: number; readonly history: readonly HistoryEntry[] }): Promise<Finished> {
  const { options, outcome: { signal } } = making;
  const lower: LayerTree = { kind: "layers", layers: tree.layers.slice(0, base), snapshot: chainIds(tree.layers.slice(0, base).map(({ diffId }) => diffId)).at(-1) };
  const compression = options.compression ?? "uncompressed";
  const key = ["squash", tree.snapshot, lower.snapshot, options.rewrite ? options.epoch : "", compression, options.level ?? ""].join(" ");
  const one = await once(making, key, () => {
    const archive = base === 0 ? archiveTree(making, tree, { layer: true, signal }) : archiveChanges(making, tree, lower, signal);
    return storeLayer(options.rewrite ? clampTimes(archive, options.epoch!) : archive, { ...making, compression, level: options.level });
  });
  const kept = await Promise.all(lower.layers.map((layer) => finishLayer(making, layer, false)));
  const created = history.at(-1)?.["created"];
  let old = 0;
  const entries = history.map((entry) => (entry["empty_layer"] === true || old++ < base ? entry : { ...entry, empty_layer: true }));
  const last = { ...(created !== undefined && { created }), created_by: "", comment: `merge of ${tree.layers.length - base} layers` };
  return { layers: [...kept, one], history: [...entries, last] };
}

/** The base's layers stay as they are, but for a compression that is forced, or for none where one is wanted. */
async function finishLayer(making: Making, layer: Layer, own: boolean): Promise<Layer> {
  const { options } = making;
  const now = compressionOf(layer);
  const rewrite = own && options.rewrite;
  const wanted = options.compression !== undefined && (own || options.force || now === "uncompressed") ? options.compression : now;
  if (!rewrite && wanted === now) return layer;
  const key = [layer.descriptor.digest, rewrite ? options.epoch : "", wanted, options.level ?? ""].join(" ");
  return await once(making, key, () => {
    const plain = plainBytes(making, layer, making.outcome.signal);
    return storeLayer(rewrite ? clampTimes(plain, options.epoch!) : plain, { ...making, compression: wanted, level: options.level });
  });
}
