/**
 * A driver decides how a snapshot's folder looks and how it is mounted. It only plans: what it returns is performed, or
 * mounted, by others.
 */
import { basename, dirname } from "node:path";
import type { Program } from "#linux/ops.ts";
import type { Mounts } from "./snapshots.ts";

/** Folder of one snapshot: snapshots/ID. */
export type Folder = string;

export type Driver = {
  readonly name: string;
  readonly whiteouts: "marks" | "removal";
  /** Where a folder keeps the tree. */
  tree(folder: Folder): string;
  /** Makes the folder of a writable snapshot. `parents` is topmost first; `init` the init layer's folder, if wanted. */
  create(folder: Folder, parents: readonly Folder[], init: Folder | undefined): Program;
  /** As `create`, once the folder was made: mounts for reading and writing, or for reading. */
  mounts(folder: Folder, parents: readonly Folder[], init: Folder | undefined): Mounts;
  view(parents: readonly Folder[]): Mounts;
};

/** Modes of the folders: the tree is the container's root directory; nobody but root gets as far as it from outside. */
const FOLDER = 0o710;
const TREE = 0o755;
const WORK = 0o700;

const treeOf = (folder: Folder) => `${folder}/fs`;

/**
 * Removes a folder and all in it. Beginning at the folder that holds it: a removal goes into no mount, and the data root
 * may be one.
 */
export function removeFolder(folder: Folder): Program {
  return [
    { op: "open", slot: 0, path: dirname(folder), flags: O_DIRECTORY },
    { op: "removeTree", dir: 0, path: basename(folder) },
  ];
}

/** Directories laid over each other by the kernel. Nothing is copied. */
export const overlay: Driver = {
  name: "overlay",
  whiteouts: "marks",
  tree: treeOf,
  create: (folder) => [
    { op: "mkdir", path: folder, mode: FOLDER, undo: removeFolder(folder) },
    { op: "mkdir", path: treeOf(folder), mode: TREE },
    { op: "mkdir", path: `${folder}/work`, mode: WORK },
  ],
  mounts(folder, parents, init) {
    const lower = [...(init === undefined ? [] : [init]), ...parents].map(treeOf);
    if (lower.length === 0) return { type: "bind", source: treeOf(folder), readOnly: false };
    return { type: "overlay", lower, upper: treeOf(folder), work: `${folder}/work` };
  },
  view(parents) {
    const lower = parents.map(treeOf);
    return lower.length === 1 ? { type: "bind", source: lower[0]!, readOnly: true } : { type: "overlay", lower };
  },
};

/** A whole copy each: for file systems on which overlay does not work. */
export const vfs: Driver = {
  name: "vfs",
  whiteouts: "removal",
  tree: treeOf,
  create: (folder, parents) => [
    { op: "mkdir", path: folder, mode: FOLDER, undo: removeFolder(folder) },
    { op: "mkdir", path: treeOf(folder), mode: TREE },
    ...parents.slice(0, 1).flatMap((parent) => [
      { op: "open", slot: 1, path: treeOf(parent), flags: O_DIRECTORY } as const,
      { op: "open", slot: 2, path: treeOf(folder), flags: O_DIRECTORY } as const,
      { op: "copyTree", from: 1, slot: 2 } as const,
    ]),
  ],
  mounts: (folder) => ({ type: "bind", source: treeOf(folder), readOnly: false }),
  view: (parents) => ({ type: "bind", source: treeOf(parents[0]!), readOnly: true }),
};

const O_DIRECTORY = 0o200000;

/** The drivers there are. */
export const drivers: Readonly<Record<string, Driver>> = { overlay, vfs };
