/** /sys/fs/cgroup as a container sees it. */
import { cgroupDirectories, type CgroupDirectory } from "#linux/cgroups.ts";
import { AT, FSCONFIG, MOUNT_ATTR, O, OPEN_TREE_CLONE } from "#linux/constants.ts";
import type { Op } from "#linux/ops.ts";
import type { Spec } from "#spec/oci-runtime.ts";
import type { MountOptions } from "./mount-options.ts";
import { newMountAttributes } from "./mount-options.ts";
import { type MountContext, newFileSystem, target } from "./mounts.ts";
import { SLOT } from "./slots.ts";

/**
 * v2: the tree, whose root is the container's group if it has a cgroup namespace. v1: a tmpfs with a folder a hierarchy,
 * each showing the container's group.
 */
export function compileCgroupMount(destination: string, options: MountOptions, context: MountContext): Op[] {
  return context.facts.host.cgroups.version === "v2" ? unifiedMount(destination, options, context) : legacyMounts(destination, options, context);
}

/** A new mount in the host's namespace would change flags of the host's (nsdelegate), so that one is cloned. */
function unifiedMount(destination: string, options: MountOptions, context: MountContext): Op[] {
  const hierarchy = context.facts.host.cgroups.hierarchies[0];
  const tree = hasCgroupNamespace(context.spec)
    ? { ops: newFileSystem({ destination, type: "cgroup2", source: "cgroup" }, { ...options, data: [] }, SLOT.tree), slot: SLOT.tree }
    : cloneOf(hierarchy?.mountpoint ?? "", options, context);
  return [...tree.ops, ...target(destination, "directory"), { op: "moveMount", from: tree.slot, dir: SLOT.target, note: destination }];
}

function legacyMounts(destination: string, options: MountOptions, context: MountContext): Op[] {
  const directories = cgroupDirectories(context.facts.host.cgroups, context.spec.linux?.cgroupsPath ?? "").filter((one) => !one.unified);
  const readOnly = options.set & MOUNT_ATTR.RDONLY;
  const folder = { ...options, set: options.set & ~MOUNT_ATTR.RDONLY, data: ["mode=755"] };
  return [
    ...newFileSystem({ destination, type: "tmpfs", source: "tmpfs" }, folder, SLOT.dev),
    ...target(destination, "directory"),
    { op: "moveMount", from: SLOT.dev, dir: SLOT.target, note: destination },
    ...directories.flatMap((one) => legacyMount(one, options, context)),
    ...(readOnly ? [{ op: "mountSetattr", dir: SLOT.dev, flags: AT.EMPTY_PATH, set: MOUNT_ATTR.RDONLY } as const] : []),
  ];
}

/** One hierarchy, below the tmpfs in `SLOT.dev`; with links for each of several controllers of one hierarchy. */
function legacyMount(one: CgroupDirectory, options: MountOptions, context: MountContext): Op[] {
  const tree = hasCgroupNamespace(context.spec) ? { ops: legacyInstance(one, options), slot: SLOT.tree } : cloneOf(one.path, options, context);
  return [
    ...tree.ops,
    { op: "mkdir", dir: SLOT.dev, path: one.label, mode: 0o755 },
    { op: "open", slot: SLOT.target, dir: SLOT.dev, path: one.label, flags: O.PATH | O.DIRECTORY | O.NOFOLLOW },
    { op: "moveMount", from: tree.slot, dir: SLOT.target, note: one.label },
    ...(one.controllers.length > 1 ? one.controllers.map((name): Op => ({ op: "symlink", dir: SLOT.dev, target: one.label, path: name })) : []),
  ];
}

/** In a cgroup namespace a mount of the hierarchy shows the container's group as its root. */
function legacyInstance(one: CgroupDirectory, options: MountOptions): Op[] {
  return [
    { op: "fsopen", slot: SLOT.context, type: "cgroup" },
    { op: "fsconfig", slot: SLOT.context, cmd: FSCONFIG.STRING, key: "source", value: "cgroup" },
    ...one.controllers.map((key): Op => ({ op: "fsconfig", slot: SLOT.context, cmd: FSCONFIG.FLAG, key })),
    ...(one.name === undefined ? [] : [{ op: "fsconfig", slot: SLOT.context, cmd: FSCONFIG.STRING, key: "name", value: one.name } as const]),
    { op: "fsconfig", slot: SLOT.context, cmd: FSCONFIG.CREATE },
    { op: "fsmount", slot: SLOT.tree, from: SLOT.context, attrs: newMountAttributes(options) },
  ];
}

function cloneOf(path: string, options: MountOptions, { taken }: MountContext): { ops: Op[]; slot: number } {
  const make = (slot: number): Op[] => [
    { op: "openTree", slot, path, flags: OPEN_TREE_CLONE },
    { op: "mountSetattr", dir: slot, flags: AT.EMPTY_PATH, set: newMountAttributes(options) },
  ];
  return taken.all ? { ops: [], slot: taken.take(make) } : { ops: make(SLOT.tree), slot: SLOT.tree };
}

const hasCgroupNamespace = (spec: Spec) => spec.linux?.namespaces?.some((one) => one.type === "cgroup") ?? false;
