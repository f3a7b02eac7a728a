/** Binds of a part of a folder, of an image, or with other owners: into `SLOT.tree`. */
import { fail } from "#base/errors.ts";
import { AT, MS, O, OPEN_TREE_CLONE, RESOLVE } from "#linux/constants.ts";
import type { Op } from "#linux/ops.ts";
import type { BindTree, ContainerFacts } from "./facts.ts";
import type { MountOptions } from "./mount-options.ts";
import { imageTree } from "./rootfs.ts";
import { SLOT } from "./slots.ts";

/** The notes of ops by which an error is told from others. */
export const FIND_SUBPATH = "the path inside what is mounted";
export const MAP_IDS = "owners as the container's user sees them";

const DETACH = 2;
const MOUNT_ATTR_IDMAP = 0x100000;
const BENEATH = RESOLVE.BENEATH | RESOLVE.NO_MAGICLINKS;

/** @throws invalid for a mount that is shared with the host */
export function bindTreeOps(tree: BindTree, options: Pick<MountOptions, "recursive" | "propagation">, { host, staging }: Pick<ContainerFacts, "host" | "staging">): Op[] {
  const kind = options.propagation?.kind ?? MS.PRIVATE;
  if (kind !== MS.PRIVATE) throw fail("invalid", "a mount of a subpath, of an image or with mapped ids is private: it cannot be shared with the host");
  const flags = OPEN_TREE_CLONE | (options.recursive ? AT.RECURSIVE : 0);
  const found = tree.from.kind === "folder" ? folderTree(tree.from.path, tree.subpath, flags) : [...imageTree(tree.from.root, SLOT.tree, host), ...(tree.subpath === "" ? [] : partOf(tree.subpath, staging))];
  return [...found, ...mapIds(tree)];
}

export function folderTree(path: string, subpath: string, flags: number): Op[] {
  return [
    ...findInside(path, subpath),
    { op: "openTree", slot: SLOT.tree, dir: SLOT.scratch, flags: flags | AT.EMPTY_PATH },
    { op: "close", slot: SLOT.scratch },
  ];
}

/** The file or directory in `SLOT.scratch`. */
function findInside(path: string, subpath: string): Op[] {
  return [
    { op: "open", slot: SLOT.scratch, path, flags: O.PATH },
    ...(subpath === "" ? [] : [{ op: "open", slot: SLOT.scratch, dir: SLOT.scratch, path: subpath, flags: O.PATH, resolve: BENEATH, note: FIND_SUBPATH } as const]),
  ];
}

/** Only what is attached can be cloned from: for a moment the image's tree lies over the staging directory. */
function partOf(subpath: string, staging: string): Op[] {
  return [
    { op: "moveMount", from: SLOT.tree, path: staging },
    { op: "open", slot: SLOT.scratch, dir: SLOT.tree, path: subpath, flags: O.PATH, resolve: BENEATH, note: FIND_SUBPATH },
    { op: "openTree", slot: SLOT.tree, dir: SLOT.scratch, flags: OPEN_TREE_CLONE | AT.EMPTY_PATH },
    { op: "close", slot: SLOT.scratch },
    { op: "umount", path: staging, flags: DETACH },
  ];
}

function mapIds({ ids }: BindTree): Op[] {
  if (ids === undefined) return [];
  return [
    { op: "userNs", slot: SLOT.scratch, uids: ids.uids, gids: ids.gids },
    { op: "mountSetattr", dir: SLOT.tree, flags: AT.EMPTY_PATH, set: MOUNT_ATTR_IDMAP, userns: SLOT.scratch, note: MAP_IDS },
    { op: "close", slot: SLOT.scratch },
  ];
}
