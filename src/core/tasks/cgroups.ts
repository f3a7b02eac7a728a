/** What is done to a container's control groups while it runs. The paths are the kernel's and ours, never a container's. */
import { readdir, readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { fail } from "#base/errors.ts";
import { cgroupDirectories, statFiles, type CgroupHost } from "#linux/cgroups.ts";
import { planDelegate, planEvacuate, planFreeze, planLimits, planRemove } from "#linux/cgroups-plan.ts";
import { ProgramError } from "#linux/linux.ts";
import type { Resources } from "#spec/oci-runtime.ts";
import type { TaskParts } from "./tasks.ts";

/** v1 freezes one process after the other and says FREEZING meanwhile; v2 tells by an event. */
const FREEZE_TRIES = 200;
const FREEZE_PAUSE_MS = 10;

const DELEGATE_TRIES = 10;

/**
 * v2, once, at start: the root's controllers are handed on. Where the engine is itself in a container the root is not the
 * machine's, and the kernel wants it empty for that: what is in it, the engine too, moves to "/init". Some may fork
 * meanwhile, so it is tried again. What still stands in the way is told by the first container that needs a controller.
 */
export async function delegate({ kernel, host: { cgroups } }: TaskParts): Promise<void> {
  if (cgroups.version !== "v2") return;
  for (let i = 0; i < DELEGATE_TRIES; i++) {
    const failure = await kernel.perform(planDelegate(cgroups)).then(() => undefined, (error: unknown) => error);
    if (!(failure instanceof ProgramError) || failure.code !== "EBUSY") return;
    const pids = (await readFile(`${cgroupDirectories(cgroups, "")[0]?.path}/cgroup.procs`, "utf8")).split("\n").filter((pid) => Number(pid) > 0);
    await kernel.perform(planEvacuate(cgroups, pids)).catch(() => {});
  }
}

export async function freeze({ kernel, host }: TaskParts, cgroup: string, frozen: boolean): Promise<void> {
  await kernel.perform(planFreeze(host.cgroups, cgroup, frozen));
  if (!frozen) return;
  const file = statFiles(host.cgroups, cgroup).frozen;
  if (file === undefined) return;
  for (let i = 0; i < FREEZE_TRIES; i++) {
    const text = await readFile(file, "utf8");
    if (/^FROZEN|^frozen 1$/m.test(text)) return;
    // Writing the state again helps a v1 freezer past a process that was in the middle of a vfork.
    if (i > 0) await delay(FREEZE_PAUSE_MS);
    if (i % 20 === 19) await kernel.perform(planFreeze(host.cgroups, cgroup, true));
  }
  await kernel.perform(planFreeze(host.cgroups, cgroup, false));
  throw fail("internal", "freeze the control group: its processes did not come to rest");
}

export async function limit({ kernel, host }: TaskParts, cgroup: string, resources: Resources, growing: boolean): Promise<void> {
  await kernel.perform(planLimits(host.cgroups, cgroup, { resources, growing }));
}

export async function reap({ kernel, host }: TaskParts, cgroup: string): Promise<void> {
  await kernel.perform(planRemove(host.cgroups, cgroup));
}

/**
 * v2: a container that may make groups (systemd in it) moves its first process into one, and then its own group takes no
 * process any more (EBUSY): who comes later goes where the first process is.
 */
export async function movedTo(host: CgroupHost, cgroup: string, pid: number): Promise<{ cgroup?: string }> {
  if (host.version !== "v2") return {};
  const text = await readFile(`/proc/${pid}/cgroup`, "utf8").catch(() => "");
  const now = /^0::(.*)$/m.exec(text)?.[1];
  return now?.startsWith(`${cgroup}/`) === true ? { cgroup: now } : {};
}

/** Of the group and of those that the container has made below it. */
export async function pidsOf(host: CgroupHost, cgroup: string): Promise<number[]> {
  const procs = statFiles(host, cgroup).procs;
  if (procs === undefined) return [];
  const pids = await pidsBelow(procs.slice(0, procs.lastIndexOf("/")), 0);
  return [...new Set(pids)].sort((a, b) => a - b);
}

const DEEPEST = 32;

async function pidsBelow(folder: string, depth: number): Promise<number[]> {
  const [text, entries] = await Promise.all([
    readFile(`${folder}/cgroup.procs`, "utf8").catch(() => ""),
    readdir(folder, { withFileTypes: true }).catch(() => []),
  ]);
  const here = text.split("\n").filter((line) => line !== "").map(Number);
  if (depth >= DEEPEST) return here;
  const below = await Promise.all(entries.filter((entry) => entry.isDirectory()).map(({ name }) => pidsBelow(`${folder}/${name}`, depth + 1)));
  return [...here, ...below.flat()];
}

/** Limits, and how they stand. */
const SHOWN = new Set(
  (
    "cpu.max cpu.weight cpu.shares cpu.cfs_quota_us cpu.cfs_period_us cpu.stat cpuset.cpus cpuset.mems memory.max memory.low memory.current memory.events " +
    "memory.swap.max memory.limit_in_bytes memory.usage_in_bytes memory.memsw.limit_in_bytes memory.soft_limit_in_bytes memory.oom_control " +
    "pids.max pids.current io.max io.stat devices.list freezer.state cgroup.freeze cgroup.procs cgroup.events"
  ).split(" "),
);

export async function cgroupFiles(host: CgroupHost, cgroup: string): Promise<Record<string, string>> {
  const found = await Promise.all(
    cgroupDirectories(host, cgroup).map(async ({ path }) => {
      const names = (await readdir(path).catch(() => [])).filter((name) => SHOWN.has(name)).sort();
      return await Promise.all(names.map(async (name) => [`${path}/${name}`, (await readFile(`${path}/${name}`, "utf8").catch(() => "")).trimEnd()] as const));
    }),
  );
  return Object.fromEntries(found.flat());
}
