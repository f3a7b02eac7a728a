/**
 * The init layer: what every container finds in its tree whatever its image holds there. It is the topmost of the
 * read-only layers, so that no link of an image at these places is ever followed by those who mount onto them.
 */
import type { Op, Program } from "#linux/ops.ts";

const EEXIST = 17;

const DIRECTORIES = ["dev", "dev/pts", "dev/shm", "etc", "proc", "sys"];
const FILES = [".dockerenv", "dev/console", "etc/hostname", "etc/hosts", "etc/resolv.conf"];
const LINKS = [["etc/mtab", "/proc/mounts"]] as const;

/** Makes the layer in the folder `tree`, which is there; what is there already is left as it is. */
export function makeInitLayer(tree: string): Program {
  return [
    ...DIRECTORIES.map((name): Op => ({ op: "mkdir", path: `${tree}/${name}`, mode: 0o755, tolerate: EEXIST })),
    ...FILES.map((name): Op => ({ op: "mkfileAll", slot: 1, path: `${tree}/${name}`, mode: 0o755 })),
    ...LINKS.map(([name, target]): Op => ({ op: "symlink", path: `${tree}/${name}`, target, tolerate: EEXIST })),
  ];
}

/** The same inside an image's tree that is the current root: what has another type there is replaced. */
export function applyInitLayer(): Program {
  return [
    ...DIRECTORIES.map((path): Op => ({ op: "putDir", path, mode: 0o755, uid: 0, gid: 0 })),
    ...[...FILES, ...LINKS.map(([path]) => path)].map((path): Op => ({ op: "makeRoom", path })),
    ...FILES.map((path): Op => ({ op: "putFile", path, mode: 0o755, uid: 0, gid: 0, data: "" })),
    ...LINKS.map(([path, target]): Op => ({ op: "symlink", path, target })),
  ];
}
