import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import type { ExitRecord, Shim } from "#linux/shim.ts";
import { CONTAINER, connectShim, parseExitRecord } from "#linux/shim.ts";
import { compileExec } from "#runtime/compile.ts";
import { viewRoot } from "#runtime/rootfs.ts";
import { cgroupFiles, delegate, freeze, limit, movedTo, pidsOf, reap } from "./cgroups.ts";
import { execRecord, taskPaths, tasksFolder } from "./paths.ts";
import { planTask } from "./plan.ts";
import type { Task, TaskParts, Tasks } from "./tasks.ts";
import { enterView } from "./view.ts";
import { readUsage } from "./usage.ts";

const SIGKILL = 9;
const GONE_TRIES = 500;
const GONE_PAUSE_MS = 2;

export async function openTasks(parts: TaskParts): Promise<Tasks> {
  const { kernel, execRoot, host } = parts;
  const staging = `${execRoot}/staging`;
  await mkdir(tasksFolder(execRoot), { recursive: true, mode: 0o700 });
  await mkdir(staging, { recursive: true, mode: 0o700 });
  await delegate(parts);
  return {
    plan: (wish) => planTask(wish, { host, staging, paths: taskPaths(execRoot, wish.id) }),
    async create(id, program, onEvent) {
      await kernel.perform(program);
      return taskOf(id, await connectShim(taskPaths(execRoot, id).socket, { onEvent }));
    },
    async adopt(id, onEvent) {
      const paths = taskPaths(execRoot, id);
      const shim = await connectShim(paths.socket, { onEvent }).catch(() => undefined);
      if (shim !== undefined && shim.state.pid > 0) return { kind: "running", task: taskOf(id, shim) };
      // A shim that was never told to start ends when this connection does.
      await shim?.[Symbol.asyncDispose]();
      const exit = await readExit(paths.record);
      // Nobody listens any more, but the name of a socket outlives who was killed.
      await rm(paths.socket, { force: true });
      return exit === undefined ? { kind: "gone" } : { kind: "exited", exit };
    },
    planExec: async (spec, process, pid) => compileExec(spec, process, { host, ...(await movedTo(host.cgroups, spec.linux?.cgroupsPath ?? "", pid)) }),
    forget: (id) => rm(taskPaths(execRoot, id).record, { force: true }),
    forgetExec: (id, exec) => rm(execRecord(taskPaths(execRoot, id), exec), { force: true }),
    async forgetExecs() {
      const names = (await readdir(tasksFolder(execRoot))).filter((name) => name.includes(".exit."));
      await Promise.all(names.map((name) => rm(`${tasksFolder(execRoot)}/${name}`, { force: true })));
    },
    async gone(id) {
      const { socket } = taskPaths(execRoot, id);
      for (let i = 0; i < GONE_TRIES && existsSync(socket); i++) await delay(GONE_PAUSE_MS);
    },
    async clear(name) {
      const { socket } = taskPaths(execRoot, name);
      const shim = await connectShim(socket).catch(() => undefined);
      if (shim !== undefined && shim.state.pid > 0) await shim.signal(CONTAINER, SIGKILL).catch(() => {});
      await shim?.[Symbol.asyncDispose]();
      const files = (await readdir(tasksFolder(execRoot))).filter((file) => file.startsWith(`${name}.exit`));
      await Promise.all([...files.map((file) => `${tasksFolder(execRoot)}/${file}`), ...(shim === undefined ? [socket] : [])].map((path) => rm(path, { force: true })));
    },
    async list() {
      const names = await readdir(tasksFolder(execRoot));
      return new Set(names.map((name) => name.slice(0, name.indexOf("."))));
    },
    openRoot: (root, slot) => viewRoot(root, slot, { host, staging }),
    enterView: (view) => enterView(view, { host, staging }),
    freeze: (cgroup, frozen) => freeze(parts, cgroup, frozen),
    reap: (cgroup) => reap(parts, cgroup),
    pids: (cgroup) => pidsOf(host.cgroups, cgroup),
    limit: (cgroup, resources, growing) => limit(parts, cgroup, resources, growing),
    usage: (cgroup, pid) => readUsage(host.cgroups, cgroup, pid),
    cgroupFiles: (cgroup) => cgroupFiles(host.cgroups, cgroup),
  };
}

const taskOf = (id: string, shim: Shim): Task => ({ id, shim, [Symbol.asyncDispose]: () => shim[Symbol.asyncDispose]() });

async function readExit(path: string): Promise<ExitRecord | undefined> {
  const text = await readFile(path, "utf8").catch(() => undefined);
  return text === undefined ? undefined : parseExitRecord(text);
}
