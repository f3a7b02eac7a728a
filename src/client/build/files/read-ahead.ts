/**
 * A whole folder, read a directory at a time: while the engine has not asked for it yet, between what else there is to do,
 * which mostly is waiting for the engine; to its end, once it has.
 */
import { type FolderList, isBroken, loadReader, type ReadFolder } from "./read-folder.ts";

/** Each directory as it was read, by its path; a directory before those in it. */
export type Whole = ReadonlyMap<string, FolderList>;

export type Reading = {
  /** All of it. Undefined: one of the directories cannot be read, or has a name that is no UTF-8. */
  end(signal: AbortSignal): Promise<Whole | undefined>;
};

/** So many directories, and others have their turn. */
const SLICE = 200;

/** Begins at the next turn, or when it is asked for. `load`: what gives the library's function, which takes a while. */
export function beginReading(root: string, load: () => ReadFolder | undefined = loadReader): Reading {
  let read: ReadFolder | undefined;
  const whole = new Map<string, FolderList>();
  const open = [root];
  let broken = false;
  let turn: NodeJS.Immediate | undefined;

  /** Up to so many. */
  const go = (most: number): void => {
    read ??= load();
    broken ||= read === undefined;
    for (let left = most; left > 0 && !broken; left--) {
      const path = open.pop();
      if (path === undefined) return;
      const list = read!(path);
      if (list === undefined || list.folders.some(isBroken)) broken = true;
      else {
        whole.set(path, list);
        for (let at = list.folders.length - 1; at >= 0; at--) open.push(`${path}/${list.folders[at]!}`);
      }
    }
  };
  const ahead = (): void => {
    go(1);
    turn = broken || open.length === 0 ? undefined : setImmediate(ahead);
  };
  turn = setImmediate(ahead);

  return {
    async end(signal) {
      clearImmediate(turn);
      for (go(SLICE); open.length > 0 && !broken; go(SLICE)) {
        await new Promise<void>((resolve) => setImmediate(resolve));
        signal.throwIfAborted();
      }
      return broken ? undefined : whole;
    },
  };
}
