/**
 * Opaque directories where nothing hides: in a folder that is a copy of the parent, what the parent had in such a
 * directory is removed, and what this layer put there stays.
 */
import type { Kernel } from "#linux/linux.ts";
import type { Op } from "#linux/ops.ts";
import { enterFolder } from "../inside.ts";
import { nameBytes } from "./name.ts";
import type { LayerPlan } from "./plan.ts";

const DT_DIR = 4;
const ENOENT = 2;

export async function removeOlder(kernel: Kernel, tree: string, plan: LayerPlan): Promise<void> {
  const kept = new Set([...plan.made, ...plan.implied()]);
  let level = plan.opaque();
  while (level.length > 0) {
    const found = await Promise.all(level.map((directory) => entriesOf(kernel, tree, directory)));
    const all = found.flat();
    const older = all.filter(({ path }) => !kept.has(path)).map(({ path }): Op => ({ op: "removeTree", path: nameBytes(path) }));
    if (older.length > 0) await kernel.perform([...enterFolder(tree), ...older], { forked: true });
    level = all.filter(({ path, directory }) => directory && kept.has(path)).map(({ path }) => path);
  }
}

type Found = { path: string; directory: boolean };

async function entriesOf(kernel: Kernel, tree: string, directory: string): Promise<Found[]> {
  const list: Op = { op: "list", path: nameBytes(directory), tolerate: ENOENT };
  const outputs = await kernel.perform([...enterFolder(tree), list], { forked: true });
  const text = [...outputs.values()].at(-1)?.toString("latin1") ?? "";
  const prefix = directory === "." ? "" : `${directory}/`;
  return text
    .split("\0")
    .slice(0, -1)
    .map((item) => ({ path: prefix + item.slice(1), directory: item.charCodeAt(0) === DT_DIR }));
}
