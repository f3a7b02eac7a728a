/** What a step has mounted besides its root: brought there, looked at, and given back when `held` is disposed. */
import type { ExecMount, ExecOp } from "#builder/graph.ts";
import type { StepContext } from "#builder/solve/solve.ts";
import type { LayerTree, Tree } from "#builder/tree.ts";
import type { Mounts } from "#core/snapshots/snapshots.ts";
import type { BindTree } from "#core/tasks/tasks.ts";
import type { HostConfig } from "#spec/docker.ts";
import type { MountPoint } from "../../engine.ts";
import { bindMount } from "./binds.ts";
import { cacheMount, type TakenCache, takeCaches } from "./cache-mount.ts";
import type { ExecParts } from "./exec.ts";
import { layPlaces, type Place } from "./places.ts";
import { scriptMount, secretMount } from "./secrets.ts";
import { sshMount } from "./ssh.ts";

/** The step that mounts are for. */
export type MountWish = {
  readonly id: string;
  readonly op: ExecOp;
  readonly inputs: readonly Tree[];
  readonly base: LayerTree;
  readonly context: StepContext;
  /** The root without places to mount on. */
  readonly root: Mounts;
  readonly held: AsyncDisposableStack;
  /** By place in op.mounts. */
  readonly caches: ReadonlyMap<number, TakenCache>;
};

/** One mount. Without a point it is only a variable. */
export type Mounted = {
  readonly point?: MountPoint;
  readonly place?: Place;
  readonly tree?: BindTree;
  readonly env?: string;
  readonly tmpfs?: HostConfig["Mounts"][number];
};

type MountedStep = {
  readonly root: Mounts;
  readonly points: readonly MountPoint[];
  readonly trees: Readonly<Record<string, BindTree>>;
  readonly env: readonly string[];
  readonly tmpfs: HostConfig["Mounts"];
  /** Where something is mounted. */
  readonly targets: readonly string[];
};

export async function mountAll(parts: ExecParts, given: Omit<MountWish, "caches">): Promise<MountedStep> {
  const wish: MountWish = { ...given, caches: await takeCaches(parts, given) };
  const all: Mounted[] = [];
  for (const [index, mount] of wish.op.mounts.entries()) all.push(await mountOne(parts, wish, { mount, index }));
  for (const [target, text] of Object.entries(wish.op.files)) all.push(scriptMount(target, text));
  const places = all.flatMap(({ place }) => place ?? []);
  return {
    root: await layPlaces(parts.containers, wish, places),
    points: all.flatMap(({ point }) => point ?? []),
    trees: Object.fromEntries(all.flatMap(({ point, tree }) => (point === undefined || tree === undefined ? [] : [[point.Destination, tree]]))),
    env: all.flatMap(({ env }) => env ?? []),
    targets: places.map(({ path }) => path),
    tmpfs: all.flatMap(({ tmpfs }) => tmpfs ?? []),
  };
}

type One<T = ExecMount> = { readonly mount: T; readonly index: number };

function mountOne(parts: ExecParts, wish: MountWish, { mount, index }: One): Mounted | Promise<Mounted> {
  switch (mount.type) {
    case "bind":
      return bindMount(parts, wish, { mount, index });
    case "cache":
      return cacheMount(parts, wish, { mount, index });
    case "tmpfs":
      return tmpfsMount(mount);
    case "secret":
      return secretMount(wish.context, mount);
    case "ssh":
      return sshMount(parts, wish, { mount, index });
  }
}

/** What is in it may be run: things are built in it. */
function tmpfsMount({ target, size }: Extract<ExecMount, { type: "tmpfs" }>): Mounted {
  return {
    point: point(target, { Type: "tmpfs", RW: true }),
    place: { path: target, type: "directory", mode: 0o1777 },
    tmpfs: { Type: "tmpfs", Source: "", Target: target, ReadOnly: false, TmpfsOptions: { ...(size > 0 ? { SizeBytes: size } : {}), Options: [["exec"], ["dev"]] } },
  };
}

/** A mount point as containers have them. */
export const point = (target: string, rest: Pick<MountPoint, "Type" | "RW"> & Partial<MountPoint>): MountPoint => ({ Source: "", Destination: target, Mode: "", Propagation: "rprivate", ...rest });
