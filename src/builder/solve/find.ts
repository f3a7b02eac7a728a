/** What is known of a key. */
import { nowNanos } from "#base/clock.ts";
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
  for (const from of options.imports ?? []) {
    const one = from.find(key);
    if (one?.layers === undefined) continue;
    const tree: LayerTree = { kind: "layers", snapshot: one.identity === "" ? undefined : one.identity, layers: one.layers };
    return { ...here(key, tree, true, one.created), at: "elsewhere", from, parts };
  }
  return found === undefined ? undefined : { ...here(key, found.record.tree, true, found.record.created), at: "gone", parts };
}

export const here = (key: Digest, tree: Tree, cached: boolean, created = nowNanos()): Known => ({ key, identity: identityOf(tree), cached, created, tree, at: "here" });
