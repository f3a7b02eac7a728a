/** Checks of mounts that need no look at the disk; the texts are Docker's. */
import { posix } from "node:path";
import { fail } from "#base/errors.ts";
import type { HostConfigBody, MountBody } from "./create-body.ts";
import { LATER_MOUNTS } from "./unsupported.ts";

const PROPAGATIONS = ["", "private", "rprivate", "shared", "rshared", "slave", "rslave"];
const VOLUME_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

export function checkMounts(given: HostConfigBody): void {
  const targets = new Set<string>();
  const claim = (target: string) => {
    const clean = posix.normalize(target).replace(/(.)\/$/, "$1");
    if (targets.has(clean)) throw fail("invalid", `Duplicate mount point: ${clean}`);
    targets.add(clean);
  };
  for (const bind of given.Binds ?? []) claim(checkBind(bind));
  for (const mount of given.Mounts ?? []) {
    const problem = problemOf(mount);
    if (problem !== undefined) throw fail("invalid", `invalid mount config for type ${JSON.stringify(mount.Type)}: ${problem}`);
    claim(mount.Target);
  }
  for (const target of Object.keys(given.Tmpfs ?? {})) {
    const problem = problemOfTarget(target);
    if (problem !== undefined) throw fail("invalid", problem);
    claim(target);
  }
}

function problemOf(mount: MountBody): string | undefined {
  if (mount.Target === "") return "field Target must not be empty";
  if (LATER_MOUNTS.includes(mount.Type)) return undefined;
  if (!["bind", "volume", "tmpfs", "image"].includes(mount.Type)) return "mount type unknown";
  const target = problemOfTarget(mount.Target);
  if (target !== undefined) return target;
  if (mount.Type !== "bind" && mount.BindOptions !== undefined) return "field BindOptions must not be specified";
  if (mount.Type !== "volume" && mount.VolumeOptions !== undefined) return "field VolumeOptions must not be specified";
  if (mount.Type !== "tmpfs" && mount.TmpfsOptions !== undefined) return "field TmpfsOptions must not be specified";
  if (mount.Type !== "image" && mount.ImageOptions !== undefined) return "field ImageOptions must not be specified";
  if (mount.Type === "image") return problemOfImage(mount);
  if (mount.Type === "bind") return problemOfBind(mount);
  if (mount.Type === "volume") return problemOfVolume(mount);
  if (mount.Source !== "") return "field Source must not be specified";
  if ((mount.TmpfsOptions?.SizeBytes ?? 0) < 0) return "the size of a tmpfs cannot be negative";
  return undefined;
}

function problemOfTarget(target: string): string | undefined {
  if (target.includes("\0")) return `invalid mount path: '${target.replaceAll("\0", "\\0")}'`;
  if (!target.startsWith("/")) return `invalid mount path: '${target}' mount path must be absolute`;
  return posix.normalize(target) === "/" ? "invalid specification: destination can't be '/'" : undefined;
}

function problemOfBind(mount: MountBody): string | undefined {
  if (mount.Source === "") return "field Source must not be empty";
  if (!mount.Source.startsWith("/")) return `invalid mount path: '${mount.Source}' mount path must be absolute`;
  if (mount.Source.includes("\0")) return "invalid mount path";
  const options = mount.BindOptions;
  if (!PROPAGATIONS.includes(options?.Propagation ?? "")) return `invalid propagation mode: ${options?.Propagation}`;
  if (options?.ReadOnlyNonRecursive && options.ReadOnlyForceRecursive) return "ReadOnlyNonRecursive and ReadOnlyForceRecursive are conflicting options";
  if (options?.ReadOnlyNonRecursive && !mount.ReadOnly) return "mount source is not read-only, but ReadOnlyNonRecursive is set";
  if (options?.ReadOnlyForceRecursive && !mount.ReadOnly) return "mount source is not read-only, but ReadOnlyForceRecursive is set";
  if (!["", "match-user"].includes(options?.IDMapping ?? "")) return `invalid IDMapping: ${options?.IDMapping}: it can be "match-user"`;
  if (options?.ReadOnlyForceRecursive && options.Propagation !== "rprivate") return 'ReadOnlyForceRecursive requires Propagation to be specified as "rprivate"';
  return undefined;
}

function problemOfVolume(mount: MountBody): string | undefined {
  if (mount.Source === "" && mount.ReadOnly) return "must not set ReadOnly mode when using anonymous volumes";
  if (mount.Source !== "" && !VOLUME_NAME.test(mount.Source)) throw invalidVolumeName(mount.Source);
  const { Subpath: subpath = "" } = mount.VolumeOptions ?? {};
  if (subpath !== "" && mount.Source === "") return "must not set Subpath when using anonymous volumes";
  if (subpath !== "" && !isInside(subpath)) return "subpath must be a relative path within the volume";
  return undefined;
}

function problemOfImage(mount: MountBody): string | undefined {
  if (mount.Source === "") return "field Source must not be empty";
  const subpath = mount.ImageOptions?.Subpath ?? "";
  return subpath === "" || isInside(subpath) ? undefined : "subpath must be a relative path within the image";
}

/** Lexically; what links do is found out when it is mounted. */
function isInside(path: string): boolean {
  const normal = posix.normalize(path);
  return !path.includes("\0") && !posix.isAbsolute(path) && normal !== ".." && !normal.startsWith("../");
}

function invalidVolumeName(name: string) {
  return fail(
    "invalid",
    `create ${name}: ${JSON.stringify(name)} includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
  );
}

/** "[source:]target[:mode]": returns the target. */
function checkBind(spec: string): string {
  const parts = spec.split(":");
  const [first = "", second] = parts;
  const target = second ?? first;
  if (spec === "" || parts.length > 3 || parts.some((part) => part === "")) throw fail("invalid", `invalid volume specification: '${spec}'`);
  const problem = problemOfTarget(target);
  const type = second !== undefined && first.startsWith("/") ? "bind" : "volume";
  if (problem !== undefined) throw fail("invalid", `invalid volume specification: '${spec}': invalid mount config for type "${type}": ${problem}`);
  if (type === "volume" && second !== undefined && !VOLUME_NAME.test(first)) throw invalidVolumeName(first);
  if (parts[2] !== undefined) checkMode(parts[2], type);
  return target;
}

/** Each kind of word at most once. */
function checkMode(mode: string, type: "bind" | "volume"): void {
  const kinds: readonly (readonly string[])[] = [
    ["ro", "rw"],
    ["z", "Z"],
    ["nocopy"],
    ["U"],
    type === "bind" ? PROPAGATIONS.slice(1) : [],
    ["consistent", "cached", "delegated", "default"],
  ];
  const used = new Set<number>();
  for (const word of mode.split(",")) {
    const kind = kinds.findIndex((words) => words.includes(word));
    if (kind < 0 || used.has(kind)) throw fail("invalid", `invalid mode: ${mode}`);
    used.add(kind);
  }
}
