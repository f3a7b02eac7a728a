/** What is known of a key. */
import { nowNanos } from "#base/clock.ts";
import type { Layer } from "#core/layers/layers.ts";
import type { Digest } from "#spec/digest.ts";
import type { LayerTree, Tree } from "../tree.ts";
import { identityOf, type Parts } from "./keys.ts";
import type { Known } from "./known.ts";
import type { Run } from "./run.ts";

/** Here first, then elsewhere; last, that it was known once. */
export function find(run: Run, key: Digest, parts: Parts): Known | undefined {
  const { cache, options, stack } = run;
  const found = cache.find(key, options.lease);
  if (found !== undefined && !found.gone) {
    stack.use(cache.use(found.record.id));
    return { ...here(key, found.record.tree, true, found.record.created), parts };
  }
  const others = (options.imports ?? []).flatMap((from) => {
    const one = from.find(key);
    return one === undefined ? [] : [{ from, ...one }];
  });
  const whole = others.find((one) => one.whole);
  if (whole !== undefined) return { ...here(key, treeOf(whole), true, whole.created), at: "elsewhere", from: whole.from, parts };
  if (found !== undefined) return { ...here(key, found.record.tree, true, found.record.created), at: "gone", parts };
  const [told] = others;
  return told === undefined ? undefined : { ...here(key, treeOf(told), true, told.created), at: "gone", parts };
}

const treeOf = ({ identity, layers }: { readonly identity: string; readonly layers: readonly Layer[] }): LayerTree => ({ kind: "layers", snapshot: identity === "" ? undefined : identity, layers });

export const here = (key: Digest, tree: Tree, cached: boolean, created = nowNanos()): Known => ({ key, identity: identityOf(tree), cached, created, tree, at: "here" });
