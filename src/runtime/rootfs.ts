/** The container's root: an overlay or a directory, mounted where only the container sees it. */
import { fail } from "#base/errors.ts";
import { AT, FSCONFIG, MOUNT_ATTR, MS, O, OPEN_TREE_CLONE, RESOLVE, S } from "#linux/constants.ts";
import type { Op, Program } from "#linux/ops.ts";
import { kernelAtLeast } from "#spec/kernel.ts";
import type { Spec } from "#spec/oci-runtime.ts";
import type { ContainerFacts, HostFacts, RootMount } from "./facts.ts";
import { NAMESPACE_FLAGS } from "./namespaces.ts";
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
  const covers = masksAnything(facts, spec);
  const tree = rootTree(facts.root, facts.host);
  const attach: Op = { op: "moveMount", from: SLOT.root, ...(covers ? { dir: SLOT.masks } : {}), note: "the root, at the staging directory" };
  const early = inUserNamespace(spec);
  return {
    early: [...(early ? (tree ?? tooManyLayers()) : []), { op: "chdir", path: facts.staging }],
    ops: [...(covers ? coverings(early) : []), ...(early ? [] : (tree ?? [])), ...(tree === undefined ? classicOverlay(facts.root, facts.staging) : [attach])],
  };
}

function masksAnything(facts: ContainerFacts, spec: Spec): boolean {
  return (spec.linux?.maskedPaths ?? []).some((path) => facts.paths[path] !== undefined);
}

/**
 * What covers masked paths: one empty directory for all directories (RT-18), one null device for all files, on a small
 * file system of the container's own. It is put below the root, at the staging directory: a tree can only be cloned from
 * a mount that is attached, and this place goes away with the old root.
 *
 * The host's null device would do, were it not that the container's root could change its mode and owner. In a user
 * namespace he could not, but no node could be made there either: so it is taken.
 */
function coverings(inUserNamespace: boolean): Op[] {
  return [
    { op: "fsopen", slot: SLOT.context, type: "tmpfs" },
    { op: "fsconfig", slot: SLOT.context, cmd: FSCONFIG.STRING, key: "nr_inodes", value: "3" },
    { op: "fsconfig", slot: SLOT.context, cmd: FSCONFIG.STRING, key: "size", value: "4096" },
    { op: "fsconfig", slot: SLOT.context, cmd: FSCONFIG.CREATE },
    { op: "fsmount", slot: SLOT.masks, from: SLOT.context, attrs: MOUNT_ATTR.NOSUID | MOUNT_ATTR.NOEXEC },
    { op: "moveMount", from: SLOT.masks, note: "what masks" },
    { op: "mkdir", dir: SLOT.masks, path: "empty", mode: 0o755 },
    { op: "open", slot: SLOT.empty, dir: SLOT.masks, path: "empty", flags: O.PATH | O.DIRECTORY | O.NOFOLLOW },
    ...(inUserNamespace
      ? [{ op: "open", slot: SLOT.nothing, path: "/dev/null", flags: O.PATH | O.NOFOLLOW } as const]
      : [
          { op: "mknod", dir: SLOT.masks, path: "null", mode: S.IFCHR | 0o666, major: 1, minor: 3 } as const,
          { op: "open", slot: SLOT.nothing, dir: SLOT.masks, path: "null", flags: O.PATH | O.NOFOLLOW } as const,
        ]),
    { op: "checkDevice", slot: SLOT.nothing, major: 1, minor: 3 },
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
    ...(root.readOnly ? [{ op: "mountSetattr", dir: SLOT.root, flags: AT.EMPTY_PATH | AT.RECURSIVE, set: MOUNT_ATTR.RDONLY } as const] : []),
  ];
}

/**
 * Ops that put an overlay or a directory into a slot, for reading a container's files from outside. To be performed
 * forked "if needed": what only mount(2) can do is mounted at the staging directory, in a mount namespace of its own.
 */
export function viewRoot(root: RootMount, slot: number, { host, staging }: { readonly host: HostFacts; readonly staging: string }): Op[] {
  if (root.type === "bind") return [{ op: "open", slot, path: root.source, flags: O.PATH | O.DIRECTORY }];
  return detachedOverlay(root, host, slot) ?? [
    { op: "unshare", flags: NAMESPACE_FLAGS.mount },
    { op: "mountSetattr", path: "/", flags: AT.RECURSIVE, propagation: MS.PRIVATE },
    ...classicOverlay(root, staging, slot),
  ];
}

/** An image's tree as a detached mount in a slot. @throws not-implemented where only mount(2) could do it */
export function imageTree(root: RootMount, slot: number, host: HostFacts): Op[] {
  if (root.type === "bind") return [{ op: "openTree", slot, path: root.source, flags: OPEN_TREE_CLONE }];
  return detachedOverlay(root, host, slot) ?? tooManyLayers();
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
function classicOverlay(root: RootMount, staging: string, slot: number = SLOT.root): Op[] {
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
    { op: "open", slot, path: staging, flags: O.PATH | O.DIRECTORY },
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
