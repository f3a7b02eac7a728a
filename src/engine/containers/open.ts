/** Opens the containers of a data root: their records, and what is to be found out about them. */
import { readFile } from "node:fs/promises";
import { cgroupPath } from "#spec/cgroup-path.ts";
import { parseProfile, type Profile } from "#spec/seccomp-profile.ts";
import { openExecs } from "../exec/exec.ts";
import { openMonitors } from "../health/monitor.ts";
import { attach } from "./streams/attach.ts";
import { closeContainers } from "./run/close.ts";
import type { ContainerParts, OpenContainers } from "./containers.ts";
import { isUp, type Context } from "./context.ts";
import { create } from "./create.ts";
import { explain, plan } from "./explain.ts";
import { list } from "./list.ts";
import { openLives } from "./live.ts";
import { logs } from "./streams/read-logs.ts";
import { pause, unpause } from "./run/pause.ts";
import { prune } from "./prune.ts";
import { prepareRecovery } from "./run/recover.ts";
import { remove } from "./remove.ts";
import { rename } from "./rename.ts";
import { resize } from "./streams/resize.ts";
import { size } from "./size.ts";
import { start } from "./run/start.ts";
import { stats } from "./processes/stats.ts";
import { kill, restart, stop } from "./run/stop.ts";
import { openStore } from "./store.ts";
import { top } from "./processes/top.ts";
import { update } from "./update.ts";
import { wait } from "./run/wait.ts";

export type { ContainerParts, OpenContainers } from "./containers.ts";

export async function openContainers(parts: ContainerParts): Promise<OpenContainers> {
  const store = openStore(parts.db);
  const settling = new Map<string, Promise<void>>();
  const ctx: Context = {
    ...parts,
    store,
    lives: openLives(),
    claimedVolumes: new Map(),
    accounts: new Map(),
    pruning: { busy: false },
    closing: { now: false },
    seccomp: await readProfile(parts.config.containers.seccompProfile),
    cgroupOf: ({ id, hostConfig }) => cgroupPath(hostConfig.CgroupParent || parts.config.containers.cgroupParent, id),
    settled: (id) => settling.get(id),
    execs: { exited: () => {}, detached: () => {}, allEnded: () => {} },
    health: { begin: () => {}, end: () => {} },
  };
  const execs = openExecs(ctx);
  Object.assign(ctx.execs, execs.hooks);
  Object.assign(ctx.health, openMonitors(ctx, execs.execs));
  const recovery = await prepareRecovery(ctx, settling);
  /** Waits for what is being found out about a container; nearly always there is nothing to wait for. */
  const known = async (ref: string): Promise<string> => {
    const { id } = store.find(ref);
    await settling.get(id);
    return id;
  };
  return {
    containers: {
      all: store.all,
      get: store.find,
      list: async (options) => list(ctx, options),
      create: (request, options) => create(ctx, request, options),
      start: async (ref) => await start(ctx, await known(ref)),
      stop: async (ref, options) => await stop(ctx, await known(ref), options),
      restart: async (ref, options) => await restart(ctx, await known(ref), options),
      kill: async (ref, signal) => await kill(ctx, await known(ref), signal),
      pause: async (ref) => await pause(ctx, await known(ref)),
      unpause: async (ref) => await unpause(ctx, await known(ref)),
      stats: (ref, options) => stats(ctx, ref, options),
      update: async (ref, change) => await update(ctx, await known(ref), change),
      rename: async (ref, name) => await rename(ctx, ref, name),
      remove: async (ref, options) => await remove(ctx, await known(ref), options),
      prune: (filters, options) => prune(ctx, filters, options),
      wait: (ref, condition, signal) => wait(ctx, ref, condition, signal),
      resize: async (ref, wanted) => await resize(ctx, await known(ref), wanted),
      top: async (ref, args) => await top(ctx, await known(ref), args),
      size: async (ref) => await size(ctx, store.find(ref)),
      attach: async (ref, options) => await attach(ctx, await known(ref), options),
      logs: async (ref, options) => logs(ctx, await known(ref), options),
      explain: async (ref) => await explain(ctx, await known(ref)),
      plan: (request, options) => plan(ctx, request, options),
    },
    execs: execs.execs,
    context: ctx,
    users: (volume) => [
      ...store.all().filter(({ mounts }) => mounts.some(({ Name }) => Name === volume)).map(({ id }) => id),
      ...[...ctx.claimedVolumes].filter(([, name]) => name === volume).map(([key]) => key.split(" ", 1)[0]!),
    ],
    usedManifests() {
      const used = new Map<string, string[]>();
      for (const { id, manifestDigest } of store.all()) used.set(manifestDigest, [...(used.get(manifestDigest) ?? []), id]);
      return used;
    },
    usedImages() {
      const used = new Map<string, { running: boolean; ids: string[] }>();
      for (const record of store.all()) {
        const before = used.get(record.imageId) ?? { running: false, ids: [] };
        used.set(record.imageId, { running: before.running || isUp(record), ids: [...before.ids, record.id] });
      }
      return used;
    },
    counts() {
      const all = store.all();
      const paused = all.filter(({ state }) => state.status === "paused").length;
      const running = all.filter(isUp).length;
      return { running: running - paused, paused, stopped: all.length - running };
    },
    recover: recovery.run,
    close: () => closeContainers(ctx),
  };
}

/** undefined: the profile that comes with Gantry. */
async function readProfile(path: string): Promise<Profile | "unconfined" | undefined> {
  if (path === "" || path === "builtin" || path === "default") return undefined;
  return path === "unconfined" ? path : parseProfile(await readFile(path, "utf8"));
}

