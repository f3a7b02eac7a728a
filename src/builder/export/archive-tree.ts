/** Root file systems as archives, sorted by name: read by `cell` in a view that nobody else sees. */
import type { Core } from "#core/core.ts";
import { BELOW, manyFiles } from "#core/layers/take-layer.ts";
import type { Tasks } from "#core/tasks/tasks.ts";
import type { Kernel } from "#linux/linux.ts";
import type { Op, Program } from "#linux/ops.ts";
import { TAR_END } from "#base/tar-write.ts";
import { openLayers } from "../files/layer-source.ts";
import type { LayerTree } from "../tree.ts";

export type TreeParts = { readonly core: Pick<Core, "snapshots">; readonly kernel: Kernel; readonly tasks: Pick<Tasks, "openRoot" | "enterView"> };

const SLOT = 41;
/** Of the op `archive`: deletions are entries. */
const TREE_LAYER = 2;

/** All files, as a folder or a layer of its own; `layer`: names that mean something in a layer are refused. */
export function archiveTree(parts: TreeParts, tree: LayerTree, { layer, signal }: { readonly layer: boolean; readonly signal: AbortSignal }): AsyncIterable<Uint8Array> {
  return read(parts, tree, [{ op: "archive", dir: SLOT, path: ".", name: "", ...(layer && { flags: TREE_LAYER }) }], signal);
}

/** What makes `base` into `tree`, as one layer. */
export function archiveChanges(parts: TreeParts, tree: LayerTree, base: LayerTree, signal: AbortSignal): AsyncIterable<Uint8Array> {
  if (base.snapshot === undefined) return archiveTree(parts, tree, { layer: true, signal });
  return read(parts, tree, [...openLayers(parts, base, BELOW), { op: "archive", dir: SLOT, path: ".", name: "", from: BELOW, flags: TREE_LAYER }], signal);
}

async function* read(parts: TreeParts, tree: LayerTree, ops: readonly Op[], signal: AbortSignal): AsyncGenerator<Uint8Array> {
  if (tree.snapshot === undefined) return void (yield TAR_END);
  const program: Program = [manyFiles, ...openLayers(parts, tree, SLOT), ...ops];
  await using reader = await parts.kernel.read(program, { signal });
  yield* reader.bytes;
}
