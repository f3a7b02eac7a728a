/** Binds of a part of a folder, of an image, or with other owners: into `SLOT.tree`. */
import { fail } from "#base/errors.ts";
import { AT, FSCONFIG, MOUNT_ATTR, MS, O, OPEN_TREE_CLONE, RESOLVE } from "#linux/constants.ts";
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
const IN_ROOT = RESOLVE.IN_ROOT | RESOLVE.NO_MAGICLINKS;
const PAGE = 4096;

/** @throws invalid for a mount that is shared with the host */
export function bindTreeOps(tree: BindTree, options: Pick<MountOptions, "recursive" | "propagation">, { host, staging }: Pick<ContainerFacts, "host" | "staging">): Op[] {
  const kind = options.propagation?.kind ?? MS.PRIVATE;
  if (kind !== MS.PRIVATE) throw fail("invalid", "a mount of a subpath, of an image or with mapped ids is private: it cannot be shared with the host");
  const flags = OPEN_TREE_CLONE | (options.recursive ? AT.RECURSIVE : 0);
  return [...findTree(tree, flags, { host, staging }), ...mapIds(tree)];
}

function findTree({ from, subpath, linksInside = false }: BindTree, flags: number, { host, staging }: Pick<ContainerFacts, "host" | "staging">): Op[] {
  const resolve = linksInside ? IN_ROOT : BENEATH;
  if (from.kind === "folder") return folderTree(from.path, { subpath, flags, resolve });
  if (from.kind === "data") return dataTree(from, staging);
  return [...imageTree(from.root, SLOT.tree, host), ...(subpath === "" ? [] : partOf(subpath, { staging, resolve }))];
}

function folderTree(path: string, { subpath, flags, resolve }: { subpath: string; flags: number; resolve: number }): Op[] {
  return [
    ...findInside(path, subpath, resolve),
    { op: "openTree", slot: SLOT.tree, dir: SLOT.scratch, flags: flags | AT.EMPTY_PATH },
    { op: "close", slot: SLOT.scratch },
  ];
}

/** The file or directory in `SLOT.scratch`. */
function findInside(path: string, subpath: string, resolve: number): Op[] {
  return [
    { op: "open", slot: SLOT.scratch, path, flags: O.PATH },
    ...(subpath === "" ? [] : [{ op: "open", slot: SLOT.scratch, dir: SLOT.scratch, path: subpath, flags: O.PATH, resolve, note: FIND_SUBPATH } as const]),
  ];
}

/** Only what is attached can be cloned from: for a moment the image's tree lies over the staging directory. */
function partOf(subpath: string, { staging, resolve }: { staging: string; resolve: number }): Op[] {
  return [
    { op: "moveMount", from: SLOT.tree, path: staging },
    { op: "open", slot: SLOT.scratch, dir: SLOT.tree, path: subpath, flags: O.PATH, resolve, note: FIND_SUBPATH },
    { op: "openTree", slot: SLOT.tree, dir: SLOT.scratch, flags: OPEN_TREE_CLONE | AT.EMPTY_PATH },
    { op: "close", slot: SLOT.scratch },
    { op: "umount", path: staging, flags: DETACH },
  ];
}

/** On a file system of its own, that nobody else sees and that goes with the mount. */
function dataTree({ data, mode, uid, gid }: Extract<BindTree["from"], { kind: "data" }>, staging: string): Op[] {
  return [
    { op: "fsopen", slot: SLOT.context, type: "tmpfs" },
    { op: "fsconfig", slot: SLOT.context, cmd: FSCONFIG.STRING, key: "size", value: String(data.length + PAGE) },
    { op: "fsconfig", slot: SLOT.context, cmd: FSCONFIG.CREATE },
    { op: "fsmount", slot: SLOT.tree, from: SLOT.context, attrs: MOUNT_ATTR.NOSUID | MOUNT_ATTR.NODEV },
    { op: "putFile", slot: -1, dir: SLOT.tree, path: "data", mode, uid, gid, data },
    ...partOf("data", { staging, resolve: BENEATH }),
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
