/** The mounts of a container, in the order they are made. Pure. */
import { fail } from "#base/errors.ts";
import { kernelAtLeast } from "#spec/kernel.ts";
import type { Mount as DockerMount } from "#spec/docker.ts";
import type { Mount } from "#spec/oci-runtime.ts";
import type { MountPoint } from "../../engine.ts";
import type { SpecInput } from "./spec.ts";

/** Where --init's program is inside. */
export const INIT_INSIDE = "/sbin/docker-init";

/** In a pid namespace of others the first process is theirs. */
export function usesInit({ hostConfig, initPath }: SpecInput): boolean {
  return hostConfig.Init === true && initPath !== undefined && hostConfig.PidMode !== "host" && !hostConfig.PidMode.startsWith("container:");
}

const SHM_SIZE = 64 << 20;
const KERNEL = ["nosuid", "noexec", "nodev"];

const DEFAULTS: readonly Mount[] = [
  { destination: "/proc", type: "proc", source: "proc", options: KERNEL },
  { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "strictatime", "mode=755", "size=65536k"] },
  { destination: "/dev/pts", type: "devpts", source: "devpts", options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"] },
  { destination: "/sys", type: "sysfs", source: "sysfs", options: [...KERNEL, "ro"] },
  { destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["ro", ...KERNEL] },
  { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: KERNEL },
];

export type MountModes = { readonly writableCgroups: boolean; readonly ipc: "new" | "host" | { readonly path: string } };

/** `propagation` is what the root must pass on for a mount that is shared with the host. */
export function specMounts(input: SpecInput, modes: MountModes): { mounts: Mount[]; propagation: string | undefined } {
  const user = [...fileMounts(input), ...input.mounts.map((mount) => userMount(mount, input)), ...tmpfsMounts(input), ...initMount(input)];
  const places = new Set(user.map((mount) => mount.destination));
  const standard = [...DEFAULTS.map((mount) => adjusted(mount, input, modes)), ...sharedMemory(input, modes)].filter(
    ({ destination }) => !places.has(destination) && !(places.has("/dev") && destination.startsWith("/dev/")),
  );
  // A place below another comes after it; else the order is kept.
  const sorted = user.toSorted((a, b) => depth(a.destination) - depth(b.destination));
  return { mounts: [...standard, ...sorted], propagation: rootPropagation(input.mounts) };
}

const depth = (path: string) => path.split("/").filter((name) => name !== "").length;

function adjusted(mount: Mount, { hostConfig }: SpecInput, { writableCgroups }: MountModes): Mount {
  const writable = (mount.type === "sysfs" && hostConfig.Privileged && !hostConfig.ReadonlyRootfs) || (mount.type === "cgroup" && (hostConfig.Privileged || writableCgroups));
  return writable ? { ...mount, options: (mount.options ?? []).filter((option) => option !== "ro") } : mount;
}

function sharedMemory({ hostConfig, joined, defaults }: SpecInput, { ipc }: MountModes): Mount[] {
  if ((hostConfig.IpcMode || defaults?.ipcMode) === "none") return [];
  const shared = (source: string): Mount[] => [{ destination: "/dev/shm", type: "bind", source, options: ["bind", "rprivate"] }];
  if (ipc === "host") return shared("/dev/shm");
  if (ipc !== "new") return shared(`/proc/${joined.ipc}/root/dev/shm`);
  return [{ destination: "/dev/shm", type: "tmpfs", source: "shm", options: [...KERNEL, "mode=1777", `size=${hostConfig.ShmSize || SHM_SIZE}`] }];
}

/** Unless the user has put something of his there. */
function fileMounts({ files, mounts, hostConfig }: SpecInput): Mount[] {
  const taken = new Set(mounts.map((mount) => mount.Destination));
  const access = hostConfig.ReadonlyRootfs ? ["ro"] : [];
  const places = [
    ["/etc/resolv.conf", files.resolvConf],
    ["/etc/hostname", files.hostname],
    ["/etc/hosts", files.hosts],
  ] as const;
  return places.flatMap(([destination, source]) =>
    source === "" || taken.has(destination) ? [] : [{ destination, type: "bind", source, options: ["rbind", ...access, "rprivate"] }],
  );
}

function userMount(mount: MountPoint, input: SpecInput): Mount {
  const asked = input.hostConfig.Mounts?.find((one) => one.Target === mount.Destination);
  if (mount.Type === "tmpfs") return tmpfs(mount.Destination, [...tmpfsWords(asked), ...(mount.RW ? [] : ["ro"])]);
  if (mount.Type === "image") return { destination: mount.Destination, type: "bind", source: mount.Source, options: ["bind", "ro", "rprivate"] };
  const bind = asked?.BindOptions ?? {};
  const recursive = bind.NonRecursive !== true;
  const deep = recursive && bind.ReadOnlyNonRecursive !== true && kernelAtLeast(input.host, 5, 12);
  if (bind.ReadOnlyForceRecursive === true && !deep) throw fail("invalid", `mount ${mount.Destination}: read-only for all below it needs Linux 5.12 and a recursive bind`);
  return {
    destination: mount.Destination,
    type: "bind",
    source: mount.Source,
    options: [recursive ? "rbind" : "bind", ...(mount.RW ? [] : deep ? ["ro", "rro"] : ["ro"]), mount.Propagation || "rprivate"],
  };
}

function tmpfsMounts({ hostConfig }: SpecInput): Mount[] {
  return Object.entries(hostConfig.Tmpfs ?? {}).map(([path, options]) => {
    const words = options.split(",").filter((word) => word !== "");
    return tmpfs(path, words);
  });
}

function tmpfsWords(asked: DockerMount | undefined): string[] {
  const { SizeBytes, Mode, Options } = asked?.TmpfsOptions ?? {};
  return [
    ...(SizeBytes ? [`size=${SizeBytes}`] : []),
    ...(Mode ? [`mode=${Mode.toString(8)}`] : []),
    ...(Options ?? []).map((words) => words.join("=")),
  ];
}

/** What may be said of a tmpfs, and what each word takes back. */
const TMPFS_FLAGS: Readonly<Record<string, string>> = {
  ro: "rw", rw: "ro", nosuid: "suid", suid: "nosuid", nodev: "dev", dev: "nodev", noexec: "exec", exec: "noexec",
  noatime: "atime", atime: "noatime", nodiratime: "diratime", diratime: "nodiratime", relatime: "norelatime", norelatime: "relatime",
  strictatime: "nostrictatime", nostrictatime: "strictatime",
};
const TMPFS_WORDS = new Set(["private", "rprivate", "shared", "rshared", "slave", "rslave", "unbindable", "runbindable"]);
const TMPFS_SETTINGS = new Set(["size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol"]);

/** Words of the user win over the defaults, later ones over earlier. @throws invalid, with Docker's text */
function tmpfs(destination: string, asked: readonly string[]): Mount {
  const words = new Map<string, string>();
  for (const word of ["noexec", "nosuid", "nodev", "rprivate", ...asked]) {
    const [key = "", ...value] = word.split("=");
    const known = value.length > 0 ? TMPFS_SETTINGS.has(key) : Object.hasOwn(TMPFS_FLAGS, key) || TMPFS_WORDS.has(key) || key === "defaults";
    if (!known) throw fail("invalid", `Invalid tmpfs option [${JSON.stringify(key)} ${JSON.stringify(word)}]`);
    words.delete(TMPFS_FLAGS[key] ?? "");
    words.delete(key);
    words.set(key, word);
  }
  return { destination, type: "tmpfs", source: "tmpfs", options: [...words.values()] };
}

function initMount(input: SpecInput): Mount[] {
  if (!usesInit(input)) return [];
  return [{ destination: INIT_INSIDE, type: "bind", source: input.initPath ?? "", options: ["bind", "ro"] }];
}

function rootPropagation(mounts: readonly MountPoint[]): string | undefined {
  const all = mounts.map((mount) => mount.Propagation);
  if (all.some((one) => one === "shared" || one === "rshared")) return "shared";
  return all.some((one) => one === "slave" || one === "rslave") ? "rslave" : undefined;
}
