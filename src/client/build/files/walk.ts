/**
 * The walk through a folder: names first, and only what is wanted is looked at. In the order of paths, directories before
 * what is in them. Links are told, not followed. What disappears meanwhile was never there.
 */
import { lstatSync, readdirSync, readlinkSync, type Stats } from "node:fs";
import { fail } from "#base/errors.ts";
import { goMode } from "./encode.ts";
import { type ListingWriter, openListing, type Listing } from "./listing.ts";
import { EVERYTHING, type Selection } from "./select.ts";

export type WalkOptions = { readonly selection: Selection; readonly signal: AbortSignal };

/** So many entries, and others have their turn. */
const SLICE = 5000;

/** @throws what the kernel says of a folder that may not be read; invalid for a name that is no UTF-8 */
export async function walkFolder(root: string, { selection, signal }: WalkOptions): Promise<Listing> {
  const walk: Walk = { root, selection: selection === EVERYTHING ? undefined : selection, listing: openListing(), links: new Map(), pending: [] };
  // By hand, not by calling itself: trees may be of any depth.
  const stack: Level[] = [levelOf(walk, "")];
  for (let count = 1; stack.length > 0; count++) {
    const top = stack.at(-1)!;
    const name = top.names[top.next++];
    if (name === undefined) leave(walk, stack.pop()!);
    else {
      const inner = look(walk, top.path === "" ? name : `${top.path}/${name}`);
      if (inner !== undefined) stack.push(inner);
    }
    if (count % SLICE !== 0) continue;
    await new Promise<void>((resolve) => setImmediate(resolve));
    signal.throwIfAborted();
  }
  return walk.listing;
}

type Walk = {
  readonly root: string;
  /** Undefined: all of it. */
  readonly selection: Selection | undefined;
  readonly listing: ListingWriter;
  /** Files of several names: the first of them, by device and inode. */
  readonly links: Map<string, string>;
  /** Folders on the way down that nobody asked for: told when something in them is. */
  readonly pending: { readonly path: string; readonly found: Stats }[];
};

type Level = { readonly path: string; readonly names: readonly string[]; next: number; readonly isPending: boolean };

const levelOf = (walk: Walk, path: string, isPending = false): Level => ({ path, names: namesIn(path === "" ? walk.root : `${walk.root}/${path}`, path === ""), next: 0, isPending });

function leave({ pending }: Walk, { path, isPending }: Level): void {
  if (isPending && pending.at(-1)?.path === path) pending.pop();
}

const LOOK = { throwIfNoEntry: false } as const;
const KIND = 0o170000;
const FOLDER = 0o040000;
const LINK = 0o120000;
const FILE = 0o100000;

/** What there is to look at below it. */
function look(walk: Walk, path: string): Level | undefined {
  const isWanted = walk.selection?.wants(path) ?? true;
  // What is in it may be wanted all the same, if it is a folder.
  if (!isWanted && walk.selection!.skips(path)) return undefined;
  const found = lstatSync(`${walk.root}/${path}`, LOOK);
  if (found === undefined) return undefined;
  const kind = found.mode & KIND;
  if (kind === FOLDER) {
    if (isWanted) tell(walk, path, found);
    else walk.pending.push({ path, found });
    return levelOf(walk, path, !isWanted);
  }
  if (!isWanted) return undefined;
  if (kind === LINK) tellLink(walk, path, found);
  else if (kind === FILE && found.nlink > 1) tellShared(walk, path, found);
  else tell(walk, path, found, kind === FILE ? undefined : { device: found.rdev });
  return undefined;
}

function tell(walk: Walk, path: string, found: Stats, more?: { readonly link?: string; readonly device?: number }): void {
  if (walk.pending.length > 0) for (const { path: parent, found: its } of walk.pending.splice(0)) tell(walk, parent, its);
  const mode = goMode(found.mode);
  // A socket is nobody's but the program's that listens on it.
  if (mode === undefined) return;
  const size = (found.mode & KIND) === FOLDER || (more?.link !== undefined && (found.mode & KIND) === FILE) ? 0 : found.size;
  walk.listing.add(path, { mode, size, mtimeMs: found.mtimeMs, ctimeMs: found.ctimeMs }, more);
}

function tellLink(walk: Walk, path: string, found: Stats): void {
  let link: string;
  try {
    link = readlinkSync(`${walk.root}/${path}`);
  } catch (error) {
    if (GONE.has((error as NodeJS.ErrnoException).code ?? "")) return;
    throw error;
  }
  tell(walk, path, found, { link });
}

function tellShared(walk: Walk, path: string, found: Stats): void {
  const inode = `${found.dev}:${found.ino}`;
  const link = walk.links.get(inode);
  if (link === undefined) walk.links.set(inode, path);
  tell(walk, path, found, link === undefined ? undefined : { link });
}

/** Not there any more; or something else by now. */
const GONE = new Set(["ENOENT", "ENOTDIR", "EINVAL"]);

function namesIn(folder: string, isRoot: boolean): readonly string[] {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch (error) {
    if (!isRoot && GONE.has((error as NodeJS.ErrnoException).code ?? "")) return [];
    throw error;
  }
  const broken = names.find((name) => name.includes("\ufffd"));
  if (broken !== undefined) throw fail("invalid", `read ${folder}: the name ${JSON.stringify(broken)} is not UTF-8`);
  // The kernel's names come sorted by Node, but that is nowhere promised.
  for (let at = 1; at < names.length; at++) if (names[at - 1]! >= names[at]!) return names.sort(byBytes);
  return names;
}

/** As Go compares: by UTF-8, which for what is beyond 16 bits is not how strings compare here. */
function byBytes(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right));
}
