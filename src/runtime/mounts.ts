/**
 * The container's mounts. Each is made as a detached tree, held by a descriptor, and then moved onto its place, which is
 * opened below the root with RESOLVE_IN_ROOT: nothing that an image, a volume or another container does to a path in
 * between can lead the mount elsewhere (RT-01, RT-09). /proc is put in its place after all others: what a link led into
 * "/proc" lies below it then, so no mount can stand over a file of it (RT-03).
 */
import { fail } from "#base/errors.ts";
import { AT, CLONE, ERRNO, FS_MAGIC, FSCONFIG, MS, O, OPEN_TREE_CLONE, RESOLVE } from "#linux/constants.ts";
import type { Op, Program } from "#linux/ops.ts";
import type { Mount, Spec } from "#spec/oci-runtime.ts";
import { compileCgroupMount } from "./cgroup-mount.ts";
import { bindTreeOps } from "./bind-tree.ts";
import { compileDev } from "./dev.ts";
import { type ContainerFacts, isBind } from "./facts.ts";
import { type MountOptions, newMountAttributes, parseMountOptions } from "./mount-options.ts";
import { IN_ROOT_PLAIN, inUserNamespace } from "./rootfs.ts";
import { SLOT, TAKEN_MAX } from "./slots.ts";

export type CompiledMounts = {
  /** Trees taken from the host's mounts before those are left. */
  readonly taken: Program;
  readonly ops: Program;
  /** /proc and what goes into it. */
  readonly late: Program;
};

export function compileMounts(spec: Spec, facts: ContainerFacts): CompiledMounts {
  const taken = takenTrees(inUserNamespace(spec));
  const ops: Op[] = [];
  const late: Op[] = [];
  const mounts = spec.mounts ?? [];
  for (const mount of mounts) {
    const destination = normalDestination(mount.destination);
    if (destination === "/proc" && !isBind(mount)) late.unshift(...procMount(mount, spec));
    else if (destination === "/proc" || destination.startsWith("/proc/")) late.push(...insideProc(mount, destination, { facts, taken }));
    else ops.push(...compileMount(mount, destination, { spec, facts, taken }));
  }
  if (spec.linux?.sysctl !== undefined && !mounts.some((one) => normalDestination(one.destination) === "/proc")) late.push(...procTree(spec, []));
  return { taken: taken.ops, ops, late };
}

/** Trees of the host that must be taken early: shared ones, those of other namespaces, and all if there is a user namespace. */
export type TakenTrees = {
  readonly ops: Op[];
  /** Whether all must be. */
  readonly all: boolean;
  /** A slot for one more tree; `make` says how it is filled. @throws not-implemented when there is none left */
  take(make: (slot: number) => Op[]): number;
};

function takenTrees(all: boolean): TakenTrees {
  const ops: Op[] = [];
  let count = 0;
  const take = (make: (slot: number) => Op[]): number => {
    if (count >= TAKEN_MAX) throw fail("not-implemented", `compile mounts: more than ${TAKEN_MAX} shared mounts, or mounts in a user namespace`);
    const slot = SLOT.taken + count++;
    ops.push(...make(slot));
    return slot;
  };
  return { ops, all, take };
}

export type MountContext = { readonly spec: Spec; readonly facts: ContainerFacts; readonly taken: TakenTrees };

/** "//a/./b/" → "/a/b". Lexical; what links do is the kernel's to say. @throws invalid for ".." */
export function normalDestination(path: string): string {
  const names = path.split("/").filter((name) => name !== "" && name !== ".");
  if (names.includes("..") || path.includes("\0")) throw fail("invalid", `mount on ${JSON.stringify(path)}: not a clean path`);
  if (names.length === 0) throw fail("invalid", `mount on ${JSON.stringify(path)}: the root cannot be mounted over`);
  return "/" + names.join("/");
}

function compileMount(mount: Mount, destination: string, context: MountContext): Op[] {
  const options = parseMountOptions(mount.options ?? []);
  if (isBind(mount)) return bindMount(mount, destination, options, context);
  if (mount.type === "cgroup" || mount.type === "cgroup2") return compileCgroupMount(destination, options, context);
  if (destination === "/dev") return compileDev(mount, options, context);
  // A tmpfs takes the mode of what it covers, unless it is told one; where nothing was, the usual one.
  const likePlace = mount.type === "tmpfs" && !options.data.some((word) => word.startsWith("mode="));
  return [
    ...target(destination, "directory", likePlace ? 0o1777 : 0o755),
    ...newFileSystem(mount, options, SLOT.tree),
    ...(options.copyUp ? copyUp() : []),
    ...(likePlace ? [{ op: "copyMode", slot: SLOT.tree, from: SLOT.target } as const] : []),
    { op: "moveMount", from: SLOT.tree, dir: SLOT.target, note: destination },
    ...propagation(options, SLOT.tree),
  ];
}

/** Opens the place of a mount, made if it is missing. /proc, /sys and /dev must be plain directories (RT-02, RT-07). */
export function target(destination: string, kind: "file" | "directory", mode = 0o755): Op[] {
  if (PLAIN.has(destination)) {
    return [
      { op: "mkdir", dir: SLOT.root, path: destination.slice(1), mode: 0o755, tolerate: ERRNO["EEXIST"]! },
      { op: "open", slot: SLOT.target, dir: SLOT.root, path: destination.slice(1), flags: O.PATH | O.DIRECTORY | O.NOFOLLOW, resolve: IN_ROOT_PLAIN, note: "must be an ordinary directory" },
    ];
  }
  return [{ op: kind === "file" ? "mkfileAll" : "mkdirAll", slot: SLOT.target, dir: SLOT.root, path: destination, mode }];
}

const PLAIN = new Set(["/proc", "/sys", "/dev"]);

/** fsopen … fsmount: a new instance, detached, in a slot. */
export function newFileSystem(mount: Mount, options: MountOptions, slot: number): Op[] {
  return [
    { op: "fsopen", slot: SLOT.context, type: mount.type ?? "none" },
    ...(mount.source ? [{ op: "fsconfig", slot: SLOT.context, cmd: FSCONFIG.STRING, key: "source", value: mount.source } as const] : []),
    ...options.data.flatMap(setting),
    { op: "fsconfig", slot: SLOT.context, cmd: FSCONFIG.CREATE },
    { op: "fsmount", slot, from: SLOT.context, attrs: newMountAttributes(options) },
  ];
}

function setting(word: string): Op[] {
  if (word === "newinstance") return []; // what every devpts is, since Linux 4.7
  const at = word.indexOf("=");
  const [cmd, key, value] = at < 0 ? [FSCONFIG.FLAG, word, ""] : [FSCONFIG.STRING, word.slice(0, at), word.slice(at + 1)];
  return [{ op: "fsconfig", slot: SLOT.context, cmd, key, value }];
}

/** A tmpfs that starts with what the image has at its place. */
function copyUp(): Op[] {
  return [
    { op: "open", slot: SLOT.scratch, dir: SLOT.target, path: ".", flags: O.RDONLY | O.DIRECTORY },
    { op: "copyTree", from: SLOT.scratch, slot: SLOT.tree },
    { op: "close", slot: SLOT.scratch },
  ];
}

function bindMount(mount: Mount, destination: string, options: MountOptions, context: Pick<MountContext, "facts" | "taken">): Op[] {
  const source = mount.source ?? "";
  const wanted = context.facts.trees?.[destination];
  if (wanted === undefined && !source.startsWith("/")) throw fail("invalid", `mount on ${destination}: the source ${JSON.stringify(source)} is not an absolute path`);
  const tree = wanted === undefined ? bindTree(source, options, context.taken) : { ops: bindTreeOps(wanted, options, context.facts), slot: SLOT.tree };
  return [
    ...tree.ops,
    ...attributes(options, tree.slot),
    ...target(destination, wanted?.type ?? context.facts.paths[source] ?? "directory"),
    { op: "moveMount", from: tree.slot, dir: SLOT.target, note: `${source} on ${destination}` },
  ];
}

/** A clone of what is at source on the host. Private unless the options say otherwise. */
function bindTree(source: string, options: MountOptions, taken: TakenTrees): { ops: Op[]; slot: number } {
  const flags = OPEN_TREE_CLONE | (options.recursive ? AT.RECURSIVE : 0);
  const [, pid, inner] = /^\/proc\/(\d+)\/root(\/.*)$/.exec(source) ?? [];
  const shared = (options.propagation?.kind ?? MS.PRIVATE) !== MS.PRIVATE;
  if (pid === undefined && !shared && !taken.all) return { ops: [{ op: "openTree", slot: SLOT.tree, path: source, flags }], slot: SLOT.tree };
  const slot = taken.take((to) => [
    ...(pid === undefined || inner === undefined ? [{ op: "openTree", slot: to, path: source, flags } as const] : treeOfProcess(Number(pid), inner, flags, to)),
    ...(options.propagation === undefined ? propagation({ ...options, propagation: { kind: MS.PRIVATE, recursive: true } }, to) : propagation(options, to)),
  ]);
  return { ops: [], slot };
}

/** A tree of another container's: taken in its mount namespace, with its own root, never through a path of ours. */
function treeOfProcess(pid: number, path: string, flags: number, slot: number): Op[] {
  return [
    { op: "openNs", slot: SLOT.hostMounts, path: "mnt" },
    { op: "openNs", slot: SLOT.scratch, pid, path: "mnt" },
    { op: "setns", slot: SLOT.scratch, flags: CLONE.NEWNS },
    { op: "open", slot: SLOT.scratch, path, flags: O.PATH, resolve: RESOLVE.NO_SYMLINKS },
    ...(path === "/dev/shm" ? [{ op: "checkFs", slot: SLOT.scratch, magic: FS_MAGIC.tmpfs } as const] : []),
    { op: "openTree", slot, dir: SLOT.scratch, flags: flags | AT.EMPTY_PATH },
    { op: "setns", slot: SLOT.hostMounts, flags: CLONE.NEWNS },
    { op: "close", slot: SLOT.scratch },
  ];
}

function attributes(options: MountOptions, slot: number): Op[] {
  const change = (set: number, clr: number, flags: number): Op[] =>
    set === 0 && clr === 0 ? [] : [{ op: "mountSetattr", dir: slot, flags: AT.EMPTY_PATH | flags, set, clr }];
  return [...change(options.setBelow, options.clearBelow, AT.RECURSIVE), ...change(options.set, options.clear, 0)];
}

function propagation(options: MountOptions, slot: number): Op[] {
  if (options.propagation === undefined) return [];
  const { kind, recursive } = options.propagation;
  return [{ op: "mountSetattr", dir: slot, flags: AT.EMPTY_PATH | (recursive ? AT.RECURSIVE : 0), propagation: kind }];
}

/** The only files of /proc that may be mounted over: what lxcfs shows. */
const PROC_ALLOWED = new Set(["cpuinfo", "diskstats", "meminfo", "stat", "swaps", "loadavg", "slabinfo", "net/dev", "sys/kernel/ns_last_pid", "uptime"]);

function insideProc(mount: Mount, destination: string, context: Pick<MountContext, "facts" | "taken">): Op[] {
  const inner = destination.slice("/proc/".length);
  if (isBind(mount) && destination === "/proc" && mount.source === "/proc") return bindMount(mount, destination, parseMountOptions(mount.options ?? []), context);
  if (!isBind(mount) || !PROC_ALLOWED.has(inner)) throw fail("invalid", `${JSON.stringify(destination)} cannot be mounted because it is inside /proc`);
  const ops = bindMount(mount, destination, parseMountOptions(mount.options ?? []), context);
  const place: Op = { op: "open", slot: SLOT.target, dir: SLOT.root, path: destination.slice(1), flags: O.PATH | O.NOFOLLOW, resolve: IN_ROOT_PLAIN };
  return ops.map((op) => (op.op === "mkfileAll" || op.op === "mkdirAll" ? place : op));
}

function procMount(mount: Mount, spec: Spec): Op[] {
  const words = mount.options ?? [];
  return [
    ...procTree(spec, words, mount),
    ...target("/proc", "directory"),
    { op: "moveMount", from: SLOT.proc, dir: SLOT.target, note: "/proc" },
  ];
}

/** A procfs of the container's pid namespace. System controls are written through it while it is nowhere yet (RT-06). */
function procTree(spec: Spec, words: readonly string[], mount: Mount = { destination: "/proc", type: "proc", source: "proc" }): Op[] {
  const sysctls = Object.entries(spec.linux?.sysctl ?? {}).map(([name, value]): Op => {
    const path = sysctlPath(name);
    return { op: "writeFile", dir: SLOT.proc, path: `sys/${path}`, data: value, resolve: RESOLVE.BENEATH | RESOLVE.NO_SYMLINKS };
  });
  return [...newFileSystem(mount, parseMountOptions(words), SLOT.proc), ...sysctls];
}

/** "net.ipv4.conf.eth0/1.forwarding" → "net/ipv4/conf/eth0.1/forwarding". With a slash first it is a path already. */
export function sysctlPath(name: string): string {
  const first = /[./]/.exec(name)?.[0];
  const path = first === "/" ? name : name.replace(/[./]/g, (mark) => (mark === "." ? "/" : "."));
  if (!/^[\w-]+(\/[\w.:@-]+)+$/.test(path) || path.split("/").some((part) => part === ".." || part === ".")) throw fail("invalid", `sysctl ${JSON.stringify(name)}: not a name`);
  return path;
}

