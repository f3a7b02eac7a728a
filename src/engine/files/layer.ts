/** What a container's own layer is made of: its own folder, and what lies below it. */
import type { Mounts } from "#core/snapshots/snapshots.ts";
import { BELOW, INIT_PATHS, manyFiles, type TakenTree, TREE_OVERLAY } from "#core/layers/take-layer.ts";
import type { Program } from "#linux/ops.ts";
import type { Context } from "../containers/context.ts";
import type { ContainerRecord } from "../engine.ts";

const O_DIRECTORY = process.arch === "arm64" ? 0o40000 : 0o200000;
const O_PATH = 0o10000000;
const OWN = 41;

/** Puts out what the container changed. */
export function changesProgram(ctx: Context, record: ContainerRecord): Program {
  const marks = hasMarks(ctx, record);
  return [
    manyFiles,
    ...below(ctx, record),
    { op: "open", slot: OWN, path: ctx.snapshots.tree(record.snapshotKey), flags: O_PATH | O_DIRECTORY },
    { op: "changes", slot: OWN, from: BELOW, flags: marks ? TREE_OVERLAY : 0 },
  ];
}

/** The container's own layer. */
export function containerLayer(ctx: Context, record: ContainerRecord): TakenTree {
  return { tree: ctx.snapshots.tree(record.snapshotKey), marks: hasMarks(ctx, record), below: below(ctx, record), except: INIT_PATHS };
}

const hasMarks = (ctx: Context, record: ContainerRecord): boolean => ctx.snapshots.mounts(record.snapshotKey).type === "overlay";

/** The tree that the container's own layer lies on, as it would be seen without it. */
function below(ctx: Context, record: ContainerRecord): Program {
  const mounts = ctx.snapshots.mounts(record.snapshotKey);
  if (mounts.type === "overlay") return ctx.tasks.openRoot(readOnly(mounts.lower), BELOW);
  const parent = ctx.snapshots.stat(record.snapshotKey)?.parent;
  return parent === undefined ? [] : [{ op: "open", slot: BELOW, path: ctx.snapshots.tree(parent), flags: O_PATH | O_DIRECTORY }];
}

/** Overlay wants two layers at least. */
const readOnly = (lower: readonly string[]): Mounts => (lower.length === 1 ? { type: "bind", source: lower[0]!, readOnly: true } : { type: "overlay", lower });
