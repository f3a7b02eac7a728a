/** A task's program: the container's files, its ports, and the shim with the three programs it performs. */
import { access } from "node:fs/promises";
import { cgroupDirectories, type CgroupHost } from "#linux/cgroups.ts";
import { ERRNO } from "#linux/constants.ts";
import type { Program } from "#linux/ops.ts";
import { compile, type HostFacts } from "#runtime/compile.ts";
import { readPathKinds } from "#runtime/facts.ts";
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

export type PlanOptions = { readonly host: HostFacts; readonly staging: string; readonly paths: TaskPaths };

export async function planTask(wish: TaskWish, { host, staging, paths }: PlanOptions): Promise<Program> {
  const { spec, network, log, stdin } = wish;
  const [found, missingCgroups] = await Promise.all([readPathKinds(spec), missingAncestors(host.cgroups, spec.linux?.cgroupsPath ?? "")]);
  const written = Object.keys(wish.folder.files).map((name) => [`${wish.folder.path}/${name}`, "file"] as const);
  const kinds = { ...found, ...Object.fromEntries(written) };
  const compiled = compile(spec, {
    host, root: wish.root, staging, missingCgroups,
    paths: { ...kinds, ...Object.fromEntries((wish.files ?? []).map((path) => [path, "file" as const])) },
    ...(network === undefined ? {} : { network }),
  });
  const flags =
    (compiled.terminal ? SHIM_TERMINAL : 0) | (stdin.open ? SHIM_STDIN : 0) | (stdin.open && stdin.once ? SHIM_STDIN_ONCE : 0) | (log ? SHIM_LOG : 0);
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

/** "/a/b/id": those of "/a", "/a/b" that are not there. */
async function missingAncestors(host: CgroupHost, path: string): Promise<string[]> {
  const names = path.split("/").slice(1, -1);
  const ancestors = names.map((_, index) => "/" + names.slice(0, index + 1).join("/"));
  const there = await Promise.all(ancestors.map((ancestor) => exists(cgroupDirectories(host, ancestor)[0]?.path ?? "/")));
  return ancestors.filter((_, index) => !there[index]);
}

const exists = (path: string) => access(path).then(() => true, () => false);
