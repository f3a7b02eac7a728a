/**
 * Tasks: containers as they run. A task is a shim and what it watches; its home is two paths of the exec root, named
 * after the container, so that they can be found again without any record:
 *
 *     <exec root>/tasks/<id>.sock    the shim listens: the container runs, or is about to
 *     <exec root>/tasks/<id>.exit    the exit record: it has ended, and the engine has not taken note yet
 *
 * (The id is cut to 32 digits: a socket's path may have 107 bytes.) The exec root goes with a reboot, as the processes
 * do, so what stands there is never stale. It needs no place on the data root's disk, which may be full.
 *
 *     const program = await tasks.plan(wish);                    // also what --dry-run prints
 *     const task = await tasks.create(id, program, onEvent);     // the shim waits; clients may attach
 *     const { pid, time } = await task.shim.start();
 *     …                                                          // onEvent({ type: "exited", code, … })
 *     await tasks.forget(id);                                    // once the exit is in the database
 *
 *     const found = await tasks.adopt(id, onEvent);              // after the engine was started anew
 */
import type { Kernel } from "#linux/linux.ts";
import type { Program } from "#linux/ops.ts";
import type { ExitRecord, Shim, ShimEvent } from "#linux/shim.ts";
import type { BindTree, HostFacts } from "#runtime/facts.ts";
import type { Process, Resources, Spec } from "#spec/oci-runtime.ts";
import type { Mounts } from "../snapshots/snapshots.ts";
import type { View } from "./view.ts";
import type { Usage } from "./usage.ts";

export type Task = AsyncDisposable & {
  readonly id: string;
  /** The connection to the shim: closing the task closes it, and the container lives on. */
  readonly shim: Shim;
};

/** What is found of a container that was thought to run. */
export type Found =
  | { readonly kind: "running"; readonly task: Task }
  /** It has ended; the record stays until `forget`. */
  | { readonly kind: "exited"; readonly exit: ExitRecord }
  /** No shim and no record: it never started, or the host went down, or somebody killed the shim. */
  | { readonly kind: "gone" };

export type OnTaskEvent = (event: ShimEvent) => void;

/** Everything a task is made of. */
export type TaskWish = {
  readonly id: string;
  readonly spec: Spec;
  readonly root: Mounts;
  /** once: closed when its first client has gone. */
  readonly stdin: { readonly open: boolean; readonly once: boolean };
  readonly log?: TaskLog;
  /** The container's folder on the host, made if need be, and files that are written into it before the start. */
  readonly folder: { readonly path: string; readonly files: Readonly<Record<string, string>> };
  readonly network?: TaskNetwork;
  /** It is killed when this engine lets go of it or dies, and leaves no exit record. */
  readonly tied?: boolean;
  /** Binds of more than what is at a path, by their destination in the spec. */
  readonly trees?: Readonly<Record<string, BindTree>>;
};

/** maxSize 0: never rotated. attrs: JSON of the attributes each record carries, or "". */
export type TaskLog = { readonly path: string; readonly maxSize: number; readonly maxFiles: number; readonly attrs: string };

/** What `Network.programs` returns for `TASK_SLOTS`. */
export type TaskNetwork = {
  readonly reserve: Program;
  readonly hold: bigint;
  readonly host: Program;
  readonly inside: Program;
  readonly teardown: Program;
};

export type Tasks = {
  /** The program that starts the shim. Looks at the host (what mount sources are), changes nothing. */
  plan(wish: TaskWish): Promise<Program>;
  /** Performs it and connects. */
  create(id: string, program: Program, onEvent: OnTaskEvent): Promise<Task>;
  adopt(id: string, onEvent: OnTaskEvent): Promise<Found>;
  /** The program of one more process in a running container with this spec, whose first process is `pid`. */
  planExec(spec: Spec, process: Process, pid: number): Promise<Program>;
  /** Removes the container's exit record. */
  forget(id: string): Promise<void>;
  /** Removes the exit record of an exec'd process; those of all, when nobody can ask for them any more. */
  forgetExec(id: string, exec: string): Promise<void>;
  forgetExecs(): Promise<void>;
  /** Resolves when the shim's socket is away: for one that was told to end. */
  gone(id: string): Promise<void>;
  /** Ends a task that no container has, and removes its files. `name` is as `list` says. */
  clear(name: string): Promise<void>;
  /** The ids, shortened, of which there is a socket or a record. */
  list(): Promise<Set<string>>;
  /** Ops that put a container's or an image's tree into a slot, seen by nobody else. To be performed forked "if needed". */
  openRoot(root: Mounts, slot: number): Program;
  /** The beginning of a forked program inside a view of a container's files. See view.ts. */
  enterView(view: View): Program;

  /** Freezes or thaws what is in a cgroup; resolves when it is so. */
  freeze(cgroup: string, frozen: boolean): Promise<void>;
  /** Sets limits of a cgroup. `growing`: memory may have more than before. */
  limit(cgroup: string, resources: Resources, growing: boolean): Promise<void>;
  /** Kills what is in a cgroup and removes it: for a container whose shim is gone. */
  reap(cgroup: string): Promise<void>;
  /** Pids in a cgroup and below, as the host sees them. */
  pids(cgroup: string): Promise<number[]>;
  /** What a running container uses; `pid` is its first process. */
  usage(cgroup: string, pid: number): Promise<Usage>;
  /** The kernel's files of a cgroup and what they hold, by path. */
  cgroupFiles(cgroup: string): Promise<Record<string, string>>;
};

export type TaskParts = { readonly kernel: Kernel; readonly execRoot: string; readonly host: HostFacts };

export type { BindTree } from "#runtime/facts.ts";
export { FIND_SUBPATH, MAP_IDS } from "#runtime/bind-tree.ts";
export type { Interface, Usage } from "./usage.ts";
export { shortTaskId } from "./paths.ts";
export type { View, ViewMount } from "./view.ts";
export { TASK_SLOTS } from "./plan.ts";
export { folderProgram, hostFolderProgram, lookInside, processRoot, readFilesProgram, removeFolderProgram } from "./folder.ts";
export type { ExitRecord } from "#linux/shim.ts";
export { ProgramError } from "#linux/linux.ts";
export { CONTAINER } from "#linux/shim.ts";
export { openTasks } from "./open-tasks.ts";
