/**
 * Volumes as Docker's users see them: records, the drivers behind them, and who uses them.
 *
 *     const volumes = openVolumes({ db, kernel, root, events, usersOf, log });
 *     await volumes.recover();                                   // before anything is served
 *     const { name } = await volumes.create({ name: "data" });
 *     const folder = await volumes.mount("data", container);     // until unmount, by the same user
 *
 * A record is one row, `volumes/records.ts`. Of a volume of the driver `local` the row is written after its folder is there
 * and whole. A row without a folder is a removal that was cut short, or a folder that is still under another name (`recover`);
 * a folder without a row is empty, or not ours (`sweep`). See docs/design/volumes.md.
 */
import type { Log } from "#base/log.ts";
import type { Database } from "#base/sqlite.ts";
import type { Kernel } from "#linux/linux.ts";
import type { Program } from "#linux/ops.ts";
import type { VolumeDrivers } from "#volumes/volumes.ts";
import type { Events, VolumeRecord, Volumes } from "../engine.ts";

export { openVolumes } from "./open-volumes.ts";

export type VolumeParts = {
  readonly db: Database;
  readonly kernel: Kernel;
  /** `<data root>/volumes`. */
  readonly root: string;
  readonly events: Pick<Events, "publish">;
  /** Ids of the containers that have a volume. */
  readonly usersOf: (name: string) => readonly string[];
  /** Drivers besides `local`; without it there are none. */
  readonly drivers?: VolumeDrivers;
  readonly log: Log;
};

/** A volume that a container wants. */
export type WantedVolume = {
  readonly name?: string;
  readonly driver?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly options?: Readonly<Record<string, string>>;
  readonly anonymous: boolean;
};

/** What an empty volume takes over: see `copy-up.ts`. */
export type Content = { readonly openRoot: Program; readonly destination: string };

/** What containers need beyond what the API does. */
export type VolumeStore = Volumes & {
  has(name: string): boolean;
  /** If nobody uses it and there is nothing in it. */
  removeEmpty(name: string): Promise<void>;
  /** Makes a volume if there is none of that name. `made`: it is new. */
  ensure(wish: WantedVolume): Promise<{ record: VolumeRecord; made: boolean }>;
  /** The folder of a volume, there until `unmount` by the same user. For most volumes that is nothing to do. */
  mount(name: string, user: string): Promise<string>;
  unmount(name: string, user: string): Promise<void>;
  /** The user, who runs, had it mounted before the engine was started. */
  adopt(name: string, user: string): void;
  /** Whether mounting it is more than naming its folder. */
  needsMount(name: string): boolean;
  /** Fills an empty volume with what an image has at its place: all of it or nothing. @throws a ProgramError */
  fill(name: string, content: Content): Promise<void>;
  /** Work on a volume that nobody else may do meanwhile. */
  exclusively<T>(name: string, work: () => Promise<T>): Promise<T>;
  /** Before anything is served: ends what was cut short. */
  recover(): Promise<void>;
  /** When it is known who runs: removes folders that no record names, and mounts and unmounts what has to be. */
  sweep(): Promise<void>;
};
