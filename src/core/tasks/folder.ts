/** Programs for a container's own folder on the host: its log, and the files that tell it of names. */
import { ERRNO, O, RESOLVE } from "#linux/constants.ts";
import type { Op, Program } from "#linux/ops.ts";
import { FIND_SUBPATH } from "#runtime/bind-tree.ts";

const O_TRUNC = 0o1000;

/** Makes the folder and writes files into it. Uses slot 0. */
export function folderProgram(folder: string, files: Readonly<Record<string, string>>): Program {
  return [
    { op: "mkdirAll", slot: 0, path: folder, mode: 0o710 },
    ...Object.entries(files).map(([path, data]): Op => ({ op: "writeFile", dir: 0, path, data, mode: 0o644, flags: O.CREAT | O.NOFOLLOW | O_TRUNC })),
  ];
}

/** Of a container that was never started there may be nothing, not even what holds it. */
export function removeFolderProgram(root: string, name: string): Program {
  return [
    { op: "mkdirAll", slot: 0, path: root, mode: 0o710 },
    { op: "removeTree", dir: 0, path: name },
  ];
}

/** A folder of the host's, with its parents, where -v names none. */
export function hostFolderProgram(path: string): Program {
  return [
    { op: "open", slot: 0, path: "/", flags: O.PATH | O.DIRECTORY },
    { op: "mkdirAll", slot: 1, dir: 0, path, mode: 0o755 },
  ];
}

/** Reads files of a tree that is opened by `open` in slot 0; missing ones and what is no regular file read as empty. */
export function readFilesProgram(open: Program, paths: readonly string[], max: number): Program {
  const IN_ROOT = 0x10 | 0x02;
  return [...open, ...paths.map((path): Op => ({ op: "readFile", dir: 0, path, max, resolve: IN_ROOT, tolerate: ERRNO["ENOENT"]! }))];
}

/** What is at a path inside a folder, or inside the tree that `root` opens in slot 0; the last output is `stat`'s. */
export function lookInside(from: { readonly path: string } | { readonly root: Program }, subpath: string, { linksInside = false } = {}): Program {
  if ("path" in from && subpath === "") return [{ op: "stat", path: from.path }];
  const open: Program = "root" in from ? from.root : [{ op: "open", slot: 0, path: from.path, flags: O.PATH }];
  return [...open, { op: "stat", dir: 0, path: subpath, resolve: (linksInside ? RESOLVE.IN_ROOT : RESOLVE.BENEATH) | RESOLVE.NO_MAGICLINKS, note: FIND_SUBPATH }];
}

/** The tree that a running process has as its root, in slot 0. */
export function processRoot(pid: number): Program {
  return [{ op: "open", slot: 0, path: `/proc/${pid}/root`, flags: O.PATH | O.DIRECTORY }];
}
