/** A layer that knows nothing of what lies below it, on top of a tree: COPY --link. */
import type { StepContext } from "../solve/solve.ts";
import type { LayerTree } from "../tree.ts";
import type { FilesParts } from "./files.ts";

/** Layers that are there already are not unpacked again. */
export async function mergeLayers({ core }: Pick<FilesParts, "core">, base: LayerTree, upper: LayerTree, { lease, signal }: StepContext): Promise<LayerTree> {
  const own = upper.layers.at(-1);
  if (own === undefined) return base;
  const layers = [...base.layers, own];
  const snapshot = await core.layers.unpack(lease, layers, { signal });
  return { kind: "layers", snapshot, layers };
}
