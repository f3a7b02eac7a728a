/** A task's program: the container's files, its ports, and the shim with the three programs it performs. */
import type { Stats } from "node:fs";
import { access, lstat, stat } from "node:fs/promises";
import { cgroupDirectories, type CgroupHost } from "#linux/cgroups.ts";
import { ERRNO } from "#linux/constants.ts";
import type { Program } from "#linux/ops.ts";
import { compile, type HostFacts, type PathKind } from "#runtime/compile.ts";
import { hostPaths } from "#runtime/facts.ts";
import { SLOT } from "#runtime/slots.ts";
import { folderProgram } from "./folder.ts";
import type { TaskPaths } from "./paths.ts";
import type { TaskWish } from "./tasks.ts";

/** For `Network.programs`: slot 0 is for the container's files. */
export const TASK_SLOTS = { own: SLOT.network, ports: { first: 1, last: 61 } } as const;

const SHIM_TERMINAL = 1;
const SHIM_STDIN = 2;
const SHIM_STDIN_ONCE = 4;
const SHIM_LOG = 8;
const SHIM_TIED = 16;

export type PlanOptions = { readonly host: HostFacts; readonly staging: string; readonly paths: TaskPaths };

export async function planTask(wish: TaskWish, { host, staging, paths }: PlanOptions): Promise<Program> {
  const { spec, network, log, stdin } = wish;
  const [kinds, missingCgroups] = await Promise.all([pathKinds(wish), missingAncestors(host.cgroups, spec.linux?.cgroupsPath ?? "")]);
  const compiled = compile(spec, {
    host, root: wish.root, staging, paths: kinds, missingCgroups,
    ...(network === undefined ? {} : { network }),
    ...(wish.trees === undefined ? {} : { trees: wish.trees }),
  });
  const flags =
    (compiled.terminal ? SHIM_TERMINAL : 0) | (stdin.open ? SHIM_STDIN : 0) | (stdin.open && stdin.once ? SHIM_STDIN_ONCE : 0) | (log ? SHIM_LOG : 0) | (wish.tied === true ? SHIM_TIED : 0);
  return [
    { op: "unlink", path: paths.record, tolerate: ERRNO["ENOENT"]!, note: "how it ended before" },
    ...folderProgram(wish.folder.path, wish.folder.files),
    ...(network?.reserve ?? []),
    {
      op: "shim",
      flags,
      cloneFlags: compiled.cloneFlags,
      logMaxSize: log?.maxSize ?? 0,
      logMaxFiles: log?.maxFiles ?? 1,
      hold: network?.hold ?? 0n,
      id: wish.id,
      socket: paths.socket,
      record: paths.record,
      log: log?.path ?? "",
      logAttrs: log?.attrs ?? "",
      oom: compiled.oom,
      parent: compiled.parent,
      init: compiled.init,
      teardown: compiled.teardown,
    },
  ];
}

/** What is in /proc and /sys of the host stays what it is, and need not be looked at for every container. */
const covered = new Map<string, PathKind | undefined>();

async function pathKinds({ spec, folder }: TaskWish): Promise<Record<string, PathKind>> {
  const paths = hostPaths(spec);
  const written = new Set(Object.keys(folder.files).map((name) => `${folder.path}/${name}`));
  const unknown = paths.covered.filter((path) => !covered.has(path));
  await Promise.all(unknown.map(async (path) => covered.set(path, await kindOf(lstat(path)))));
  const sources = await Promise.all(paths.sources.map(async (path) => [path, written.has(path) ? "file" : await kindOf(stat(path))] as const));
  const all = [...paths.covered.map((path) => [path, covered.get(path)] as const), ...sources];
  return Object.fromEntries(all.filter((entry): entry is readonly [string, PathKind] => entry[1] !== undefined));
}

const kindOf = (look: Promise<Stats>): Promise<PathKind | undefined> => look.then((found) => (found.isDirectory() ? "directory" : "file"), () => undefined);

/** "/a/b/id": those of "/a", "/a/b" that are not there. */
async function missingAncestors(host: CgroupHost, path: string): Promise<string[]> {
  const names = path.split("/").slice(1, -1);
  if (names.length === 1 && names[0] === DEFAULT_PARENT) return []; // always seen to
  const ancestors = names.map((_, index) => "/" + names.slice(0, index + 1).join("/"));
  const there = await Promise.all(ancestors.map((ancestor) => exists(cgroupDirectories(host, ancestor)[0]?.path ?? "/")));
  return ancestors.filter((_, index) => !there[index]);
}

const DEFAULT_PARENT = "gantry";
const exists = (path: string) => access(path).then(() => true, () => false);
