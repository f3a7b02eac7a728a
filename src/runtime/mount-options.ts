/** Mount options as words ("ro", "rbind", "size=64m") → attributes, propagation, and what the file system is told. Pure. */
import { MOUNT_ATTR as A, MS } from "#linux/constants.ts";

export type MountOptions = {
  /** Attributes of the mount itself, and of everything below it ("rro"). */
  readonly set: number;
  readonly clear: number;
  readonly setBelow: number;
  readonly clearBelow: number;
  readonly bind: boolean;
  readonly recursive: boolean;
  /** In the order given; "" when none is. */
  readonly propagation?: { readonly kind: number; readonly recursive: boolean };
  readonly copyUp: boolean;
  /** For the file system: flags ("sync") and settings ("size=64m"). */
  readonly data: readonly string[];
};

/** Word → attributes to set, to clear. With "r" before it the word is meant for everything below, too. */
const ATTRIBUTES: Readonly<Record<string, readonly [set: number, clear: number]>> = {
  ro: [A.RDONLY, 0],
  rw: [0, A.RDONLY],
  nosuid: [A.NOSUID, 0],
  suid: [0, A.NOSUID],
  nodev: [A.NODEV, 0],
  dev: [0, A.NODEV],
  noexec: [A.NOEXEC, 0],
  exec: [0, A.NOEXEC],
  noatime: [A.NOATIME, A.ATIME],
  atime: [A.RELATIME, A.ATIME],
  relatime: [A.RELATIME, A.ATIME],
  norelatime: [0, 0],
  strictatime: [A.STRICTATIME, A.ATIME],
  nostrictatime: [A.RELATIME, A.ATIME],
  nodiratime: [A.NODIRATIME, 0],
  diratime: [0, A.NODIRATIME],
  nosymfollow: [A.NOSYMFOLLOW, 0],
  symfollow: [0, A.NOSYMFOLLOW],
};

const PROPAGATION: Readonly<Record<string, number>> = { private: MS.PRIVATE, slave: MS.SLAVE, shared: MS.SHARED, unbindable: MS.UNBINDABLE };

/** Words that say nothing here: they are the default, or for other tools. */
const IGNORED = new Set(["defaults", "async", "nomand", "noiversion", "nolazytime", "loud", "silent", "remount", ""]);

/** Later words win over earlier ones. */
export function parseMountOptions(words: readonly string[]): MountOptions {
  const own = { set: 0, clear: 0 };
  const below = { set: 0, clear: 0 };
  let bind = false;
  let recursive = false;
  let copyUp = false;
  let propagation: MountOptions["propagation"];
  const data: string[] = [];
  for (const word of words) {
    const inner = word.startsWith("r") ? word.slice(1) : "";
    if (IGNORED.has(word)) continue;
    else if (word === "bind" || word === "rbind") [bind, recursive] = [true, word === "rbind"];
    else if (word === "tmpcopyup") copyUp = true;
    else if (Object.hasOwn(PROPAGATION, word)) propagation = { kind: PROPAGATION[word]!, recursive: false };
    else if (Object.hasOwn(PROPAGATION, inner)) propagation = { kind: PROPAGATION[inner]!, recursive: true };
    else if (Object.hasOwn(ATTRIBUTES, word)) change(own, ATTRIBUTES[word]!);
    else if (Object.hasOwn(ATTRIBUTES, inner)) change(below, ATTRIBUTES[inner]!);
    else data.push(word);
  }
  return {
    ...own,
    setBelow: below.set,
    clearBelow: below.clear,
    bind,
    recursive,
    copyUp,
    data,
    ...(propagation === undefined ? {} : { propagation }),
  };
}

function change(attributes: { set: number; clear: number }, [set, clear]: readonly [number, number]): void {
  attributes.set = (attributes.set & ~clear) | set;
  attributes.clear = (attributes.clear & ~set) | clear;
}

/** Attributes for a new mount: fsmount's. Access times are relative unless said otherwise. */
export const newMountAttributes = (options: MountOptions) => options.set | options.setBelow;
