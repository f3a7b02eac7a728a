/**
 * COPY's rules of what goes where, as BuildKit has them. Ops are relative to the draft's own folder; what is there of the
 * base is asked of the ground. Nothing is performed here.
 */
import { fail } from "#base/errors.ts";
import { takeTurns } from "#base/turns.ts";
import type { Op } from "#linux/ops.ts";
import type { ModeChange } from "./chmod.ts";
import type { Ground } from "./ground.ts";
import { baseOf, cleanPath, encodeName, joinPath, parentOf } from "./names.ts";
import type { Owner } from "./owner.ts";
import type { Match } from "./select.ts";
import type { SourceEntry } from "./source.ts";

export type CopyRules = {
  readonly owner: Owner | undefined;
  readonly mode: ModeChange | undefined;
  /** Of directories that are made on the way. */
  readonly parentMode: number;
};

/** In order; `times` come last, when nothing is made in these directories any more. */
export type CopyPlan = {
  readonly steps: CopyStep[];
  readonly times: Map<string, { readonly sec: number; readonly nsec: number }>;
  /** Something is made more than once: the order matters. */
  remade: boolean;
};

export type CopyStep =
  | { readonly kind: "op"; readonly op: Op }
  /** The directory of the base is in the draft from here on. */
  | { readonly kind: "like"; readonly path: string }
  | { readonly kind: "file"; readonly path: string; readonly entry: SourceEntry; readonly mode: number; readonly owner: Owner };

const S_IFMT = { char: 0o020000, block: 0o060000, fifo: 0o010000 } as const;
const ROOT_OWNER: Owner = { uid: 0, gid: 0 };

export const emptyPlan = (): CopyPlan => ({ steps: [], times: new Map(), remade: false });

/** Where a destination leads, made if need be. "/a/b/": the directory itself; "/a/b": what it is in. */
export async function prepareDestination(plan: CopyPlan, ground: Ground, destination: string, rules: CopyRules): Promise<string> {
  const isDirectory = /\/\.?$/.test(destination);
  const target = await ground.resolve(destination);
  const ensured = isDirectory ? target : await ground.resolve(parentOf(cleanPath(destination)));
  await makeDirectories(plan, ground, ensured, rules);
  // What was found of it is what was there before its parents were made.
  return target;
}

export async function planMatch(plan: CopyPlan, ground: Ground, { name, entries }: Match, destination: string, rules: CopyRules): Promise<void> {
  const root = entries[0];
  if (root === undefined) return;
  await ground.learn([destination]);
  if (root.type !== "directory") {
    const path = ground.kind(destination) === "directory" ? joinPath(destination, baseOf(name)) : destination;
    await makeDirectories(plan, ground, parentOf(path), rules);
    await ground.learn([path]);
    return planEntry(plan, ground, root, path, { rules, links: new Map() });
  }
  if (ground.kind(destination) === "other") throw fail("invalid", `cannot copy to non-directory: /${destination}`);
  await makeDirectories(plan, ground, destination, rules);
  const links = new Map<string, string>();
  const below = entries.slice(1);
  await ground.learn(below.map(({ path }) => joinPath(destination, path)));
  if (root.sec >= 0 && destination !== "") {
    hold(plan, ground, destination);
    plan.times.set(destination, root);
  }
  const turns = takeTurns();
  for (const entry of below) {
    const wait = turns();
    if (wait !== undefined) await wait;
    planEntry(plan, ground, entry, joinPath(destination, entry.path), { rules, links });
  }
}

/** A directory and what it is in, as far as it is missing. */
export async function makeDirectories(plan: CopyPlan, ground: Ground, path: string, { owner = ROOT_OWNER, parentMode }: CopyRules): Promise<void> {
  const parts = path === "" ? [] : path.split("/");
  const prefixes = parts.map((_, index) => parts.slice(0, index + 1).join("/"));
  await ground.learn(prefixes);
  for (const prefix of prefixes) {
    const kind = ground.kind(prefix);
    if (kind === "other") throw fail("invalid", `mkdir /${prefix}: not a directory`);
    if (kind === "directory") continue;
    hold(plan, ground, parentOf(prefix));
    plan.steps.push({ kind: "op", op: { op: "putDir", path: encodeName(prefix), mode: parentMode, ...owner } });
    ground.make(prefix, "directory");
  }
}

type Planning = { readonly rules: CopyRules; readonly links: Map<string, string> };

function planEntry(plan: CopyPlan, ground: Ground, entry: SourceEntry, path: string, planning: Planning): void {
  const there = ground.kind(path);
  if (entry.type === "directory") {
    if (there === "other") throw fail("invalid", `cannot copy to non-directory: /${path}`);
    return planDirectory(plan, ground, entry, path, planning);
  }
  if (there === "directory") throw fail("invalid", `cannot replace to directory /${path} with file`);
  hold(plan, ground, parentOf(path));
  if (ground.make(path, "other")) plan.remade = true;
  const first = entry.inode === undefined ? undefined : planning.links.get(entry.inode);
  if (first !== undefined) return void push(plan, { op: "makeRoom", path: encodeName(path) }, { op: "link", fromPath: encodeName(first), path: encodeName(path) });
  if (entry.inode !== undefined) planning.links.set(entry.inode, path);
  const { owner, mode } = statusOf(entry, planning.rules);
  if (entry.type === "file") plan.steps.push({ kind: "file", path, entry, mode, owner });
  else pushSpecial(plan, entry, encodeName(path), mode, owner);
  push(plan, ...xattrOps(entry, encodeName(path)));
  // A file is made with its time.
  const isTimed = entry.type === "file" && (entry.xattrs ?? []).length === 0;
  if (!isTimed) push(plan, { op: "utimes", path: encodeName(path), sec: entry.sec, nsec: entry.nsec });
}

/** One that is there takes owner and mode of the one that is copied. */
function planDirectory(plan: CopyPlan, ground: Ground, entry: SourceEntry, path: string, { rules }: Planning): void {
  hold(plan, ground, ground.isOld(path) ? path : parentOf(path));
  const { owner, mode } = statusOf(entry, rules);
  push(plan, { op: "putDir", path: encodeName(path), mode, ...owner }, ...xattrOps(entry, encodeName(path)));
  plan.times.set(path, entry);
  ground.make(path, "directory");
}

function pushSpecial(plan: CopyPlan, { at, type, link, device }: SourceEntry, path: Buffer, mode: number, owner: Owner): void {
  const { major = 0, minor = 0 } = device ?? {};
  push(plan, { op: "makeRoom", path });
  if (type === "symlink") return push(plan, { op: "symlink", path, target: encodeName(link ?? ""), ...owner });
  // Overlay's mark of a deletion.
  if (type === "char" && major === 0 && minor === 0) throw fail("invalid", `/${at}: a character device 0:0 cannot be copied`);
  push(plan, { op: "mknod", path, mode: S_IFMT[type as keyof typeof S_IFMT] | mode, major, minor, ...owner });
}

function statusOf(entry: SourceEntry, { owner, mode }: CopyRules): { owner: Owner; mode: number } {
  return {
    owner: owner ?? { uid: entry.uid, gid: entry.gid },
    mode: mode === undefined || entry.type === "symlink" ? entry.mode : mode(entry.mode, entry.type === "directory"),
  };
}

/** Attributes that a layer carries; trusted.* and labels are the host's. */
function xattrOps({ xattrs = [], type }: SourceEntry, path: Buffer): Op[] {
  if (type !== "file" && type !== "directory") return [];
  return xattrs.filter(([name]) => isCarried(name)).map(([name, data]) => ({ op: "setxattr", path, name, data, tolerate: EOPNOTSUPP }));
}

const EOPNOTSUPP = 95;
const isCarried = (name: string): boolean => (name.startsWith("user.") && !name.startsWith("user.overlay.")) || name === "security.capability" || name.startsWith("system.posix_acl_");

/** The draft gets the base's directory, to have something made in it. */
function hold(plan: CopyPlan, ground: Ground, path: string): void {
  if (path !== "" && ground.isOld(path)) plan.steps.push({ kind: "like", path });
}

const push = (plan: CopyPlan, ...ops: Op[]): void => void plan.steps.push(...ops.map((op): CopyStep => ({ kind: "op", op })));
