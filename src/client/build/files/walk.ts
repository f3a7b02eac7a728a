/**
 * The walk through a folder: names first, and only what is wanted is looked at. In the order of paths, directories before
 * what is in them. Links are told, not followed. What disappears meanwhile was never there.
 */
import { lstatSync, readdirSync, readlinkSync } from "node:fs";
import { fail } from "#base/errors.ts";
import { goMode } from "./encode.ts";
import { type ListingWriter, openListing, type Listing } from "./listing.ts";
import { type EntryStat, type FolderList, isBroken, loadReader, type Reading } from "./read-folder.ts";
import { EVERYTHING, type Selection } from "./select.ts";

/** `reading`: of the whole folder, begun by who expects that all of it is wanted; begun now unless told. */
export type WalkOptions = { readonly selection: Selection; readonly signal: AbortSignal; readonly reading?: Reading | undefined };

/** Its name; and what it is, which need not be made of what was read when the name says enough. */
export type Walked = { state(): string; listing(): Promise<Listing> };

/** So many entries, and others have their turn. */
const SLICE = 5000;

/** @throws what the kernel says of a folder that may not be read; invalid for a name that is no UTF-8 */
export async function walkFolder(root: string, options: WalkOptions): Promise<Walked> {
  const { selection, signal, reading = selection === EVERYTHING ? loadReader()?.(root) : undefined } = options;
  // Where not all is wanted, what is not must not be looked at: a file system that does not answer may be why.
  const whole = await reading?.end(signal);
  if (whole === undefined) {
    const listing = await makeListing(root, options, undefined);
    return { state: () => listing.state(), listing: async () => listing };
  }
  let listing: Promise<Listing> | undefined;
  return { state: () => whole.state, listing: () => (listing ??= makeListing(root, options, whole.lists())) };
}

async function makeListing(root: string, { selection, signal }: WalkOptions, lists: ReadonlyMap<string, FolderList> | undefined): Promise<Listing> {
  const walk: Walk = { root, lists, selection: selection === EVERYTHING ? undefined : selection, listing: openListing(), links: new Map(), pending: [] };
  // By hand, not by calling itself: trees may be of any depth.
  const stack: Level[] = [levelOf(walk, "")];
  for (let count = 1; stack.length > 0; count++) {
    const top = stack.at(-1)!;
    const place = top.next++;
    const name = top.names[place];
    if (name === undefined) leave(walk, stack.pop()!);
    else {
      const inner = look(walk, top.path === "" ? name : `${top.path}/${name}`, top.list === undefined ? undefined : () => top.list!.stat(place));
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
  /** What was read at once. */
  readonly lists: ReadonlyMap<string, FolderList> | undefined;
  /** Undefined: all of it. */
  readonly selection: Selection | undefined;
  readonly listing: ListingWriter;
  /** Files of several names: the first of them, by device and inode. */
  readonly links: Map<string, string>;
  /** Folders on the way down that nobody asked for: told when something in them is. */
  readonly pending: { readonly path: string; readonly found: EntryStat }[];
};

/** `list`: what was read of it at once; otherwise each name is looked up. */
type Level = { readonly path: string; readonly names: readonly string[]; readonly list: FolderList | undefined; next: number; readonly isPending: boolean };

function levelOf(walk: Walk, path: string, isPending = false): Level {
  const folder = path === "" ? walk.root : `${walk.root}/${path}`;
  const list = walk.lists?.get(path === "" ? "" : `/${path}`);
  return { path, names: list === undefined ? namesIn(folder, path === "") : checked(folder, list.names()), list, next: 0, isPending };
}

function leave({ pending }: Walk, { path, isPending }: Level): void {
  if (isPending && pending.at(-1)?.path === path) pending.pop();
}

const LOOK = { throwIfNoEntry: false } as const;
const KIND = 0o170000;
const FOLDER = 0o040000;
const LINK = 0o120000;
const FILE = 0o100000;

/** What there is to look at below it. */
function look(walk: Walk, path: string, stat: (() => EntryStat) | undefined): Level | undefined {
  const isWanted = walk.selection?.wants(path) ?? true;
  // What is in it may be wanted all the same, if it is a folder.
  if (!isWanted && walk.selection!.skips(path)) return undefined;
  const found = stat === undefined ? lstatSync(`${walk.root}/${path}`, LOOK) : stat();
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

function tell(walk: Walk, path: string, found: EntryStat, more?: { readonly link?: string; readonly device?: number }): void {
  if (walk.pending.length > 0) for (const { path: parent, found: its } of walk.pending.splice(0)) tell(walk, parent, its);
  const mode = goMode(found.mode);
  // A socket is nobody's but the program's that listens on it.
  if (mode === undefined) return;
  const size = (found.mode & KIND) === FOLDER || (more?.link !== undefined && (found.mode & KIND) === FILE) ? 0 : found.size;
  walk.listing.add(path, { mode, size, mtimeMs: found.mtimeMs, ctimeMs: found.ctimeMs }, more);
}

function tellLink(walk: Walk, path: string, found: EntryStat): void {
  let link: string;
  try {
    link = readlinkSync(`${walk.root}/${path}`);
  } catch (error) {
    if (GONE.has((error as NodeJS.ErrnoException).code ?? "")) return;
    throw error;
  }
  tell(walk, path, found, { link });
}

function tellShared(walk: Walk, path: string, found: EntryStat): void {
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
  checked(folder, names);
  // The kernel's names come sorted by Node, but that is nowhere promised.
  for (let at = 1; at < names.length; at++) if (names[at - 1]! >= names[at]!) return names.sort(byBytes);
  return names;
}

function checked(folder: string, names: readonly string[]): readonly string[] {
  const broken = names.find(isBroken);
  if (broken !== undefined) throw fail("invalid", `read ${folder}: the name ${JSON.stringify(broken)} is not UTF-8`);
  return names;
}

/** As Go compares: by UTF-8, which for what is beyond 16 bits is not how strings compare here. */
function byBytes(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right));
}
