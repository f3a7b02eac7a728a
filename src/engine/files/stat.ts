/** What is at a path of a container. */
import { posix } from "node:path";
import { formatTime } from "#base/clock.ts";
import { fail } from "#base/errors.ts";
import { ProgramError } from "#core/tasks/tasks.ts";
import type { Outputs } from "#linux/linux.ts";
import type { Op, Program } from "#linux/ops.ts";
import type { Context } from "../containers/context.ts";
import type { PathStat } from "./files.ts";
import { type ContainerPath, parsePath } from "./paths.ts";
import { see } from "./view.ts";

export const O_PATH_DIRECTORY = 0o10000000 | (process.arch === "arm64" ? 0o40000 : 0o200000);
const O_NOFOLLOW = process.arch === "arm64" ? 0o100000 : 0o400000;
const RESOLVE_IN_ROOT = 0x10;
const RESOLVE_NO_MAGICLINKS = 0x02;
export const INSIDE = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
const S_IFMT = 0o170000;
const S_IFLNK = 0o120000;
const EINVAL = 22;
const ENOENT = 2;
const MOST_LINKS = 40;

/** The slot of the directory that holds what is looked at. */
export const HOLDER = 1;

export async function stat(ctx: Context, ref: string, given: string): Promise<PathStat> {
  const path = parsePath(given);
  using seen = await see(ctx, ref, { mounts: true });
  const program = [...seen.enter, ...statOps(path)];
  try {
    const outputs = await ctx.kernel.perform(program, { forked: true });
    return await finishStat(ctx, seen.enter, path, outputs);
  } catch (error) {
    throw fileFailure(error, path.path, ref);
  }
}

/** The last one's output is `readStat`'s. */
export function statOps({ directory, base }: ContainerPath): Op[] {
  return [
    { op: "open", slot: HOLDER, path: directory, flags: O_PATH_DIRECTORY, resolve: INSIDE },
    { op: "stat", dir: HOLDER, path: base, flags: O_NOFOLLOW, resolve: RESOLVE_NO_MAGICLINKS },
  ];
}

/** `outputs`: of a program with `statOps`, whose stat's is the only one. */
export async function finishStat(ctx: Context, enter: Program, path: ContainerPath, outputs: Outputs): Promise<PathStat> {
  const output = [...outputs.values()][0]!;
  const mode = Number(output.readBigUInt64LE(0));
  const mtime = output.readBigInt64LE(32) * 1_000_000_000n + output.readBigInt64LE(40);
  const link = (mode & S_IFMT) === S_IFLNK;
  return {
    name: path.name,
    size: Number(output.readBigUInt64LE(24)),
    mode,
    mtime: formatTime(mtime),
    linkTarget: link ? await resolveLink(ctx, enter, path.path) : "",
  };
}

/** Follows all links of a path by what they say, as far as there are some; what does not exist stays as it is written. */
async function resolveLink(ctx: Context, enter: Program, path: string): Promise<string> {
  let at = posix.normalize(path);
  for (let round = 0; round < MOST_LINKS; round++) {
    const prefixes = at.split("/").slice(1).map((_, index, names) => `/${names.slice(0, index + 1).join("/")}`);
    const links = await readLinks(ctx, enter, prefixes);
    const found = prefixes.findIndex((prefix) => links.has(prefix));
    if (found < 0) return at;
    const prefix = prefixes[found]!;
    at = posix.join("/", posix.resolve(posix.dirname(prefix), links.get(prefix)!), at.slice(prefix.length));
  }
  throw fail("invalid", `${path}: too many levels of symbolic links`);
}

async function readLinks(ctx: Context, enter: Program, paths: readonly string[]): Promise<Map<string, string>> {
  const links = new Map<string, string>();
  const ops = paths.flatMap((path): Op[] => [
    { op: "open", slot: HOLDER, path: posix.dirname(path), flags: O_PATH_DIRECTORY, resolve: INSIDE },
    { op: "readLink", dir: HOLDER, path: posix.basename(path), tolerate: EINVAL },
  ]);
  // The first that is not there ends it: what comes after it is not there either.
  const rest = (end: number) => ops.slice(0, end);
  let outputs: Outputs;
  try {
    outputs = await ctx.kernel.perform([...enter, ...ops], { forked: true });
  } catch (error) {
    if (!(error instanceof ProgramError) || error.errno !== ENOENT) throw error;
    outputs = await ctx.kernel.perform([...enter, ...rest(error.index - enter.length)], { forked: true });
  }
  for (const [index, output] of outputs) {
    const path = paths[(index - enter.length - 1) / 2];
    if (path !== undefined) links.set(path, output.toString("utf8"));
  }
  return links;
}

/** What went wrong in a program, in Docker's words. */
export function fileFailure(error: unknown, path: string, ref: string): unknown {
  if (!(error instanceof ProgramError)) return error;
  if (error.op?.note === "the container's process" || error.code === "ESRCH") return fail("conflict", `container ${ref} has just ended: try again`, { cause: error });
  if (error.code === "ENOENT") return fail("not-found", `Could not find the file ${path} in container ${ref}`, { cause: error });
  const reason = REASONS[error.code];
  if (reason === undefined) return error;
  return fail(KINDS[error.code] ?? "invalid", `${path}: ${reason}`, { cause: error });
}

const REASONS: Readonly<Record<string, string>> = {
  ENOTDIR: "not a directory",
  EISDIR: "is a directory",
  ELOOP: "too many levels of symbolic links",
  ENAMETOOLONG: "file name too long",
  EROFS: "read-only file system",
  EBUSY: "device or resource busy",
  ENOSPC: "no space left on device",
  EDQUOT: "disk quota exceeded",
  ENOTEMPTY: "directory not empty",
  EFBIG: "file too large",
};
const KINDS: Readonly<Record<string, "forbidden" | "exhausted" | "conflict">> = { EROFS: "forbidden", ENOSPC: "exhausted", EDQUOT: "exhausted", EBUSY: "conflict" };
