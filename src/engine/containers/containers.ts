/**
 * Containers: records, and what happens to them.
 *
 * A container is three things, and three types: its *record* (`ContainerRecord`, a row, replaced as a whole at every
 * transition), its *resource* (what the API shows, made there), and while it runs its *live handle* (`live.ts`: the
 * task, who waits, who is attached).
 *
 * Life of a record: created → running ⇄ paused → exited → running → … → gone. There is no "starting" and no "removing"
 * in the database: between two records the truth is the shim's socket and exit record on one side (`core/tasks`) and
 * the snapshot on the other, and recovery (`recover.ts`, docs/design/recovery.md) reads them.
 *
 * Each container has a lock: start, exit, pause, rename and remove take turns. Nobody waits for a process with the lock
 * held, so a container can always be killed.
 */
import type { ResolveImage } from "./images.ts";
import type { Log } from "#base/log.ts";
import type { Database } from "#base/sqlite.ts";
import type { Leases, Node } from "#core/leases/leases.ts";
import type { Snapshots } from "#core/snapshots/snapshots.ts";
import type { Tasks } from "#core/tasks/tasks.ts";
import type { Kernel } from "#linux/linux.ts";
import type { Program } from "#linux/ops.ts";
import type { Network } from "#network/network.ts";
import type { HostFacts } from "#runtime/facts.ts";
import type { Config } from "../config/config.ts";
import type { ContainerRecord, Containers, Events, Execs } from "../engine.ts";
import type { Context } from "./context.ts";
import type { VolumeStore } from "../volumes/volumes.ts";

/** What containers are made of. Joined in bin. */
export type ContainerParts = {
  readonly kernel: Kernel;
  readonly db: Database;
  readonly config: Pick<Config, "dataRoot" | "execRoot" | "containers" | "network" | "defaultStopTimeout" | "liveRestore" | "shutdownTimeout">;
  readonly images: ResolveImage;
  readonly snapshots: Pick<Snapshots, "prepare" | "view" | "mounts" | "remove" | "stat" | "list" | "usage" | "tree" | "driver">;
  readonly leases: Leases;
  /** Keeps targets as long as the source is there: `Core.link`. */
  readonly link: (source: Node, targets: readonly Node[]) => Promise<void>;
  readonly tasks: Tasks;
  readonly network: Omit<Network, typeof Symbol.asyncDispose>;
  readonly volumes: VolumeStore;
  readonly events: Events;
  readonly host: HostFacts;
  /** The program behind --init. */
  readonly initBinary: string;
  readonly describe: (program: Program) => string[];
  readonly log: Log;
};

export type OpenContainers = {
  readonly containers: Containers & { all(): ContainerRecord[] };
  readonly execs: Execs;
  /** For the part that works on containers' files. */
  readonly context: Context;
  /** Records that mount a volume: their ids. */
  users(volume: string): string[];
  /** Images that containers were made from: for `docker rmi`, `system df`. */
  /** Ids of containers by the digest of their platform's manifest. */
  usedManifests(): Map<string, string[]>;
  usedImages(): Map<string, { running: boolean; ids: string[] }>;
  counts(): { running: number; paused: number; stopped: number };
  /** Puts right what a crash left and finds what still runs. Containers are usable meanwhile, one by one. */
  recover(): Promise<void>;
  /** The engine stops. Containers go on, unless live-restore is off. */
  close(): Promise<void>;
};
