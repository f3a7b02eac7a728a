/** What a container is beside its record, for as long as the engine runs. */
import type { Task } from "#core/tasks/tasks.ts";
import type { Waiting } from "./streams/attach.ts";
import { openLock, type Lock } from "./lock.ts";

export type Exit = { readonly code: number; readonly error?: string };

export type Live = {
  readonly id: string;
  readonly lock: Lock;
  /** The shim, from before the start until the exit is in the record. */
  task: Task | undefined;
  /** Resolves when the exit of the current run is in the record; undefined while nothing runs. */
  run: PromiseWithResolvers<Exit> | undefined;
  /** Clients that attached before the start. */
  readonly waiting: Set<Waiting>;
  /** Told of the next exit. */
  readonly onExit: Set<(exit: Exit) => void>;
  /** Told when the container is gone, with the code of its last exit. */
  readonly onRemoved: Set<(exit: Exit) => void>;
  /** Somebody removes it: nothing else begins. */
  removing: boolean;
  /** A restart is under way: --rm does not apply to the exit in between. */
  restarting: boolean;
  /** Until its policy starts it again; see restarting.ts. */
  restart: NodeJS.Timeout | undefined;
  /** The last such wait, in milliseconds; 0 when somebody started it. */
  waited: number;
};

export type Lives = {
  /** The handle of a container that has a record, or is being made. */
  of(id: string): Live;
  drop(id: string): void;
  all(): Iterable<Live>;
};

export function openLives(): Lives {
  const lives = new Map<string, Live>();
  return {
    of(id) {
      let live = lives.get(id);
      if (live === undefined) lives.set(id, (live = newLive(id)));
      return live;
    },
    drop: (id) => void lives.delete(id),
    all: () => lives.values(),
  };
}

const newLive = (id: string): Live => ({
  id,
  lock: openLock(),
  task: undefined,
  run: undefined,
  waiting: new Set(),
  onExit: new Set(),
  onRemoved: new Set(),
  removing: false,
  restarting: false,
  restart: undefined,
  waited: 0,
});
