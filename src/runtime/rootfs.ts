/** The container's root: an overlay or a directory, mounted where only the container sees it. */
import { fail } from "#base/errors.ts";
import { AT, FSCONFIG, MOUNT_ATTR, MS, O, OPEN_TREE_CLONE, RESOLVE } from "#linux/constants.ts";
import type { Op } from "#linux/ops.ts";
import type { Spec } from "#spec/oci-runtime.ts";
import { type ContainerFacts, type HostFacts, kernelAtLeast, type RootMount } from "./facts.ts";
import { SLOT } from "./slots.ts";

/** The longest string that fsconfig takes. */
const FSCONFIG_LONGEST = 255;
/** mount(2) takes a page. */
const MOUNT_DATA_LONGEST = 4095;

/** What would change what a layer holds, or make one depend on others. Off, whatever the kernel's defaults are. */
const OVERLAY_OFF = ["index=off", "metacopy=off", "redirect_dir=off"];

/** Ops that mount the root at `staging` in the current mount namespace, and hold it in `SLOT.root`. */
export function compileRoot(facts: ContainerFacts, spec: Spec): Op[] {
  const covers = coversDirectories(facts, spec);
  const below: Op[] = covers ? emptyDirectory(facts.staging) : [];
  return [...below, ...mountRoot(facts.root, facts.host, { staging: facts.staging, covers })];
}

function coversDirectories(facts: ContainerFacts, spec: Spec): boolean {
  return (spec.linux?.maskedPaths ?? []).some((path) => facts.paths[path] === "directory");
}

/**
 * One empty read-only directory for all masked ones (RT-18). It is put below the root, at the staging directory: a tree
 * can only be cloned from a mount that is attached, and this place goes away with the old root.
 */
function emptyDirectory(staging: string): Op[] {
  return [
    { op: "fsopen", slot: SLOT.context, type: "tmpfs" },
    { op: "fsconfig", slot: SLOT.context, cmd: FSCONFIG.STRING, key: "nr_inodes", value: "2" },
    { op: "fsconfig", slot: SLOT.context, cmd: FSCONFIG.STRING, key: "size", value: "4096" },
    { op: "fsconfig", slot: SLOT.context, cmd: FSCONFIG.FLAG, key: "ro" },
    { op: "fsconfig", slot: SLOT.context, cmd: FSCONFIG.CREATE },
    { op: "fsmount", slot: SLOT.empty, from: SLOT.context, attrs: MOUNT_ATTR.RDONLY | MOUNT_ATTR.NOSUID | MOUNT_ATTR.NODEV | MOUNT_ATTR.NOEXEC },
    { op: "moveMount", from: SLOT.empty, path: staging, note: "an empty directory, to mask with" },
  ];
}

function mountRoot(root: RootMount, host: HostFacts, at: { staging: string; covers: boolean }): Op[] {
  const attach: Op = at.covers
    ? { op: "moveMount", from: SLOT.root, dir: SLOT.empty, note: "root" }
    : { op: "moveMount", from: SLOT.root, path: at.staging, note: "root" };
  if (root.type === "bind") return [...bindRoot(root), attach];
  const detached = detachedOverlay(root, host, SLOT.root);
  return detached === undefined ? classicOverlay(root, at.staging) : [...detached, attach];
}

function bindRoot(root: RootMount & { type: "bind" }): Op[] {
  return [
    { op: "openTree", slot: SLOT.root, path: root.source, flags: OPEN_TREE_CLONE | AT.RECURSIVE },
    { op: "mountSetattr", dir: SLOT.root, flags: AT.EMPTY_PATH | AT.RECURSIVE, propagation: MS.PRIVATE },
    ...(root.readOnly ? [{ op: "mountSetattr", dir: SLOT.root, flags: AT.EMPTY_PATH, set: MOUNT_ATTR.RDONLY } as const] : []),
  ];
}

/** Ops that make a detached tree of an overlay or a directory in a slot; for reading a container's files from outside. */
export function detachedRoot(root: RootMount, host: HostFacts, slot: number): Op[] {
  if (root.type === "bind") return [{ op: "open", slot, path: root.source, flags: O.PATH | O.DIRECTORY }];
  const ops = detachedOverlay(root, host, slot);
  if (ops === undefined) throw fail("not-implemented", "mount an image of many layers: Linux 6.8 or later is needed");
  return ops;
}

/** Undefined when the layers cannot be said to this kernel through fsconfig. */
function detachedOverlay(root: RootMount & { type: "overlay" }, host: HostFacts, slot: number): Op[] | undefined {
  const set = (key: string, value: string): Op => ({ op: "fsconfig", slot: SLOT.context, cmd: FSCONFIG.STRING, key, value });
  const joined = joinedLower(root.lower);
  const oneByOne = kernelAtLeast(host, 6, 8);
  const values = [...(oneByOne ? root.lower : [joined]), root.upper ?? "", root.work ?? ""];
  if (values.some((value) => Buffer.byteLength(value) > FSCONFIG_LONGEST)) return undefined;
  return [
    { op: "fsopen", slot: SLOT.context, type: "overlay" },
    set("source", "overlay"),
    ...(oneByOne ? root.lower.map((path) => set("lowerdir+", path)) : [set("lowerdir", joined)]),
    ...(root.upper !== undefined && root.work !== undefined ? [set("upperdir", root.upper), set("workdir", root.work)] : []),
    ...OVERLAY_OFF.map((word) => set(...(word.split("=") as [string, string]))),
    { op: "fsconfig", slot: SLOT.context, cmd: FSCONFIG.CREATE },
    { op: "fsmount", slot, from: SLOT.context },
  ];
}

/** The older way: one string of at most a page. Paths are given relative to what they have in common. */
function classicOverlay(root: RootMount & { type: "overlay" }, staging: string): Op[] {
  const all = [...root.lower, ...(root.upper === undefined ? [] : [root.upper]), ...(root.work === undefined ? [] : [root.work])];
  const base = commonFolder(all);
  const short = (path: string) => path.slice(base.length);
  const writable = root.upper === undefined || root.work === undefined ? [] : [`upperdir=${escapeOption(short(root.upper))}`, `workdir=${escapeOption(short(root.work))}`];
  const data = [`lowerdir=${joinedLower(root.lower.map(short))}`, ...writable, ...OVERLAY_OFF].join(",");
  if (Buffer.byteLength(data) > MOUNT_DATA_LONGEST) throw fail("not-implemented", `mount the root: ${root.lower.length} layers need Linux 6.8 or later`);
  return [
    { op: "chdir", path: base },
    { op: "mount", source: "overlay", path: staging, type: "overlay", data },
    { op: "open", slot: SLOT.root, path: staging, flags: O.PATH | O.DIRECTORY },
  ];
}

const joinedLower = (lower: readonly string[]) => lower.map((path) => path.replace(/[\\:,]/g, "\\$&")).join(":");
const escapeOption = (path: string) => path.replace(/[\\,]/g, "\\$&");

/** "/a/b/c", "/a/b/d" → "/a/b/". */
function commonFolder(paths: readonly string[]): string {
  let prefix = paths[0] ?? "/";
  for (const path of paths) while (!path.startsWith(prefix)) prefix = prefix.slice(0, -1);
  return prefix.slice(0, prefix.lastIndexOf("/") + 1) || "/";
}

/** Read-only comes last: until then mount points are made in it. */
export function lockRoot(spec: Spec): Op[] {
  if (spec.root?.readonly !== true) return [];
  return [{ op: "mountSetattr", dir: SLOT.root, flags: AT.EMPTY_PATH, set: MOUNT_ATTR.RDONLY, note: "read-only root" }];
}

const PROPAGATION: Readonly<Record<string, number>> = { shared: MS.SHARED, slave: MS.SLAVE, unbindable: MS.UNBINDABLE };

/** What the root passes on. After the pivot, which wants a private root. */
export function propagateRoot(spec: Spec): Op[] {
  const word = spec.linux?.rootfsPropagation ?? "";
  const recursive = word.startsWith("r");
  const kind = PROPAGATION[recursive ? word.slice(1) : word];
  return kind === undefined ? [] : [{ op: "mountSetattr", path: "/", flags: recursive ? AT.RECURSIVE : 0, propagation: kind }];
}

/** How paths below the container's root are resolved. */
export const IN_ROOT = RESOLVE.IN_ROOT | RESOLVE.NO_MAGICLINKS;
/** The same where a symbolic link is never right. */
export const IN_ROOT_PLAIN = RESOLVE.IN_ROOT | RESOLVE.NO_MAGICLINKS | RESOLVE.NO_SYMLINKS;
