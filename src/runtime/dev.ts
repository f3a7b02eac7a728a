/** The container's /dev: a tmpfs that is filled while nobody can see it, then put in its place; and the terminal. */
import { fail } from "#base/errors.ts";
import { FS_MAGIC, MOUNT_ATTR, O, S } from "#linux/constants.ts";
import type { Op } from "#linux/ops.ts";
import type { Device, DeviceRule, IdMapping, Mount, Process, Spec } from "#spec/oci-runtime.ts";
import { KERNEL_CORE } from "./facts.ts";
import type { MountOptions } from "./mount-options.ts";
import { type MountContext, newFileSystem, target } from "./mounts.ts";
import { IN_ROOT_PLAIN } from "./rootfs.ts";
import { SLOT } from "./slots.ts";

/** What every container has. */
export const DEFAULT_DEVICES: readonly Device[] = [
  { path: "/dev/null", type: "c", major: 1, minor: 3, fileMode: 0o666 },
  { path: "/dev/zero", type: "c", major: 1, minor: 5, fileMode: 0o666 },
  { path: "/dev/full", type: "c", major: 1, minor: 7, fileMode: 0o666 },
  { path: "/dev/random", type: "c", major: 1, minor: 8, fileMode: 0o666 },
  { path: "/dev/urandom", type: "c", major: 1, minor: 9, fileMode: 0o666 },
  { path: "/dev/tty", type: "c", major: 5, minor: 0, fileMode: 0o666 },
];

/** Allowed besides what the spec allows: making nodes, the default devices, terminals, tunnels. */
const DEFAULT_RULES: readonly DeviceRule[] = [
  { allow: true, type: "c", access: "m" },
  { allow: true, type: "b", access: "m" },
  ...DEFAULT_DEVICES.map(({ major = 0, minor = 0 }): DeviceRule => ({ allow: true, type: "c", major, minor, access: "rwm" })),
  { allow: true, type: "c", major: 5, minor: 1, access: "rwm" },
  { allow: true, type: "c", major: 5, minor: 2, access: "rwm" },
  { allow: true, type: "c", major: 136, access: "rwm" },
  { allow: true, type: "c", major: 10, minor: 200, access: "rwm" },
];

/** The whole list for the device cgroup. It begins with a denial unless the spec begins otherwise (ID-14). */
export function deviceRules(spec: Spec): DeviceRule[] {
  const asked = spec.linux?.resources?.devices ?? [];
  const [first] = asked;
  if (asked.length === 1 && first?.allow === true && (first.type ?? "a") === "a" && first.major === undefined && first.minor === undefined) return [...asked];
  return [{ allow: false, access: "rwm" }, ...asked.filter((rule, index) => index > 0 || rule.allow || (rule.type ?? "a") !== "a"), ...DEFAULT_RULES];
}

const LINKS: readonly (readonly [path: string, target: string])[] = [
  ["fd", "/proc/self/fd"],
  ["stdin", "/proc/self/fd/0"],
  ["stdout", "/proc/self/fd/1"],
  ["stderr", "/proc/self/fd/2"],
  ["core", KERNEL_CORE],
  ["ptmx", "pts/ptmx"],
];

/**
 * In a user namespace the file system is made before that is entered: nodes on one that belongs to it could not be
 * opened. Its owner is then the namespace's root, by the id that has outside.
 */
export function compileDev(mount: Mount, options: MountOptions, { spec, facts, taken }: MountContext): Op[] {
  const owner = taken.all ? { uid: outsideId(spec.linux?.uidMappings, 0), gid: outsideId(spec.linux?.gidMappings, 0) } : undefined;
  const data = owner === undefined ? options.data : [...options.data, `uid=${owner.uid}`, `gid=${owner.gid}`];
  const make = (slot: number) => [
    ...newFileSystem(mount, { ...options, data, set: options.set & ~MOUNT_ATTR.RDONLY }, slot),
    ...devices(spec).flatMap((device) => deviceNode(device, slot, spec)),
    ...LINKS.filter(([, to]) => to !== KERNEL_CORE || facts.paths[to] !== undefined).map(([path, to]): Op => ({ op: "symlink", dir: slot, target: to, path, ...owner })),
  ];
  const early = taken.all ? taken.take(make) : undefined;
  return [
    ...(early === undefined ? make(SLOT.dev) : []),
    ...target("/dev", "directory"),
    { op: "moveMount", from: early ?? SLOT.dev, dir: SLOT.target, note: "/dev" },
  ];
}

function devices(spec: Spec): Device[] {
  const asked = new Map((spec.linux?.devices ?? []).map((device) => [device.path, device]));
  const paths = new Set([...DEFAULT_DEVICES.map((device) => device.path), ...LINKS.map(([path]) => `/dev/${path}`)]);
  return [...DEFAULT_DEVICES.map((device) => asked.get(device.path) ?? device), ...[...asked.values()].filter((device) => !paths.has(device.path))];
}

const TYPE_BITS: Readonly<Record<Device["type"], number>> = { c: S.IFCHR, u: S.IFCHR, b: S.IFBLK, p: S.IFIFO };

function deviceNode(device: Device, dev: number, spec: Spec): Op[] {
  const names = device.path.split("/").slice(1);
  if (names[0] !== "dev" || names.length < 2 || names.some((name) => name === "" || name === "." || name === "..")) {
    throw fail("invalid", `make device ${JSON.stringify(device.path)}: devices belong below /dev`);
  }
  const path = names.slice(1).join("/");
  const folder = names.slice(1, -1).join("/");
  const uid = outsideId(spec.linux?.uidMappings, device.uid ?? 0);
  const gid = outsideId(spec.linux?.gidMappings, device.gid ?? 0);
  return [
    ...(folder === "" ? [] : [{ op: "mkdirAll", dir: dev, path: folder, mode: 0o755 } as const]),
    {
      op: "mknod",
      dir: dev,
      path,
      mode: TYPE_BITS[device.type] | (device.fileMode ?? 0o666) & 0o7777,
      major: device.major ?? 0,
      minor: device.minor ?? 0,
      ...(uid === 0 && gid === 0 ? {} : { uid, gid }),
    },
  ];
}

/** The id outside of a user namespace of an id inside; the same where there is none. */
function outsideId(maps: readonly IdMapping[] | undefined, id: number): number {
  const map = maps?.find((one) => id >= one.containerID && id < one.containerID + one.size);
  return map === undefined ? id : map.hostID + id - map.containerID;
}

/** A new terminal of the container's own devpts, verified as such; its slave is also /dev/console (RT-05). */
export function compileTerminal(process: Process): Op[] {
  const size = process.consoleSize;
  return [
    { op: "mkfileAll", dir: SLOT.root, path: "/dev/console", mode: 0o600 },
    { op: "open", slot: SLOT.console, dir: SLOT.root, path: "dev/console", flags: O.PATH | O.NOFOLLOW, resolve: IN_ROOT_PLAIN },
    ...openTerminal(SLOT.root, "dev/pts/ptmx"),
    { op: "pty", slot: SLOT.ptmx, consoleDir: SLOT.console, rows: size?.height ?? 0, cols: size?.width ?? 0 },
  ];
}

/** Opens a devpts' multiplexer in `SLOT.ptmx`. `dir` -1: below the process's own root. */
export function openTerminal(dir: number, path: string): Op[] {
  return [
    { op: "open", slot: SLOT.ptmx, dir, path, flags: O.RDWR | O.NOCTTY, resolve: IN_ROOT_PLAIN },
    { op: "checkFs", slot: SLOT.ptmx, magic: FS_MAGIC.devpts },
  ];
}
