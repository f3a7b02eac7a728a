/** What compiling must know of the host and of the container besides its spec. Plain data. */
import { lstatSync } from "node:fs";
import { lstat, readdir, readFile, stat } from "node:fs/promises";
import { release } from "node:os";
import { cgroupFactFiles, type CgroupHost, parseCgroupHost } from "#linux/cgroups.ts";
import type { Program } from "#linux/ops.ts";
import { type Arch, type KernelVersion, parseKernelRelease } from "#spec/kernel.ts";
import type { Spec } from "#spec/oci-runtime.ts";

export type HostFacts = {
  /** [6, 18] */
  readonly kernel: KernelVersion;
  readonly arch: Arch;
  /** The capabilities that the engine has: it cannot hand out others. Bit n is capability n. */
  readonly capabilities: bigint;
  /** Number of the last capability the kernel knows. */
  readonly lastCapability: number;
  readonly cgroups: CgroupHost;
  /** Directories of sysfs in which processors tell how often they were hot: masked in containers. */
  readonly thermalThrottle: readonly string[];
};

/** How to mount the root file system; what `core/snapshots` calls `Mounts`. `lower` is topmost first. */
export type RootMount =
  | { readonly type: "overlay"; readonly lower: readonly string[]; readonly upper?: string; readonly work?: string }
  | { readonly type: "bind"; readonly source: string; readonly readOnly: boolean };

export type PathKind = "file" | "directory";

export type ContainerFacts = {
  readonly host: HostFacts;
  readonly root: RootMount;
  /** An empty directory of the host on which the root is mounted, in the container's mount namespace only. */
  readonly staging: string;
  /** What is at the paths of `hostPaths(spec)`, on the host. Absent ones are left out: see `readPathKinds`. */
  readonly paths: Readonly<Record<string, PathKind>>;
  /** Binds of more than what is at a path of the host, by their destination. */
  readonly trees?: Readonly<Record<string, BindTree>>;
  /** The ops of the network, for slot `SLOT.network`: see `network.ts`. */
  readonly network?: NetworkOps;
  /** Ancestors of the cgroup that do not exist yet. */
  readonly missingCgroups?: readonly string[];
};

/**
 * A tree that is bound. It is found when the container starts, by `cell`, on descriptors: whoever changes the path meanwhile
 * gets something else of the same tree, or nothing.
 */
export type BindTree = {
  readonly from:
    | { readonly kind: "folder"; readonly path: string }
    | { readonly kind: "image"; readonly root: RootMount }
    /** One file, which is in memory only: a secret, a script. */
    | { readonly kind: "data"; readonly data: Uint8Array; readonly mode: number; readonly uid: number; readonly gid: number };
  /** Relative; links are followed as long as they stay below. "": all of it. */
  readonly subpath: string;
  /** Links in the subpath that say "/…" or lead above mean the tree's own root, as in a container that has it as such. */
  readonly linksInside?: boolean;
  /** Maps of ids, "on-disk seen count" a line: what is another's on the disk is one's own in the container. */
  readonly ids?: { readonly uids: string; readonly gids: string };
  readonly type: PathKind;
};

export type NetworkOps = {
  /** In the host's network namespace, with the container's in slot `SLOT.network`. */
  readonly host: Program;
  /** In the container's namespace, before the root is changed. */
  readonly inside: Program;
  /** In the shim, after the end. */
  readonly teardown: Program;
};

/** Reads what the host is. Once, at start. */
export async function readHostFacts(): Promise<HostFacts> {
  const mountinfo = await readFile("/proc/self/mountinfo", "utf8");
  const files = cgroupFactFiles(mountinfo);
  const [last, status, unifiedControllers, cpus, mems] = await Promise.all([
    readText("/proc/sys/kernel/cap_last_cap"),
    readText("/proc/self/status"),
    readText(files.unified),
    readText(files.cpus),
    readText(files.mems),
  ]);
  const swap = (await Promise.all(files.swap.map((path) => lstat(path).catch(() => undefined)))).some((found) => found !== undefined);
  return {
    kernel: parseKernelRelease(release()),
    arch: process.arch === "arm64" ? "aarch64" : "x86_64",
    capabilities: BigInt("0x" + (/^CapPrm:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0")),
    lastCapability: Number(last || "40"),
    cgroups: parseCgroupHost({ mountinfo, unifiedControllers, cpus, mems, swap }),
    thermalThrottle: await readThermalThrottle(),
  };
}

async function readThermalThrottle(): Promise<string[]> {
  const folder = "/sys/devices/system/cpu";
  const cpus = (await readdir(folder).catch(() => [])).filter((name) => /^cpu\d+$/.test(name));
  const paths = cpus.map((name) => `${folder}/${name}/thermal_throttle`);
  const found = await Promise.all(paths.map((path) => lstat(path).then(() => true, () => false)));
  return paths.filter((_, index) => found[index]);
}

const readText = async (path: string | undefined) => (path === undefined ? "" : await readFile(path, "utf8").catch(() => ""));

/** Not every kernel has it: /dev/core leads there. */
export const KERNEL_CORE = "/proc/kcore";

/** Paths of the host whose kind `compile` must know: sources of binds, and what is to be covered in /proc and /sys. */
export function hostPaths(spec: Spec): { sources: string[]; covered: string[] } {
  const sources = (spec.mounts ?? []).flatMap((mount) => (isBind(mount) && mount.source !== undefined ? [mount.source] : []));
  return { sources, covered: [KERNEL_CORE, ...(spec.linux?.maskedPaths ?? []), ...(spec.linux?.readonlyPaths ?? [])] };
}

export function isBind(mount: { readonly type?: string; readonly options?: readonly string[] }): boolean {
  return mount.type === "bind" || (mount.options ?? []).some((option) => option === "bind" || option === "rbind");
}

/**
 * Looks at `hostPaths(spec)`. Sources are followed if they are links, what is covered is not: that is in the kernel's own
 * file systems, which answer at once, sooner than another thread could be asked.
 */
export async function readPathKinds(spec: Spec): Promise<Record<string, PathKind>> {
  const { sources, covered } = hostPaths(spec);
  const kind = (found: { isDirectory(): boolean } | undefined): PathKind | undefined => (found === undefined ? undefined : found.isDirectory() ? "directory" : "file");
  const entries: [string, PathKind | undefined][] = [
    ...(await Promise.all(sources.map(async (path): Promise<[string, PathKind | undefined]> => [path, kind(await stat(path).catch(() => undefined))]))),
    ...covered.filter((path) => /^\/(proc|sys)\//.test(path)).map((path): [string, PathKind | undefined] => [path, kind(lstatSync(path, { throwIfNoEntry: false }))]),
  ];
  return Object.fromEntries(entries.filter((entry): entry is [string, PathKind] => entry[1] !== undefined));
}
