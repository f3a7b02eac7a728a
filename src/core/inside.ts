/** Working inside a folder whose content is hostile. */
import type { Program } from "#linux/ops.ts";

const CLONE_NEWNS = 0x20000;
const MS_REC_PRIVATE = 0x4000 | (1 << 18);
const OPEN_TREE_CLONE = 1;
const O_PATH_DIRECTORY = 0o10000000 | 0o200000;
const NOSUID_NODEV_NOEXEC = 0x2 | 0x4 | 0x8;
const AT_EMPTY_PATH = 0x1000;

/** CHOWN DAC_OVERRIDE FOWNER FSETID SYS_ADMIN MKNOD SETFCAP: what files need; SYS_ADMIN for trusted.overlay.* alone. */
const FILE_CAPS = [0, 1, 3, 4, 21, 27, 31].reduce((mask, cap) => mask | (1n << BigInt(cap)), 0n);

/**
 * The beginning of a forked program that works inside `folder`: a mount namespace of its own in which the folder is all
 * there is, and no more capabilities than making files takes. From here on a path, whatever links it leads through, stays
 * in the folder; "." is its root. Slots 1 and 2 are used up.
 */
export function enterFolder(folder: string): Program {
  return [
    { op: "unshare", flags: CLONE_NEWNS },
    { op: "mount", source: "none", path: "/", flags: MS_REC_PRIVATE },
    { op: "openTree", slot: 1, path: folder, flags: OPEN_TREE_CLONE },
    { op: "mountSetattr", dir: 1, flags: AT_EMPTY_PATH, set: NOSUID_NODEV_NOEXEC },
    { op: "moveMount", from: 1, path: folder },
    { op: "open", slot: 2, path: folder, flags: O_PATH_DIRECTORY },
    { op: "pivot", slot: 2 },
    { op: "close", slot: 1 },
    { op: "close", slot: 2 },
    ...onlyFiles(),
  ];
}

/** No more capabilities than making files takes: above all no way through /proc into other processes' trees. */
export function onlyFiles(): Program {
  return [
    { op: "umask", mode: 0 },
    { op: "capSet", effective: FILE_CAPS, permitted: FILE_CAPS, inheritable: 0 },
  ];
}
