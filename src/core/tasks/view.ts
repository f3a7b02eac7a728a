/**
 * A view: a mount namespace in which a container's root file system, and what is mounted in it, is all there is, for
 * looking at its files and changing them from outside. Like its own, but without /proc, /sys and /dev: no path leads
 * through them, and no device can be opened.
 *
 * Nothing is ever mounted by path. Of a running container the mounts themselves are cloned, from its mount namespace; of
 * one that does not run, they are made. What is put where is found with openat2 below the view's root, and mounted onto
 * the descriptor that was found (security CP-05, CP-06). A container that moves directories about meanwhile gets something
 * else of its own mounted, or nothing.
 */
import { AT, CLONE, ERRNO, MOUNT_ATTR, MS, O, OPEN_TREE_CLONE, RESOLVE } from "#linux/constants.ts";
import type { Op, Program } from "#linux/ops.ts";
import { bindTreeOps } from "#runtime/bind-tree.ts";
import type { BindTree, HostFacts } from "#runtime/facts.ts";
import { viewRoot } from "#runtime/rootfs.ts";
import { SLOT } from "#runtime/slots.ts";
import { onlyFiles } from "../inside.ts";
import type { Mounts } from "../snapshots/snapshots.ts";

export type View = {
  readonly root:
    /** A container that does not run. */
    | { readonly kind: "snapshot"; readonly mounts: Mounts }
    /** The first process of one that does, and a piece of what /proc/PID/cgroup says of it. */
    | { readonly kind: "process"; readonly pid: number; readonly cgroup: string };
  /** Those to be seen, those below others last. */
  readonly mounts: readonly ViewMount[];
};

export type ViewMount = {
  readonly destination: string;
  /** Of the host: for a container that does not run. */
  readonly source: string;
  readonly type: "directory" | "file";
  readonly readOnly: boolean;
  /** What is mounted, where that is more than the source as it is. */
  readonly tree?: BindTree;
};

const ROOT = 50;
const PLACE = 51;
const SOURCE = 52;
const TREE = 53;
const PROCESS = 54;

const IN_ROOT = RESOLVE.IN_ROOT | RESOLVE.NO_MAGICLINKS;
const ENOENT = ERRNO["ENOENT"]!;
const EBADF = 9;
const NOFILE = 7;
/** Two a level of a tree. */
const FILES = 20_000;

/** The beginning of a forked program; the root is the current directory. Slots below 50 are free, if ROOT.. are not used. */
export function enterView({ root, mounts }: View, place: { readonly host: HostFacts; readonly staging: string }): Program {
  const process = root.kind === "process";
  return [
    { op: "rlimit", resource: NOFILE, soft: FILES, hard: FILES },
    ...(process ? enterProcess(root) : enterSnapshot(root.mounts, place)),
    ...mounts.flatMap((mount) => (process ? cloneMount(mount) : makeMount(mount, place))),
    { op: "mountSetattr", dir: ROOT, flags: AT.EMPTY_PATH | AT.RECURSIVE, set: MOUNT_ATTR.NOSUID | MOUNT_ATTR.NODEV | MOUNT_ATTR.NOEXEC },
    { op: "pivot", slot: ROOT, note: "the view" },
    ...[ROOT, PLACE, SOURCE, TREE, PROCESS, SLOT.tree].map((slot): Op => ({ op: "close", slot, tolerate: EBADF })),
    ...onlyFiles(),
  ];
}

/** The pid could be somebody else's by now: the descriptor is opened first, and joined only if it is the container's. */
function enterProcess({ pid, cgroup }: { pid: number; cgroup: string }): Program {
  return [
    { op: "openPidfd", slot: PROCESS, pid },
    { op: "expect", path: `/proc/${pid}/cgroup`, data: cgroup, note: "the container's process" },
    { op: "setns", slot: PROCESS, flags: CLONE.NEWNS },
    { op: "unshare", flags: CLONE.NEWNS },
    { op: "mountSetattr", path: "/", flags: AT.RECURSIVE, propagation: MS.PRIVATE },
    { op: "openTree", slot: ROOT, path: "/", flags: OPEN_TREE_CLONE, note: "the root alone" },
    { op: "moveMount", from: ROOT, path: "/" },
  ];
}

function enterSnapshot(mounts: Mounts, place: { readonly host: HostFacts; readonly staging: string }): Program {
  return [
    { op: "unshare", flags: CLONE.NEWNS },
    { op: "mountSetattr", path: "/", flags: AT.RECURSIVE, propagation: MS.PRIVATE },
    ...viewRoot(mounts, mounts.type === "bind" ? SOURCE : ROOT, place),
    ...(mounts.type === "bind" ? [{ op: "openTree", slot: ROOT, dir: SOURCE, flags: OPEN_TREE_CLONE | AT.EMPTY_PATH } as const] : []),
    { op: "moveMount", from: ROOT, path: "/" },
  ];
}

/** As it is mounted in the container. One that it has unmounted is not there. */
function cloneMount({ destination }: ViewMount): Program {
  return [
    { op: "close", slot: SOURCE, tolerate: EBADF },
    { op: "close", slot: PLACE, tolerate: EBADF },
    { op: "close", slot: TREE, tolerate: EBADF },
    { op: "open", slot: SOURCE, path: destination, flags: O.PATH, resolve: IN_ROOT, tolerate: ENOENT },
    { op: "open", slot: PLACE, dir: ROOT, path: destination, flags: O.PATH, resolve: IN_ROOT, tolerate: ENOENT },
    { op: "openTree", slot: TREE, dir: SOURCE, flags: OPEN_TREE_CLONE | AT.RECURSIVE | AT.EMPTY_PATH, tolerate: EBADF },
    { op: "moveMount", from: TREE, dir: PLACE, tolerate: EBADF },
  ];
}

function makeMount({ destination, source, type, readOnly, tree }: ViewMount, place: { readonly host: HostFacts; readonly staging: string }): Program {
  const slot = tree === undefined ? TREE : SLOT.tree;
  return [
    ...(tree === undefined ? [{ op: "openTree", slot, path: source, flags: OPEN_TREE_CLONE | AT.RECURSIVE } as const] : bindTreeOps(tree, { recursive: true }, place)),
    { op: "mountSetattr", dir: slot, flags: AT.EMPTY_PATH | AT.RECURSIVE, propagation: MS.PRIVATE, set: readOnly ? MOUNT_ATTR.RDONLY : 0 },
    type === "directory"
      ? { op: "mkdirAll", slot: PLACE, dir: ROOT, path: destination, mode: 0o755 }
      : { op: "mkfileAll", slot: PLACE, dir: ROOT, path: destination, mode: 0o644 },
    { op: "moveMount", from: slot, dir: PLACE },
  ];
}
