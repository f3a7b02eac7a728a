/** The layers of an image, side by side, committed together. See layers.ts. */
import { fail } from "#base/errors.ts";
import { failpoint } from "#base/failpoint.ts";
import type { Kernel } from "#linux/linux.ts";
import type { Digest } from "#spec/digest.ts";
import { chainIds } from "#spec/image.ts";
import type { Content } from "../content/content.ts";
import { diskFailure } from "../disk.ts";
import type { Draft, Snapshots } from "../snapshots/snapshots.ts";
import { openAheadLayers } from "./ahead.ts";
import { adoptImplied } from "./implied.ts";
import { LAYER_LIMITS, MAX_LAYERS, type Layer, type LayerLimits, type Layers, type UnpackOptions } from "./layers.ts";
import { type Unpacked, unpackLayer } from "./unpack-layer.ts";

const SIDE_BY_SIDE = 2;
const O_DIRECTORY = 0o200000;

export type LayerParts = {
  readonly kernel: Kernel;
  readonly content: Content;
  readonly snapshots: Snapshots;
  /** A folder on the file system of the snapshots. */
  readonly root: string;
  readonly limits?: LayerLimits;
};

type Step = { readonly layer: Layer; readonly name: Digest; readonly parent: Digest | undefined };

export function openLayers({ kernel, content, snapshots, root, limits = LAYER_LIMITS }: LayerParts): Layers {
  const place = { kernel, content, whiteouts: snapshots.whiteouts, limits };
  const ahead = openAheadLayers(place, snapshots);
  /** Chain IDs being made. */
  const underWay = new Map<Digest, Promise<unknown>>();

  return {
    ahead: () => ahead.open(),
    async unpack(lease, layers, options = {}) {
      if (layers.length > MAX_LAYERS) throw fail("invalid", `unpack an image: ${layers.length} layers, more than the limit of ${MAX_LAYERS}`);
      const names = chainIds(layers.map((layer) => layer.diffId));
      for (const name of names) lease.hold(`snapshot/${name}`);
      const steps = layers.map((layer, index): Step => ({ layer, name: names[index]!, parent: names[index - 1] }));
      for (;;) {
        const missing = steps.filter(({ name }) => snapshots.stat(name) === undefined);
        if (missing.length === 0) return names.at(-1) ?? "";
        // Whoever makes one makes all on top of it that it needs, so only the lowest can be somebody else's too.
        const others = underWay.get(missing[0]!.name);
        if (others === undefined) await claim(missing, makeAll(missing, options));
        else await others.catch(() => undefined);
        options.signal?.throwIfAborted();
      }
    },
  };

  async function claim(steps: readonly Step[], work: Promise<void>): Promise<void> {
    for (const { name } of steps) underWay.set(name, work);
    await work.finally(() => steps.forEach(({ name }) => underWay.delete(name)));
  }

  async function makeAll(steps: readonly Step[], options: UnpackOptions): Promise<void> {
    if (snapshots.whiteouts === "marks") return makeTogether(steps, options);
    // A copy of the parent is filled, so the parent comes first.
    for (const step of steps) await makeTogether([step], options);
  }

  async function makeTogether(steps: readonly Step[], options: UnpackOptions): Promise<void> {
    const drafts: Draft[] = [];
    try {
      const parent = steps[0]!.parent;
      const unpacked = await inPairs(steps.map(({ layer }) => async (signal) => {
        const done = await ahead.take(layer.descriptor.digest, layer.diffId);
        const draft = done?.draft ?? (await snapshots.draft(parent));
        drafts.push(draft);
        return done ?? unpackLayer(place, layer, draft, { ...options, signal });
      }), options.signal);
      if (snapshots.whiteouts === "marks") await adoptAll(unpacked, parent);
      await commit(steps, unpacked);
    } catch (error) {
      await Promise.allSettled(drafts.map((draft) => snapshots.discard(draft)));
      throw error;
    }
  }

  async function adoptAll(unpacked: readonly Unpacked[], parent: string | undefined): Promise<void> {
    const below = treesFrom(parent);
    for (const { draft, implied } of unpacked) {
      if (implied.length > 0 && below.length > 0) await adoptImplied(kernel, draft.tree, implied, below);
      below.unshift(draft.tree);
    }
  }

  /** One sync for all layers, then one transaction. */
  async function commit(steps: readonly Step[], unpacked: readonly Unpacked[]): Promise<void> {
    await diskFailure("unpack an image", kernel.perform([{ op: "open", slot: 1, path: root, flags: O_DIRECTORY }, { op: "syncfs", slot: 1 }]));
    await failpoint("layers.commit");
    await snapshots.commit(steps.map(({ name, parent }, index) => ({ name, parent, draft: unpacked[index]!.draft, usage: unpacked[index]!.usage })));
  }

  function treesFrom(name: string | undefined): string[] {
    const trees: string[] = [];
    for (let at = name; at !== undefined; at = snapshots.stat(at)?.parent) trees.push(snapshots.tree(at));
    return trees;
  }
}

/** Runs the work two at a time. The first failure aborts the rest; all have ended when this ends. */
async function inPairs<T>(work: readonly ((signal: AbortSignal) => Promise<T>)[], signal: AbortSignal | undefined): Promise<T[]> {
  const stop = new AbortController();
  const all = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  const results: T[] = [];
  let next = 0;
  const lane = async () => {
    while (next < work.length) {
      const index = next++;
      all.throwIfAborted();
      results[index] = await work[index]!(all);
    }
  };
  const lanes = Array.from({ length: Math.min(SIDE_BY_SIDE, work.length) }, () =>
    lane().catch((error: unknown) => {
      stop.abort(error);
      throw error;
    }));
  const ends = await Promise.allSettled(lanes);
  const failed = ends.find((end) => end.status === "rejected");
  if (failed !== undefined) throw stop.signal.aborted ? stop.signal.reason : failed.reason;
  return results;
}
