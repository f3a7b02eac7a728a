/**
 * Where the driver `local` keeps a volume: `<root>/<name>/_data`. Names are checked, so these paths hold nothing but what we
 * put there; what containers put into `_data` is touched by programs only.
 *
 * Beside the volumes there are two folders, which no volume can be called:
 *
 *     <root>/.making/…       trees that are being copied, cloned or unpacked: garbage after a crash
 *     <root>/.filled/NAME    what an empty volume NAME is about to take over: complete, and poured in after a crash
 */
import { fail } from "#base/errors.ts";
import { AT, ERRNO, O } from "#linux/constants.ts";
import type { Program } from "#linux/ops.ts";

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;
const LONGEST = 255;

/** @throws invalid, with Docker's text */
export function checkVolumeName(name: string): void {
  if (name.length === 1) throw fail("invalid", "volume name is too short, names should be at least two alphanumeric characters");
  if (NAME.test(name) && name.length <= LONGEST) return;
  throw fail(
    "invalid",
    `create ${name}: "${name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
  );
}

export const localVolumePath = (root: string, name: string): string => `${root}/${name}/_data`;
export const MAKING = ".making";
export const FILLED = ".filled";

/** Makes the folder; one that is there is kept, with its content. */
export function localVolumeMake(root: string, name: string): Program {
  return [
    { op: "open", slot: 0, path: "/", flags: O.PATH | O.DIRECTORY },
    { op: "mkdirAll", slot: 1, dir: 0, path: root, mode: 0o711 },
    { op: "mkdirAll", slot: 2, dir: 1, path: name, mode: 0o711 },
    { op: "mkdirAll", slot: 3, dir: 2, path: "_data", mode: 0o755 },
  ];
}

/**
 * Moves the folder aside first: a volume that is half removed is not one any more. What something is mounted on does not
 * move (EBUSY), and removing never goes across a mount.
 */
export function localVolumeRemove(root: string, name: string, aside: string): Program {
  return [
    { op: "open", slot: 0, path: root, flags: O.RDONLY | O.DIRECTORY },
    { op: "mkdirAll", slot: 1, dir: 0, path: MAKING, mode: 0o700 },
    { op: "rename", fromDir: 0, fromPath: name, toDir: 1, path: aside, tolerate: ERRNO["ENOENT"]! },
    { op: "removeTree", dir: 1, path: aside },
  ];
}

/** RENAME_NOREPLACE */
const NOREPLACE = 1;

/** `from`: the former name, or a folder of `.making`. EEXIST: there is one. */
export function localVolumeRename(root: string, from: string, to: string): Program {
  return [
    { op: "open", slot: 0, path: root, flags: O.RDONLY | O.DIRECTORY },
    { op: "rename", fromDir: 0, fromPath: from, toDir: 0, path: to, flags: NOREPLACE },
    { op: "fsync", slot: 0 },
  ];
}

/** A folder for a new volume, whose `_data` is in slot 3. */
export function stageProgram(root: string, name: string): Program {
  return [
    { op: "open", slot: 0, path: "/", flags: O.PATH | O.DIRECTORY },
    { op: "mkdirAll", slot: 1, dir: 0, path: `${root}/${MAKING}`, mode: 0o700 },
    { op: "mkdirAll", slot: 2, dir: 1, path: name, mode: 0o711 },
    { op: "mkdirAll", slot: 4, dir: 2, path: "_data", mode: 0o755 },
    { op: "open", slot: 3, dir: 2, path: "_data", flags: O.RDONLY | O.DIRECTORY | O.NOFOLLOW },
  ];
}

/** What was staged is on the disk then. */
export function syncProgram(root: string): Program {
  return [
    { op: "open", slot: 0, path: root, flags: O.RDONLY | O.DIRECTORY },
    { op: "syncfs", slot: 0 },
  ];
}

/** Removes a volume's folder in which there is nothing. ENOTEMPTY: there is something. */
export function removeEmptyProgram(root: string, name: string): Program {
  return [
    { op: "open", slot: 0, path: root, flags: O.RDONLY | O.DIRECTORY },
    { op: "unlink", dir: 0, path: `${name}/_data`, flags: AT.REMOVEDIR, tolerate: ERRNO["ENOENT"]! },
    { op: "unlink", dir: 0, path: name, flags: AT.REMOVEDIR, tolerate: ERRNO["ENOENT"]! },
  ];
}

export function unstageProgram(root: string, staged: string): Program {
  return [
    { op: "open", slot: 0, path: root, flags: O.RDONLY | O.DIRECTORY },
    { op: "removeTree", dir: 0, path: `${MAKING}/${staged}` },
  ];
}

/** What stands in `.filled` under the volume's name goes into it. May be done again after it was interrupted. */
export function pourProgram(root: string, name: string): Program {
  return [
    { op: "open", slot: 0, path: `${root}/${FILLED}`, flags: O.RDONLY | O.DIRECTORY },
    { op: "open", slot: 1, dir: 0, path: name, flags: O.RDONLY | O.DIRECTORY | O.NOFOLLOW },
    { op: "open", slot: 2, path: localVolumePath(root, name), flags: O.RDONLY | O.DIRECTORY | O.NOFOLLOW },
    { op: "pourTree", from: 1, slot: 2 },
    { op: "unlink", dir: 0, path: name, flags: AT.REMOVEDIR, tolerate: ERRNO["ENOTEMPTY"]! },
    { op: "removeTree", dir: 0, path: name },
  ];
}

/** The content of one folder becomes another's, which is empty; blocks are shared where the file system can. */
export function cloneProgram(from: string, to: string): Program {
  return [
    { op: "open", slot: 1, path: from, flags: O.RDONLY | O.DIRECTORY },
    { op: "open", slot: 2, path: to, flags: O.RDONLY | O.DIRECTORY | O.NOFOLLOW },
    { op: "copyTree", from: 1, slot: 2 },
  ];
}

/** Bytes and inodes, as the only output; of what is mounted there, if something is. */
export function volumeUsage(path: string): Program {
  return [
    { op: "open", slot: 0, path, flags: O.PATH | O.DIRECTORY },
    { op: "usage", dir: 0, path: "." },
  ];
}

/** How much the volume may hold. @see native/volumes.c */
export function quotaProgram(path: string, bytes: number): Program {
  return [{ op: "projectQuota", path, bytes }];
}
