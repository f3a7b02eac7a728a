/** What the functions of this folder work with, and what they say to the world. */
import { fail } from "#base/errors.ts";
import type { Profile } from "#spec/seccomp-profile.ts";
import type { ContainerRecord } from "../engine.ts";
import type { ContainerParts } from "./containers.ts";
import type { Lives } from "./live.ts";
import type { Store } from "./store.ts";

export type Context = ContainerParts & {
  /** Path of a container's control group. */
  readonly cgroupOf: (record: ContainerRecord) => string;
  readonly store: Store;
  readonly lives: Lives;
  /** Volumes of containers that are being made: nobody removes them. */
  readonly claimedVolumes: Map<string, string>;
  /** Bytes of passwd and group by image snapshot. */
  readonly accounts: Map<string, Promise<Accounts>>;
  readonly execs: ExecHooks;
  readonly health: HealthHooks;
  /** Resolves when it is known what became of a container while the engine was away. */
  readonly settled: (id: string) => Promise<void> | undefined;
  readonly seccomp: Profile | "unconfined" | undefined;
  readonly pruning: { busy: boolean };
  /** The engine stops: what ends now is not started again by it. */
  readonly closing: { now: boolean };
};

export type Accounts = { readonly passwd: string; readonly group: string };

/** What the part that probes containers wants to know; see health/monitor.ts. */
export type HealthHooks = {
  begin(container: string, options: { anew: boolean }): void;
  end(container: string): void;
};

/** What the part that runs commands in containers wants to know. */
export type ExecHooks = {
  exited(container: string, exec: string, code: number): void;
  detached(container: string, exec: string): void;
  /** The container has ended: so has everything in it. */
  allEnded(container: string): void;
};

/** Has a process. */
export const isRunning = ({ state }: ContainerRecord): boolean => state.status === "running" || state.status === "paused";

/** Between two runs: its policy starts it again. */
export const isRestarting = ({ state }: ContainerRecord): boolean => state.status === "restarting";

/** Runs, or will again by itself: what Docker calls running. */
export const isUp = ({ state }: ContainerRecord): boolean => state.status === "running" || state.status === "paused" || state.status === "restarting";

/** A process of it cannot be reached just now. */
export function refuseRestarting(record: ContainerRecord): void {
  if (isRestarting(record)) throw fail("conflict", `container ${record.id} is restarting, wait until the container is running`);
}

/** An event of a container, with its labels, image and name, as Docker's are. */
export function publish(ctx: Pick<Context, "events">, record: ContainerRecord, action: string, more: Record<string, string> = {}): void {
  const attributes = { ...record.config.Labels, image: record.config.Image, name: record.name, ...more };
  ctx.events.publish({ Type: "container", Action: action, Actor: { ID: record.id, Attributes: attributes } });
}

/** For each of its networks, or for the one named. */
export function publishNetwork(ctx: Pick<Context, "events" | "network">, record: ContainerRecord, action: "connect" | "disconnect", only?: string): void {
  for (const [name, { networkId }] of Object.entries(record.endpoints)) {
    if (only !== undefined && name !== only) continue;
    const type = ctx.network.list().find(({ id }) => id === networkId)?.driver ?? (name === "none" ? "null" : name === "host" ? "host" : "bridge");
    ctx.events.publish({ Type: "network", Action: action, Actor: { ID: networkId, Attributes: { container: record.id, name, type } } });
  }
}

export function publishVolumes(ctx: Pick<Context, "events">, record: ContainerRecord, action: "mount" | "unmount"): void {
  for (const { Name, Driver = "local", Destination, RW, Propagation } of record.mounts) {
    if (Name === undefined) continue;
    const attributes = { container: record.id, driver: Driver, ...(action === "mount" ? { destination: Destination, "read/write": String(RW), propagation: Propagation } : {}) };
    ctx.events.publish({ Type: "volume", Action: action, Actor: { ID: Name, Attributes: attributes } });
  }
}
