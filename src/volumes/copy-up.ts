/**
 * What an image has at a place becomes the first content of the volume that is mounted there: all of it, or nothing. A copy is
 * made beside the volume; when it is whole it is named after the volume, and from then on it is poured into it, by whoever
 * comes first after a crash (`pourProgram`).
 */
import { ERRNO, O, RESOLVE } from "#linux/constants.ts";
import type { Op, Program } from "#linux/ops.ts";
import { FILLED, localVolumePath, MAKING } from "./local.ts";

export type CopyUp = {
  /** Opens the image's tree in slot 0. */
  readonly openRoot: Program;
  /** Absolute, inside the image: links are followed inside it. */
  readonly destination: string;
  readonly root: string;
  readonly name: string;
  /** A name in `.making` that nobody else uses. */
  readonly staged: string;
};

/** The note of the op that fails with ENOENT when the image has nothing there, ENOTDIR when it is not a directory. */
export const FIND_CONTENT = "what the image has at the volume's place";
/** The note of the op that fails with ENOTEMPTY when there is something in the volume. */
export const FULL = "only an empty volume is filled";

const CONTENT = 40;
const REFUSE_FULL = 4;

/** Leaves content, owner, mode and times for the volume in `.filled`. */
export function copyUpProgram({ openRoot, destination, root, name, staged }: CopyUp): Program {
  return [
    { op: "forbid", path: localVolumePath(root, name), flags: REFUSE_FULL, note: FULL },
    ...openRoot,
    findContent(destination),
    { op: "open", slot: 41, path: root, flags: O.PATH | O.DIRECTORY },
    { op: "mkdirAll", slot: 42, dir: 41, path: MAKING, mode: 0o700 },
    { op: "mkdirAll", slot: 43, dir: 41, path: FILLED, mode: 0o700 },
    { op: "mkdir", dir: 42, path: staged, mode: 0o700, undo: [{ op: "removeTree", dir: 42, path: staged }] },
    { op: "open", slot: 44, dir: 42, path: staged, flags: O.RDONLY | O.DIRECTORY | O.NOFOLLOW },
    { op: "copyTree", from: CONTENT, slot: 44 },
    { op: "rename", fromDir: 42, fromPath: staged, toDir: 43, path: name },
  ];
}

/** Whether the image has anything there: fails as the others do when it has not. */
export function lookForContent({ openRoot, destination }: Pick<CopyUp, "openRoot" | "destination">): Program {
  return [...openRoot, findContent(destination)];
}

/** Into a folder that is not of our file system: what a driver has mounted. */
export function copyInPlace({ openRoot, destination, folder }: { openRoot: Program; destination: string; folder: string }): Program {
  return [
    ...openRoot,
    findContent(destination),
    { op: "open", slot: 41, path: folder, flags: O.RDONLY | O.DIRECTORY, tolerate: ERRNO["ENOTDIR"]! },
    { op: "copyTree", from: CONTENT, slot: 41, flags: 1, note: "only into an empty one" },
  ];
}

function findContent(destination: string): Op {
  return { op: "open", slot: CONTENT, dir: 0, path: destination, flags: O.RDONLY | O.DIRECTORY, resolve: RESOLVE.IN_ROOT, note: FIND_CONTENT };
}
