/**
 * Masked and read-only paths. A masked file is covered by a null device that nobody else has and that is verified
 * (RT-04), a masked directory by an empty one, the same for all (RT-18): `rootfs.ts` makes them. Only what is absent is
 * passed over: any other failure ends the start.
 */
import { fail } from "#base/errors.ts";
import { AT, FS_MAGIC, MOUNT_ATTR, O, OPEN_TREE_CLONE } from "#linux/constants.ts";
import type { Op } from "#linux/ops.ts";
import type { Spec } from "#spec/oci-runtime.ts";
import type { ContainerFacts } from "./facts.ts";
import { IN_ROOT_PLAIN } from "./rootfs.ts";
import { SLOT } from "./slots.ts";

export function compileCovers(spec: Spec, facts: ContainerFacts): Op[] {
  const masked = known(spec.linux?.maskedPaths ?? [], facts);
  const readonly = known(spec.linux?.readonlyPaths ?? [], facts);
  if (masked.length === 0 && readonly.length === 0) return [];
  return [
    ...[...masked, ...readonly].some((path) => path.startsWith("/proc/")) ? verify("proc", FS_MAGIC.proc) : [],
    ...[...masked, ...readonly].some((path) => path.startsWith("/sys/")) ? verify("sys", FS_MAGIC.sysfs) : [],
    ...masked.flatMap((path) => mask(path, facts.paths[path] === "file" ? SLOT.nothing : SLOT.empty)),
    ...readonly.flatMap(protect),
  ];
}

/** Paths that the host has: the kernel's file systems are the same inside. Of others nothing is known here. */
function known(paths: readonly string[], facts: ContainerFacts): string[] {
  const foreign = paths.find((path) => !/^\/(proc|sys)\/./.test(path));
  if (foreign !== undefined) throw fail("not-implemented", `mask ${JSON.stringify(foreign)}: only paths below /proc and /sys can be masked`);
  return paths.filter((path) => facts.paths[path] !== undefined);
}

/** What is about to be covered must be in the kernel's own file system. */
function verify(path: string, magic: number): Op[] {
  return [
    { op: "open", slot: SLOT.target, dir: SLOT.root, path, flags: O.PATH | O.NOFOLLOW, resolve: IN_ROOT_PLAIN },
    { op: "checkFs", slot: SLOT.target, magic },
  ];
}

/** Read-only: else the container's root could change mode and owner of what covers. */
function mask(path: string, by: number): Op[] {
  return [
    openPlace(path),
    { op: "openTree", slot: SLOT.tree, dir: by, flags: OPEN_TREE_CLONE | AT.EMPTY_PATH },
    { op: "mountSetattr", dir: SLOT.tree, flags: AT.EMPTY_PATH, set: MOUNT_ATTR.RDONLY | MOUNT_ATTR.NOSUID | MOUNT_ATTR.NOEXEC },
    { op: "moveMount", from: SLOT.tree, dir: SLOT.target, note: `mask ${path}` },
  ];
}

/** The path is covered by a read-only clone of itself. */
function protect(path: string): Op[] {
  return [
    openPlace(path),
    { op: "openTree", slot: SLOT.tree, dir: SLOT.target, flags: OPEN_TREE_CLONE | AT.RECURSIVE | AT.EMPTY_PATH },
    { op: "mountSetattr", dir: SLOT.tree, flags: AT.EMPTY_PATH | AT.RECURSIVE, set: MOUNT_ATTR.RDONLY },
    { op: "moveMount", from: SLOT.tree, dir: SLOT.target, note: `${path} read-only` },
  ];
}

function openPlace(path: string): Op {
  return { op: "open", slot: SLOT.target, dir: SLOT.root, path: path.slice(1), flags: O.PATH | O.NOFOLLOW, resolve: IN_ROOT_PLAIN };
}
