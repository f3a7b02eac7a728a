/**
 * A container is a program: OCI runtime spec + facts → what the shim, and the container's first process, perform.
 *
 *     const facts = { host, root: snapshots.mounts(id), staging, paths: await readPathKinds(spec), network };
 *     const { cloneFlags, init, parent, teardown, oom } = compile(spec, facts);
 *     await kernel.perform([{ op: "shim", cloneFlags, init, parent, teardown, oom, … }]);
 *
 * Pure: the same input gives the same program, which can be printed, compared and named in an error. The order of the
 * init program, and why each part stands where it stands, is in docs/design/runtime.md:
 *
 *     cgroup · namespaces · root · mounts · /dev · terminal · /proc · covered paths · pivot · identity · exec
 */
import { fail } from "#base/errors.ts";
import { oomFile } from "#linux/cgroups.ts";
import { planCgroup } from "#linux/cgroups-plan.ts";
import { PR } from "#linux/constants.ts";
import type { Op, Program } from "#linux/ops.ts";
import { checkCgroupPath } from "#spec/cgroup-path.ts";
import type { Process, Spec } from "#spec/oci-runtime.ts";
import { compileCovers } from "./covers.ts";
import { compileTerminal, deviceRules } from "./dev.ts";
import type { ContainerFacts } from "./facts.ts";
import { compileMounts } from "./mounts.ts";
import { compileNamespaces } from "./namespaces.ts";
import { compileProcess, enterFolder } from "./process.ts";
import { compileRoot, lockRoot, propagateRoot } from "./rootfs.ts";
import { SLOT } from "./slots.ts";

export type { ContainerFacts, HostFacts, NetworkOps, PathKind, RootMount } from "./facts.ts";

/** Fields of the op `shim`. */
export type Compiled = {
  readonly terminal: boolean;
  readonly cloneFlags: number;
  readonly init: Program;
  readonly parent: Program;
  readonly teardown: Program;
  readonly oom: string;
};

/** @throws invalid, not-implemented: a sentence about what in the spec cannot be done. */
export function compile(spec: Spec, facts: ContainerFacts): Compiled {
  const process = checkedProcess(spec);
  const cgroup = checkCgroupPath(spec.linux?.cgroupsPath ?? "");
  const plan = planCgroup(facts.host.cgroups, {
    path: cgroup,
    resources: { ...spec.linux?.resources, devices: deviceRules(spec) },
    slot: SLOT.scratch,
    nested: writableCgroups(spec),
    ...(facts.missingCgroups === undefined ? {} : { missing: facts.missingCgroups }),
  });
  const mounts = compileMounts(spec, facts);
  const root = compileRoot(facts, spec);
  const namespaces = compileNamespaces(spec, facts, [...mounts.taken, ...root.early]);
  return {
    terminal: process.terminal === true,
    cloneFlags: namespaces.cloneFlags,
    init: [
      { op: "prctl", option: PR.SET_DUMPABLE, a: 0, note: "nobody may trace this process before exec" },
      { op: "umask", mode: 0 },
      ...plan.create,
      ...plan.join,
      ...oomScore(process),
      ...namespaces.enter,
      ...root.ops,
      ...mounts.ops,
      ...(process.terminal === true ? compileTerminal(process) : []),
      ...mounts.late,
      ...workingDirectory(process),
      ...compileCovers(spec, facts),
      ...hostNames(spec),
      ...lockRoot(spec),
      { op: "pivot", slot: SLOT.root },
      ...propagateRoot(spec),
      ...enterFolder(process),
      ...compileProcess(process, spec.linux, facts.host),
    ],
    parent: namespaces.parent,
    teardown: [...plan.remove, ...(facts.network?.teardown ?? [])],
    oom: oomFile(facts.host.cgroups, cgroup),
  };
}

function checkedProcess(spec: Spec): Process {
  const { process } = spec;
  if (process === undefined) throw fail("invalid", "compile a container: the spec has no process");
  if (process.args.length === 0 || process.args[0] === "") throw fail("invalid", "compile a container: the process has no arguments");
  if (!process.cwd.startsWith("/")) throw fail("invalid", `compile a container: the working directory ${JSON.stringify(process.cwd)} is not absolute`);
  for (const text of [...process.args, ...(process.env ?? []), process.cwd, spec.hostname ?? ""]) {
    if (text.includes("\0")) throw fail("invalid", `compile a container: ${JSON.stringify(text)} holds a NUL byte`);
  }
  return process;
}

const writableCgroups = (spec: Spec) => (spec.mounts ?? []).some(({ type = "", options = [] }) => type.startsWith("cgroup") && !options.includes("ro"));

/** Through the host's /proc, before anything of the container is mounted. Lowering it needs CAP_SYS_RESOURCE. */
function oomScore(process: Process): Op[] {
  if (process.oomScoreAdj === undefined) return [];
  return [{ op: "writeFile", path: "/proc/self/oom_score_adj", data: String(process.oomScoreAdj) }];
}

/** A missing working directory is made, inside the root; a link that leads out of it is refused. */
function workingDirectory(process: Process): Op[] {
  return process.cwd === "/" ? [] : [{ op: "mkdirAll", slot: SLOT.folder, dir: SLOT.root, path: process.cwd, mode: 0o755, note: "working directory" }];
}

function hostNames(spec: Spec): Op[] {
  const own = spec.linux?.namespaces?.some((one) => one.type === "uts" && one.path === undefined) ?? false;
  if (!own) return [];
  return [
    ...(spec.hostname ? [{ op: "sethostname", name: spec.hostname } as const] : []),
    ...(spec.domainname ? [{ op: "setdomainname", name: spec.domainname } as const] : []),
  ];
}

export { compileExec, type ExecFacts } from "./exec.ts";
