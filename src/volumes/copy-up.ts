/** What an image has at a place becomes the first content of the volume that is mounted there. */
import { CLONE, MS, O, RESOLVE } from "#linux/constants.ts";
import type { Program } from "#linux/ops.ts";

export type CopyUp = {
  /** Mounts the image's tree on `staging`, in the mount namespace of who performs it. */
  readonly mountRoot: Program;
  readonly staging: string;
  /** Absolute, inside the image: links are followed inside it. */
  readonly destination: string;
  /** The volume's folder on the host. */
  readonly volume: string;
};

/** The note of the op that fails with ENOENT when the image has nothing there, ENOTDIR when it is not a directory. */
export const FIND_CONTENT = "what the image has at the volume's place";

/** Fills the volume if it is empty: content, owner, mode and times. To be performed forked. */
export function copyUpProgram({ mountRoot, staging, destination, volume }: CopyUp): Program {
  return [
    ...privateRoot(mountRoot, staging),
    { op: "open", slot: 1, dir: 0, path: destination, flags: O.RDONLY | O.DIRECTORY, resolve: RESOLVE.IN_ROOT, note: FIND_CONTENT },
    { op: "open", slot: 2, path: volume, flags: O.RDONLY | O.DIRECTORY | O.NOFOLLOW },
    { op: "copyTree", from: 1, slot: 2, flags: 1, note: "only into an empty one" },
  ];
}

/** The image's tree, opened in slot 0, seen by nobody else. */
export function privateRoot(mountRoot: Program, staging: string): Program {
  return [
    { op: "unshare", flags: CLONE.NEWNS },
    { op: "mount", path: "/", flags: MS.REC | MS.PRIVATE },
    ...mountRoot,
    { op: "open", slot: 0, path: staging, flags: O.PATH | O.DIRECTORY },
  ];
}
