/**
 * What keeps volumes: the interface that the driver `local` and every plugin implement (VolumeDriver.* of Docker's plugin
 * protocol, verb by verb).
 *
 *     const driver = await drivers.find("local");                    // a plugin is looked for when it is not one of ours
 *     await driver.create("data", { size: "1g" });
 *     const path = await driver.mount("data", container);            // a folder of this host, until the same `id` unmounts
 *     await driver.unmount("data", container);
 *
 * The life of a volume: created → mounted 0…n times, each by an id of its own → removed. `engine/volumes` holds a record of
 * each volume that it has created or has been told of by `get`, counts who mounts it, and never removes one that somebody
 * mounts. A driver need not be idempotent, but `mount` with an id that has mounted already, `unmount` of one that has not,
 * and `remove` of what is not there are fine: that is how an engine that was killed goes on.
 */

/** What a driver says of one of its volumes. */
export type DriverVolume = {
  readonly name: string;
  /** Where it is mounted, or "" while it is not. */
  readonly mountpoint: string;
  /** RFC 3339, or "" where the driver does not say. */
  readonly createdAt: string;
  /** Whatever the driver wants shown as `Status`. */
  readonly status?: Readonly<Record<string, unknown>>;
};

export type VolumeScope = "local" | "global";

export type VolumeDriver = {
  /** As in a volume's record and in `--driver`. */
  readonly name: string;
  /** `global`: a volume of that name is the same on every host. */
  capabilities(): Promise<{ readonly scope: VolumeScope }>;
  /** @throws invalid for options that it does not take */
  create(name: string, options: Readonly<Record<string, string>>): Promise<void>;
  remove(name: string): Promise<void>;
  /** The folder to hand to a container, there until `unmount` with the same id. */
  mount(name: string, id: string): Promise<string>;
  unmount(name: string, id: string): Promise<void>;
  /** Where it is or will be mounted; "" when only `mount` can tell. */
  path(name: string): Promise<string>;
  /** undefined: it has none of that name. */
  get(name: string): Promise<DriverVolume | undefined>;
  list(): Promise<readonly DriverVolume[]>;
};

/**
 * Drivers that are not ours: plugins. Handed to `openVolumes`; a driver may come and go while the engine runs, so nobody
 * keeps what `find` gave beyond one task.
 */
export type VolumeDrivers = {
  /** @throws not-found: `plugin "x" not found`; unavailable when it is there and does not answer in time */
  find(name: string): Promise<VolumeDriver>;
  /** Names of those that can be found without asking a registry or starting anything: for `docker info`. */
  names(): Promise<readonly string[]>;
};
