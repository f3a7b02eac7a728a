/**
 * Masked and read-only paths. A masked file is covered by the host's /dev/null, opened before the root is left and
 * verified (RT-04), never by the container's; a masked directory by one empty one for all (RT-18). Only what is absent is
 * passed over: any other failure ends the start.
 */
import { fail } from "#base/errors.ts";
import { AT, ERRNO, FS_MAGIC, MOUNT_ATTR, O, OPEN_TREE_CLONE } from "#linux/constants.ts";
import type { Op } from "#linux/ops.ts";
import type { Spec } from "#spec/oci-runtime.ts";
import type { ContainerFacts } from "./facts.ts";
import { IN_ROOT_PLAIN } from "./rootfs.ts";
import { SLOT } from "./slots.ts";

export function compileCovers(spec: Spec, facts: ContainerFacts): Op[] {
  const masked = known(spec.linux?.maskedPaths ?? [], facts);
  const readonly = known(spec.linux?.readonlyPaths ?? [], facts);
  if (masked.length === 0 && readonly.length === 0) return [];
  const files = masked.some((path) => facts.paths[path] === "file");
  return [
    ...[...masked, ...readonly].some((path) => path.startsWith("/proc/")) ? verify("proc", FS_MAGIC.proc) : [],
    ...[...masked, ...readonly].some((path) => path.startsWith("/sys/")) ? verify("sys", FS_MAGIC.sysfs) : [],
    ...(files ? openNothing() : []),
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

function openNothing(): Op[] {
  return [
    { op: "open", slot: SLOT.nothing, path: "/dev/null", flags: O.PATH | O.NOFOLLOW },
    { op: "checkDevice", slot: SLOT.nothing, major: 1, minor: 3 },
  ];
}

function mask(path: string, by: number): Op[] {
  return [
    openPlace(path),
    { op: "openTree", slot: SLOT.tree, dir: by, flags: OPEN_TREE_CLONE | AT.EMPTY_PATH },
    { op: "moveMount", from: SLOT.tree, dir: SLOT.target, tolerate: ERRNO["EBADF"]!, note: `mask ${path}` },
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
