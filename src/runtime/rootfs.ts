/** The container's root: an overlay or a directory, mounted where only the container sees it. */
import { fail } from "#base/errors.ts";
import { AT, FSCONFIG, MOUNT_ATTR, MS, O, OPEN_TREE_CLONE, RESOLVE } from "#linux/constants.ts";
import type { Op, Program } from "#linux/ops.ts";
import { kernelAtLeast } from "#spec/kernel.ts";
import type { Spec } from "#spec/oci-runtime.ts";
import type { ContainerFacts, HostFacts, RootMount } from "./facts.ts";
import { SLOT } from "./slots.ts";

/** The longest string that fsconfig takes. */
const FSCONFIG_LONGEST = 255;
/** mount(2) takes a page. */
const MOUNT_DATA_LONGEST = 4095;

/** What would change what a layer holds, or make one depend on others. Off, whatever the kernel's defaults are. */
const OVERLAY_OFF = ["index=off", "metacopy=off", "redirect_dir=off"];

export type CompiledRoot = {
  /** Before the host's namespaces are left. */
  readonly early: Program;
  /** Mounts the root at the staging directory and holds it in `SLOT.root`. */
  readonly ops: Program;
};

/**
 * The staging directory is the current one while the namespaces change: it is found again without its path, which a user
 * namespace may not be allowed to walk. There the tree is made before, too: its layers are the host's.
 */
export function compileRoot(facts: ContainerFacts, spec: Spec): CompiledRoot {
  const covers = coversDirectories(facts, spec);
  const tree = rootTree(facts.root, facts.host);
  const attach: Op = { op: "moveMount", from: SLOT.root, ...(covers ? { dir: SLOT.empty } : {}), note: "the root, at the staging directory" };
  const early = inUserNamespace(spec);
  return {
    early: [...(early ? (tree ?? tooManyLayers()) : []), { op: "chdir", path: facts.staging }],
    ops: [...(covers ? emptyDirectory() : []), ...(early ? [] : (tree ?? [])), ...(tree === undefined ? classicOverlay(facts.root, facts.staging) : [attach])],
  };
}

function coversDirectories(facts: ContainerFacts, spec: Spec): boolean {
  return (spec.linux?.maskedPaths ?? []).some((path) => facts.paths[path] === "directory");
}

/**
 * One empty read-only directory for all masked ones (RT-18). It is put below the root, at the staging directory: a tree
 * can only be cloned from a mount that is attached, and this place goes away with the old root.
 */
function emptyDirectory(): Op[] {
  return [
    { op: "fsopen", slot: SLOT.context, type: "tmpfs" },
    { op: "fsconfig", slot: SLOT.context, cmd: FSCONFIG.STRING, key: "nr_inodes", value: "2" },
    { op: "fsconfig", slot: SLOT.context, cmd: FSCONFIG.STRING, key: "size", value: "4096" },
    { op: "fsconfig", slot: SLOT.context, cmd: FSCONFIG.FLAG, key: "ro" },
    { op: "fsconfig", slot: SLOT.context, cmd: FSCONFIG.CREATE },
    { op: "fsmount", slot: SLOT.empty, from: SLOT.context, attrs: MOUNT_ATTR.RDONLY | MOUNT_ATTR.NOSUID | MOUNT_ATTR.NODEV | MOUNT_ATTR.NOEXEC },
    { op: "moveMount", from: SLOT.empty, note: "an empty directory, to mask with" },
  ];
}

/** Undefined for what only mount(2) can do. */
function rootTree(root: RootMount, host: HostFacts): Op[] | undefined {
  return root.type === "bind" ? bindRoot(root) : detachedOverlay(root, host, SLOT.root);
}

function tooManyLayers(): never {
  throw fail("not-implemented", "mount the root: an image of many layers needs Linux 6.8 or later");
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
  return ops ?? tooManyLayers();
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
function classicOverlay(root: RootMount, staging: string): Op[] {
  if (root.type === "bind") return [];
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

export const inUserNamespace = (spec: Spec) => spec.linux?.namespaces?.some((one) => one.type === "user") ?? false;

/** How paths below the container's root are resolved. */
export const IN_ROOT = RESOLVE.IN_ROOT | RESOLVE.NO_MAGICLINKS;
/** The same where a symbolic link is never right. */
export const IN_ROOT_PLAIN = RESOLVE.IN_ROOT | RESOLVE.NO_MAGICLINKS | RESOLVE.NO_SYMLINKS;
