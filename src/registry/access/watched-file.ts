import { readFile, stat } from "node:fs/promises";
import { messageOf } from "#base/errors.ts";
import type { Log } from "#base/log.ts";

export type Watched<T> = {
  readonly value: T;
  /** Undefined when it was looked at within the last second; otherwise resolves when it has been looked at again. */
  refresh(): Promise<void> | undefined;
};

const EVERY_MS = 1000;

/**
 * What a file says, read again when it has changed. A file that cannot be read or parsed any more leaves what was read before:
 * an editor's half-written file must not open or close the door.
 * @throws what the first reading throws
 */
export async function watchFile<T>(path: string, parse: (text: string) => T, log: Log): Promise<Watched<T>> {
  let value = parse(await readFile(path, "utf8"));
  let version = await versionOf(path);
  let looked = performance.now();
  let looking: Promise<void> | undefined;
  const look = async () => {
    try {
      const now = await versionOf(path);
      if (now === version) return;
      value = parse(await readFile(path, "utf8"));
      version = now;
      log.info("file read again", { path });
    } catch (error) {
      log.warn("file could not be read again; what it said before holds", { path, error: messageOf(error) });
    } finally {
      looked = performance.now();
      looking = undefined;
    }
  };
  return {
    get value() {
      return value;
    },
    refresh: () => (performance.now() - looked < EVERY_MS ? undefined : (looking ??= look())),
  };
}

async function versionOf(path: string): Promise<string> {
  const { mtimeNs, size, ino } = await stat(path, { bigint: true });
  return `${mtimeNs} ${size} ${ino}`;
}
