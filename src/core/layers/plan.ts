/**
 * What a layer's archive means, as ops to be performed inside the layer's folder (`enterFolder`). Pure: tar events in,
 * ops out. See docs/design/layers.md for the rules.
 */
import { fail } from "#base/errors.ts";
import type { Op } from "#linux/ops.ts";
import type { TarEntry, TarEvent } from "#base/tar.ts";
import { cleanName, nameBytes, parentOf, readWhiteout, type Whiteout } from "./name.ts";

export type LayerPlan = {
  /** The ops of one event, in order, appended to `ops`. */
  add(event: TarEvent, ops: Op[]): void;
  /** Opens the file whose body is under way, if it is not open: the slot it is in, or -1 when its body goes nowhere. */
  open(ops: Op[]): number;
  /** The same body is whole: closes the file. */
  close(): Op[];
  /** What comes last: the times of directories, which making files in them would have changed. */
  finish(): Op[];
  /** Directories that entries lie in but that have no entry of their own: their owner and mode are the parent layer's. */
  implied(): string[];
  /** With "removal": directories of which only what this layer put there shall stay. */
  opaque(): string[];
  /** With "removal": every path this layer put there. */
  readonly made: ReadonlySet<string>;
};

const S_IFCHR = 0o020000;
const S_IFBLK = 0o060000;
const S_IFIFO = 0o010000;
const ENOENT = 2;
const EOPNOTSUPP = 95;
/** They are remembered until the end, for their times. */
const MAX_DIRECTORIES = 1_000_000;
/** The register of the file being written. */
const FILE = 3;

export type PlanOptions = {
  /** Whose everything is, whatever the archive says. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** A directory's entry for the root itself counts: the archive is a whole tree, and not what goes into one. */
  readonly root?: boolean;
  /** Directories are laid apart from each other, not all near the first. */
  readonly apart?: boolean;
  /** Ops that come before those of an entry. */
  readonly before?: (path: Buffer, type: TarEntry["type"]) => Op[];
};

/**
 * `none`: no name means a deletion. `marks`: deletions become overlay's marks (a character device 0:0, the xattr trusted.overlay.opaque).
 * `removal`: the folder holds a copy of the parent, and what is deleted is removed from it.
 */
export function planLayer(whiteouts: "marks" | "removal" | "none", { owner, root = false, apart = false, before }: PlanOptions = {}): LayerPlan {
  /** Directories with an entry, and the time they shall have. */
  const directories = new Map<string, { sec: number; nsec: number }>();
  const implied = new Set<string>();
  const opaque = new Set<string>();
  const made = new Set<string>();
  let file: { path: Buffer; entry: TarEntry; open: boolean } | undefined;

  return {
    made,
    implied: () => [...implied],
    opaque: () => [...opaque],
    add(event, ops) {
      if (event.kind === "data") addData(event.bytes, event.last, ops);
      else addEntry(event.entry, ops);
    },
    open(ops) {
      if (file !== undefined && !file.open) addData(Buffer.alloc(0), false, ops);
      return file === undefined ? -1 : FILE;
    },
    close() {
      const ops: Op[] = [];
      if (file !== undefined) addEnd(file, ops);
      return ops;
    },
    finish: () =>
      // Deepest first is not needed: setting a directory's time does not touch its parent's.
      [...directories].map(([path, { sec, nsec }]) => ({ op: "utimes", path: nameBytes(path), sec, nsec, tolerate: ENOENT })),
  };

  function addEntry(entry: TarEntry, ops: Op[]): void {
    const path = cleanName(entry.name);
    // As containerd: an entry for the root itself says nothing.
    if (path === "." && !(root && entry.type === "directory")) return void (file = undefined);
    const whiteout = whiteouts === "none" ? undefined : isMark(entry) ? ({ kind: "removed", path } as const) : readWhiteout(path);
    noteParents(path);
    if (whiteout !== undefined) {
      file = undefined;
      if (whiteout !== "skip") addWhiteout(whiteout, ops);
      return;
    }
    if (whiteouts === "removal") made.add(path);
    if (before !== undefined) ops.push(...before(nameBytes(path), entry.type));
    addOrdinary(owner === undefined ? entry : { ...entry, ...owner }, path, ops);
  }

  function addOrdinary(entry: TarEntry, path: string, ops: Op[]): void {
    const at = nameBytes(path);
    const { type, mode, uid, gid, sec, nsec } = entry;
    file = undefined;
    if (type !== "directory") directories.delete(path);
    switch (type) {
      case "directory":
        if (directories.size >= MAX_DIRECTORIES) throw fail("invalid", `unpack a layer: more than ${MAX_DIRECTORIES} directories`);
        directories.set(path, { sec, nsec });
        implied.delete(path);
        ops.push({ op: "putDir", path: at, mode, uid, gid, ...(apart && { apart: 1 }) }, ...xattrOps(at, entry));
        return;
      case "file":
        if (entry.size === 0) ops.push(putFile(at, entry, Buffer.alloc(0)), ...xattrOps(at, entry));
        else file = { path: at, entry, open: false };
        return;
      case "symlink":
        ops.push({ op: "makeRoom", path: at }, { op: "symlink", path: at, target: linkTarget(entry), uid, gid });
        break;
      case "link":
        // Owner, mode and times are those of the file it is another name of.
        ops.push({ op: "makeRoom", path: at }, { op: "link", path: at, fromPath: nameBytes(cleanName(linkTarget(entry))) });
        return;
      default:
        ops.push({ op: "makeRoom", path: at }, nodeOp(at, entry));
    }
    ops.push(...xattrOps(at, entry), { op: "utimes", path: at, sec, nsec });
  }

  /** A body that came in one piece is one op; any other is written as it comes. */
  function addData(bytes: Buffer, last: boolean, ops: Op[]): void {
    if (file === undefined) return;
    const { path, entry, open } = file;
    if (last && !open) {
      ops.push(putFile(path, entry, bytes), ...xattrOps(path, entry));
    } else {
      ops.push(open ? { op: "write", slot: FILE, data: bytes } : putFile(path, entry, bytes, FILE));
      file.open = true;
      if (last) addEnd(file, ops);
    }
    if (last) file = undefined;
  }

  function addEnd({ path, entry }: { path: Buffer; entry: TarEntry }, ops: Op[]): void {
    ops.push({ op: "close", slot: FILE }, ...xattrOps(path, entry), { op: "utimes", path, sec: entry.sec, nsec: entry.nsec });
    file = undefined;
  }

  function addWhiteout(whiteout: Whiteout, ops: Op[]): void {
    if (whiteout.kind === "opaque") {
      if (whiteouts === "removal") opaque.add(whiteout.directory);
      else ops.push(...opaqueOps(whiteout.directory));
      return;
    }
    const path = nameBytes(whiteout.path);
    directories.delete(whiteout.path);
    ops.push({ op: "makeRoom", path });
    if (whiteouts === "marks") ops.push({ op: "mknod", path, mode: S_IFCHR, major: 0, minor: 0 });
  }

  function noteParents(path: string): void {
    for (let at = parentOf(path); at !== "." && !directories.has(at) && !implied.has(at); at = parentOf(at)) {
      implied.add(at);
    }
  }
}

/** Overlay's own mark in an archive (made from an upper directory) deletes, as it would in place. */
const isMark = ({ type, major, minor }: TarEntry): boolean => type === "char" && major === 0 && minor === 0;

function opaqueOps(directory: string): Op[] {
  const path = nameBytes(directory);
  // Makes the directory if it has no entry yet; nothing stands at the mark's own name.
  const made: Op[] = directory === "." ? [] : [{ op: "makeRoom", path: nameBytes(`${directory}/.wh..wh..opq`) }];
  return [...made, { op: "setxattr", path, name: "trusted.overlay.opaque", data: "y" }];
}

function putFile(path: Buffer, { mode, uid, gid, sec, nsec }: TarEntry, data: Buffer, slot = -1): Op {
  return { op: "putFile", slot, path, mode, uid, gid, sec, nsec, data };
}

function nodeOp(path: Buffer, { type, mode, uid, gid, major, minor }: TarEntry): Op {
  const kind = type === "char" ? S_IFCHR : type === "block" ? S_IFBLK : S_IFIFO;
  return { op: "mknod", path, mode: kind | mode, major, minor, uid, gid };
}

function linkTarget(entry: TarEntry): Buffer {
  if (entry.linkName.length > 0) return entry.linkName;
  throw fail("invalid", "unpack a layer: invalid archive: a link to nothing");
}

/** After the owner is set, which takes file capabilities away, and after the content, which does too. */
function xattrOps(path: Buffer, entry: TarEntry): Op[] {
  return entry.xattrs.flatMap(([name, data]): Op[] => {
    const key = name.toString("latin1");
    if (!isKept(key, entry.type)) return [];
    return [{ op: "setxattr", path, name, data, tolerate: EOPNOTSUPP }];
  });
}

/**
 * user.*, capabilities and ACLs are an image's business. trusted.* is the host's and overlay's: a forged redirect or
 * opaque mark would reach into other layers (security TAR-08). Labels of a security module are the host's too.
 */
function isKept(key: string, type: TarEntry["type"]): boolean {
  if (key.startsWith("user.overlay.") || key.startsWith("trusted.overlay.")) {
    throw fail("invalid", `unpack a layer: invalid archive: the attribute ${JSON.stringify(key)} is overlay's own`);
  }
  // Only files and directories can have user attributes (xattr(7)).
  if (key.startsWith("user.")) return type === "file" || type === "directory";
  return key === "security.capability" || key === "system.posix_acl_access" || key === "system.posix_acl_default";
}
