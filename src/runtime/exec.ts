/** A process that joins a running container: also a program. */
import { planJoin } from "#linux/cgroups-plan.ts";
import { O, PR } from "#linux/constants.ts";
import { INIT_PIDFD, type Op, type Program } from "#linux/ops.ts";
import { checkCgroupPath } from "#spec/cgroup-path.ts";
import { kernelAtLeast } from "#spec/kernel.ts";
import type { Process, Spec } from "#spec/oci-runtime.ts";
import { openTerminal } from "./dev.ts";
import type { HostFacts } from "./facts.ts";
import { NAMESPACE_FLAGS } from "./namespaces.ts";
import { compileProcess, enterFolder } from "./process.ts";
import { IN_ROOT } from "./rootfs.ts";
import { SLOT } from "./slots.ts";

export type ExecFacts = {
  readonly host: HostFacts;
  /** Where the container's first process is now, if it has moved to a group below the container's own. */
  readonly cgroup?: string;
};

/**
 * The program of EXEC: `spec` is the container's, `process` what runs in it. The filter is the container's, whatever the
 * process's capabilities are, as in Docker.
 *
 * The process cannot be traced from inside until it execs (ID-04); the pid namespace is entered by the fork.
 */
export function compileExec(spec: Spec, process: Process, { host, cgroup }: ExecFacts): Program {
  const types = (spec.linux?.namespaces ?? []).map((one) => one.type).filter((type) => type !== "time" || kernelAtLeast(host, 5, 8));
  const flags = types.reduce((all, type) => all | NAMESPACE_FLAGS[type], 0);
  const forks = types.includes("pid") || types.includes("time");
  return [
    { op: "prctl", option: PR.SET_DUMPABLE, a: 0, note: "nobody may trace this process before exec" },
    ...planJoin(host.cgroups, cgroup ?? checkCgroupPath(spec.linux?.cgroupsPath ?? "")),
    ...oomScore(process),
    { op: "setns", slot: INIT_PIDFD, flags, note: types.join(" ") },
    ...(forks ? [{ op: "fork" } as const] : []),
    ...(process.terminal === true ? terminal(process) : []),
    ...workingDirectory(process),
    ...enterFolder(process),
    ...compileProcess(process, spec.linux, host),
  ];
}

function workingDirectory(process: Process): Op[] {
  if (process.cwd === "/") return [];
  return [{ op: "open", slot: SLOT.folder, path: process.cwd, flags: O.PATH | O.DIRECTORY, resolve: IN_ROOT, note: "working directory" }];
}

function oomScore(process: Process): Op[] {
  return process.oomScoreAdj === undefined ? [] : [{ op: "writeFile", path: "/proc/self/oom_score_adj", data: String(process.oomScoreAdj) }];
}

function terminal(process: Process): Op[] {
  return [...openTerminal(-1, "/dev/pts/ptmx"), { op: "pty", slot: SLOT.ptmx, consoleDir: -1, rows: process.consoleSize?.height ?? 0, cols: process.consoleSize?.width ?? 0 }];
}
