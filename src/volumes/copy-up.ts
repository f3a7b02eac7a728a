/** What an image has at a place becomes the first content of the volume that is mounted there. */
import { O, RESOLVE } from "#linux/constants.ts";
import type { Program } from "#linux/ops.ts";

export type CopyUp = {
  /** Opens the image's tree in slot 0. */
  readonly openRoot: Program;
  /** Absolute, inside the image: links are followed inside it. */
  readonly destination: string;
  /** The volume's folder on the host. */
  readonly volume: string;
};

/** The note of the op that fails with ENOENT when the image has nothing there, ENOTDIR when it is not a directory. */
export const FIND_CONTENT = "what the image has at the volume's place";

/** Fills the volume if it is empty: content, owner, mode and times. */
export function copyUpProgram({ openRoot, destination, volume }: CopyUp): Program {
  return [
    ...openRoot,
    { op: "open", slot: 40, dir: 0, path: destination, flags: O.RDONLY | O.DIRECTORY, resolve: RESOLVE.IN_ROOT, note: FIND_CONTENT },
    { op: "open", slot: 41, path: volume, flags: O.RDONLY | O.DIRECTORY | O.NOFOLLOW },
    { op: "copyTree", from: 40, slot: 41, flags: 1, note: "only into an empty one" },
  ];
}
