/**
 * The driver `local`: a volume is `<root>/<name>/_data`. Names are checked, so these paths hold nothing but what we put
 * there; what containers put into `_data` is touched by programs only.
 */
import { fail } from "#base/errors.ts";
import { ERRNO, O } from "#linux/constants.ts";
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

/** Makes the folder; one that is there is kept, with its content. */
export function localVolumeMake(root: string, name: string): Program {
  return [
    { op: "open", slot: 0, path: "/", flags: O.PATH | O.DIRECTORY },
    { op: "mkdirAll", slot: 1, dir: 0, path: root, mode: 0o711 },
    { op: "mkdirAll", slot: 2, dir: 1, path: name, mode: 0o711 },
    { op: "mkdirAll", slot: 3, dir: 2, path: "_data", mode: 0o755 },
  ];
}

/** Moves the folder aside first: a volume that is half removed is not one any more. */
export function localVolumeRemove(root: string, name: string): Program {
  return [
    { op: "open", slot: 0, path: root, flags: O.RDONLY | O.DIRECTORY, tolerate: ERRNO["ENOENT"]! },
    { op: "removeTree", dir: 0, path: name },
  ];
}

/** Bytes and inodes, as the output of op 0. */
export function localVolumeUsage(root: string, name: string): Program {
  return [{ op: "usage", path: localVolumePath(root, name) }];
}
