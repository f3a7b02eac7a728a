/**
 * The walk through a folder: names first, and only what is wanted is looked at. In the order of paths, directories before
 * what is in them. Links are told, not followed. What disappears meanwhile was never there.
 */
import { lstatSync, readdirSync, readlinkSync } from "node:fs";
import { fail } from "#base/errors.ts";
import { type Entry, goMode } from "./encode.ts";
import type { Selection } from "./select.ts";

export type WalkOptions = {
  readonly selection: Selection;
  readonly signal: AbortSignal;
  readonly take: (entry: Entry) => void;
};

/** So many entries, and others have their turn. */
const SLICE = 2000;

/** @throws not-found, invalid: a name that is no UTF-8; what the kernel says of a folder that may not be read */
export async function walkFolder(root: string, { selection, signal, take }: WalkOptions): Promise<void> {
  const seen = new Map<string, string>();
  /** Folders on the way down that are told when something in them is. */
  const untold: Entry[] = [];
  /** Names of one folder after another: a stack of what is still to be done, by hand, for trees of any depth. */
  const stack: { readonly prefix: string; readonly names: readonly string[]; next: number; readonly untold: boolean }[] = [];
  let count = 0;

  const enter = (prefix: string, isUntold: boolean) => {
    const names = namesIn(prefix === "" ? root : `${root}/${prefix}`, prefix === "");
    stack.push({ prefix, names, next: 0, untold: isUntold });
  };
  const tell = (entry: Entry) => {
    for (const parent of untold.splice(0)) take(parent);
    take(entry);
  };
  const look = (path: string) => {
    const wanted = selection.wants(path);
    // What is in it may be wanted all the same, if it is a folder.
    if (!wanted && selection.skips(path)) return;
    const found = lstatSync(`${root}/${path}`, LOOK);
    if (found === undefined) return;
    const mode = goMode(Number(found.mode));
    if (mode === undefined) return;
    const isFolder = found.isDirectory();
    if (!isFolder && !wanted) return;
    const entry = { path, mode, size: isFolder ? 0 : Number(found.size), mtime: found.mtimeNs, changed: found.ctimeNs };
    if (isFolder) {
      if (wanted) tell(entry);
      else untold.push(entry);
      enter(path, !wanted);
    } else if (found.isSymbolicLink()) tellLink(entry);
    else tell(found.nlink > 1n && found.isFile() ? linked(entry, `${found.dev}:${found.ino}`) : withDevice(entry, Number(found.rdev)));
  };
  const tellLink = (entry: Entry) => {
    try {
      tell({ ...entry, link: readlinkSync(`${root}/${entry.path}`) });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  };
  const linked = (entry: Entry, inode: string): Entry => {
    const first = seen.get(inode);
    if (first === undefined) seen.set(inode, entry.path);
    return first === undefined ? entry : { ...entry, size: 0, link: first };
  };

  enter("", false);
  while (stack.length > 0) {
    const top = stack.at(-1)!;
    const name = top.names[top.next++];
    if (name === undefined) {
      stack.pop();
      // Nothing in it was wanted, or it has been told with what was.
      if (top.untold) untold.pop();
      continue;
    }
    look(top.prefix === "" ? name : `${top.prefix}/${name}`);
    if (++count % SLICE === 0) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      signal.throwIfAborted();
    }
  }
}

const LOOK = { bigint: true, throwIfNoEntry: false } as const;

function namesIn(folder: string, isRoot: boolean): readonly string[] {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (!isRoot && (code === "ENOENT" || code === "ENOTDIR")) return [];
    throw error;
  }
  let previous = "";
  let sorted = true;
  for (const name of names) {
    if (name.includes("\ufffd")) throw fail("invalid", `read ${folder}: the name ${JSON.stringify(name)} is not UTF-8`);
    sorted &&= previous < name;
    previous = name;
  }
  return sorted ? names : names.sort(byBytes);
}

/** As Go compares: by UTF-8, which for what is beyond 16 bits is not how strings compare here. */
function byBytes(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right));
}

function withDevice(entry: Entry, device: number): Entry {
  if ((entry.mode & 0x04000000) === 0) return entry;
  return { ...entry, major: (device >>> 8) & 0xfff, minor: (device & 0xff) | ((device >>> 12) & 0xfff00) };
}
