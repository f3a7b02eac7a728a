/**
 * The driver `local` as a value. A volume without options is a folder, and mounting it is nothing; one with `type`, `device`
 * and `o` is mounted on its folder by its first user and unmounted after its last.
 *
 * What is mounted stands when the engine is killed. The next one counts its users anew (`adopt`), and `reconcile` makes what
 * stands and what is counted agree.
 */
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { fail } from "#base/errors.ts";
import { type Kernel, ProgramError } from "#linux/linux.ts";
import type { Program } from "#linux/ops.ts";
import type { VolumeDriver } from "./driver.ts";
import { localVolumeMake, localVolumePath, localVolumeRemove, quotaProgram } from "./local.ts";
import { mountFailure, mountProgram, mountsBelow, resolveServer, unmountProgram } from "./local-mount.ts";
import { type LocalOptions, parseLocalOptions } from "./local-options.ts";

export type LocalParts = {
  readonly kernel: Pick<Kernel, "perform" | "stream">;
  readonly root: string;
  /** Names of all its volumes, and the options of one, as its record has them. */
  readonly names: () => readonly string[];
  readonly optionsOf: (name: string) => Readonly<Record<string, string>>;
};

export type LocalDriver = VolumeDriver & {
  /** Somebody had it mounted when the engine was started: counted, not mounted. */
  adopt(name: string, id: string): void;
  /** Mounts what has users and is not mounted, unmounts what has none. */
  reconcile(): Promise<void>;
};

export function localDriver({ kernel, root, names, optionsOf }: LocalParts): LocalDriver {
  const users = new Map<string, Set<string>>();
  /** One after the other, so that what is mounted once is not mounted twice. */
  const turns = new Map<string, Promise<unknown>>();
  const inTurn = <T>(name: string, work: () => Promise<T>): Promise<T> => {
    const turn = (turns.get(name) ?? Promise.resolve()).then(work, work);
    const done = turn.catch(() => {}).finally(() => void (turns.get(name) === done && turns.delete(name)));
    turns.set(name, done);
    return turn;
  };
  const path = (name: string) => localVolumePath(root, name);
  const wish = (name: string): LocalOptions => parseLocalOptions(optionsOf(name));
  const usersOf = (name: string): Set<string> => {
    const found = users.get(name) ?? new Set();
    users.set(name, found);
    return found;
  };
  /** A server that does not answer holds up a forked child of its own, and nobody else. */
  const performLong = async (program: Program): Promise<void> => {
    await using stream = await kernel.stream({ long: true });
    await stream.push(program);
    await stream.end();
  };
  const isMounted = async (name: string): Promise<boolean> => (await mountedBelow(path(name))).includes(path(name));
  const mountNow = async (name: string): Promise<void> => {
    const { mount } = wish(name);
    if (mount === undefined || (await isMounted(name))) return;
    try {
      await performLong(mountProgram(await resolveServer(mount), path(name)));
    } catch (error) {
      throw mountFailure(error);
    }
  };
  const unmountNow = async (name: string): Promise<void> => {
    if (wish(name).mount !== undefined) await performLong(unmountProgram(path(name)));
  };

  return {
    name: "local",
    capabilities: async () => ({ scope: "local" }),
    async create(name, options) {
      const { size } = parseLocalOptions(options);
      await kernel.perform(localVolumeMake(root, name));
      if (size === 0) return;
      try {
        await kernel.perform(quotaProgram(path(name), size));
      } catch (error) {
        await kernel.perform(localVolumeRemove(root, name, aside()));
        throw quotaFailure(error);
      }
    },
    async remove(name) {
      if (usersOf(name).size === 0) await unmountNow(name);
      const [busy] = await mountedBelow(`${root}/${name}`);
      if (busy !== undefined) throw fail("conflict", `unable to remove volume: something is mounted at ${busy}`);
      await kernel.perform(localVolumeRemove(root, name, aside()));
      users.delete(name);
    },
    mount: (name, id) =>
      inTurn(name, async () => {
        const all = usersOf(name);
        if (all.size === 0) await mountNow(name);
        all.add(id);
        return path(name);
      }),
    unmount: (name, id) =>
      inTurn(name, async () => {
        const all = usersOf(name);
        if (!all.delete(id) || all.size > 0) return;
        users.delete(name);
        await unmountNow(name);
      }),
    path: async (name) => path(name),
    get: async (name) => ({ name, mountpoint: path(name), createdAt: "" }),
    list: async () => names().map((name) => ({ name, mountpoint: path(name), createdAt: "" })),
    adopt: (name, id) => void usersOf(name).add(id),
    async reconcile() {
      for (const name of names()) {
        if (wish(name).mount === undefined) continue;
        await inTurn(name, () => (usersOf(name).size > 0 ? mountNow(name) : unmountNow(name)));
      }
    },
  };
}

const aside = () => `gone-${randomBytes(8).toString("hex")}`;

async function mountedBelow(folder: string): Promise<string[]> {
  return mountsBelow(await readFile("/proc/self/mountinfo", "utf8"), folder);
}

const EOPNOTSUPP = 95;

/** Docker's words where the file system has no project quotas. */
export function quotaFailure(error: unknown): unknown {
  return error instanceof ProgramError && error.errno === EOPNOTSUPP ? fail("invalid", "quota size requested but no quota support", { cause: error }) : error;
}
