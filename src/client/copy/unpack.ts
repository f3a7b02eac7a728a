/**
 * An archive as files of this machine. The archive may come from an engine that means harm, and the destination may hold
 * links that somebody else has put there: nothing is followed. Every file is made below a directory that is held open
 * and was reached name by name without a link (directories.ts); a name that leads out, or through a link, is an error.
 */
import { closeSync, constants, fchmodSync, futimesSync, linkSync, lstatSync, lutimesSync, mkdirSync, openSync, symlinkSync, unlinkSync, writeSync } from "node:fs";
import { fail } from "#base/errors.ts";
import { tarReader, type TarEntry } from "#base/tar.ts";
import { openDirectories, type Directories } from "./directories.ts";
import type { Placement } from "./placement.ts";

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;

export type UnpackResult = {
  /** Names of what only root's own tools can make: devices and FIFOs. */
  readonly skipped: readonly string[];
};

/** @throws invalid, conflict */
export async function unpackTree(archive: AsyncIterable<Uint8Array>, placement: Placement): Promise<UnpackResult> {
  const before = process.umask(0);
  using directories = openDirectories(placement.directory);
  const target = unpacker(directories, placement);
  const reader = tarReader();
  try {
    for await (const chunk of archive) {
      for (const event of reader.push(chunk)) {
        if (event.kind === "entry") target.entry(event.entry);
        else target.data(event.bytes, event.last);
      }
    }
    reader.end();
    return { skipped: target.finish() };
  } finally {
    target.close();
    process.umask(before);
  }
}

type Names = readonly string[];

function unpacker(directories: Directories, placement: Placement) {
  const times: { names: Names; entry: TarEntry }[] = [];
  const skipped: string[] = [];
  let file: { fd: number; entry: TarEntry } | undefined;

  const close = () => {
    if (file !== undefined) closeSync(file.fd);
    file = undefined;
  };
  const endFile = () => {
    if (file === undefined) return;
    futimesSync(file.fd, timeOf(file.entry), timeOf(file.entry));
    close();
  };
  return {
    close,
    entry(entry: TarEntry) {
      const names = place(entry.name, placement);
      // The destination itself, which is there.
      if (names.length === 0) return;
      const at = directories.hold(names.slice(0, -1)).path(names.at(-1)!);
      refuseOtherType(at, entry, names, placement);
      switch (entry.type) {
        case "directory":
          times.push({ names, entry });
          return makeDirectory(directories, names, entry);
        case "file":
          file = { fd: anew(at, () => openSync(at, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, entry.mode)), entry };
          if (entry.size === 0) endFile();
          return;
        case "symlink":
          anew(at, () => symlinkSync(entry.linkName, at));
          return lutimesSync(at, timeOf(entry), timeOf(entry));
        case "link": {
          const other = place(entry.linkName, placement);
          if (other.length === 0) throw outside(entry.linkName);
          const from = directories.hold(other.slice(0, -1)).path(other.at(-1)!);
          return anew(at, () => linkSync(from, at));
        }
        default:
          skipped.push(entry.name.toString());
      }
    },
    data(bytes: Buffer, last: boolean) {
      if (file === undefined) return;
      for (let at = 0; at < bytes.length; ) at += writeSync(file.fd, bytes, at);
      if (last) endFile();
    },
    /** Times of directories come last: what is made in them changes them. */
    finish() {
      for (const { names, entry } of times.reverse()) {
        const { fd } = directories.hold(names);
        fchmodSync(fd, entry.mode);
        futimesSync(fd, timeOf(entry), timeOf(entry));
      }
      return skipped;
    },
  };
}

/** Writable until its files are in it. */
function makeDirectory(directories: Directories, names: Names, entry: TarEntry): void {
  const at = directories.hold(names.slice(0, -1)).path(names.at(-1)!);
  try {
    mkdirSync(at, entry.mode | 0o700);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  directories.hold(names);
}

const timeOf = ({ sec, nsec }: TarEntry): number => sec + nsec / 1e9;

/** What stands there, if it is no directory, goes. */
function anew<T>(at: Buffer, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    unlinkSync(at);
    return make();
  }
}

function refuseOtherType(at: Buffer, entry: TarEntry, names: Names, { directory }: Placement): void {
  const found = lstatSync(at, { throwIfNoEntry: false });
  if (found === undefined || found.isDirectory() === (entry.type === "directory")) return;
  const name = `${directory}/${Buffer.from(names.join("/"), "latin1").toString()}`;
  const [is, was] = found.isDirectory() ? ["non-directory", "directory"] : ["directory", "non-directory"];
  throw fail("conflict", `cannot overwrite ${was} ${JSON.stringify(name)} with ${is} ${JSON.stringify(directory)}`);
}

/**
 * The path below the destination, component by component (a character a byte). What does not lie at or below the root
 * that was asked for was not asked for.
 */
export function place(name: Buffer, { from, to }: Placement): Names {
  const names = name.toString("latin1").split("/").filter((part) => part !== "" && part !== ".");
  if (names.includes("..")) throw outside(name);
  const root = from === "." || from === "/" ? [] : [Buffer.from(from).toString("latin1")];
  if (root.length > 0 && names[0] !== root[0]) throw outside(name);
  return [...(to === "" ? [] : [Buffer.from(to).toString("latin1")]), ...names.slice(root.length)];
}

const outside = (name: Buffer) => fail("invalid", `the engine sent an archive with ${JSON.stringify(name.toString())}, which is not what was asked for`);
