/** Where a copy goes: the rules of `docker cp`, which are those of cp -a. Pure. */
import { posix } from "node:path";
import { fail } from "#base/errors.ts";

export type Source = {
  /** With its trailing slash or "/.", which mean something. */
  readonly path: string;
  readonly directory: boolean;
  /** What the archive's root is to be called instead of the path's last component. */
  readonly rename?: string;
};

export type Destination = { readonly path: string; readonly exists: boolean; readonly directory: boolean };

/** The archive goes into `directory`; its root is called `from` and becomes `to`, or is spread there when `to` is "". */
export type Placement = { readonly directory: string; readonly from: string; readonly to: string };

/** @throws invalid, with docker's texts */
export function placeArchive(source: Source, destination: Destination): Placement {
  const from = baseOf(source.path);
  if (destination.exists && destination.directory) {
    const spread = from === "." || from === "/";
    return { directory: destination.path, from, to: spread ? "" : (source.rename ?? from) };
  }
  if (destination.exists && source.directory) throw fail("invalid", "cannot copy directory");
  if (!destination.exists && !source.directory && assertsDirectory(destination.path)) throw fail("invalid", "no such directory");
  const { directory, base } = splitEntry(destination.path);
  return { directory, from, to: base };
}

/** What an archive of a path is rooted at. */
export const baseOf = (path: string): string => splitEntry(path).base;

/** "/a/b/" is b in /a; "/a/b/." is . in /a/b. */
export function splitEntry(path: string): { directory: string; base: string } {
  const clean = posix.normalize(path).replace(/(?<=.)\/$/, "");
  if (endsInDot(path)) return { directory: clean, base: "." };
  return { directory: posix.dirname(clean), base: clean === "/" ? "/" : posix.basename(clean) };
}

export const endsInDot = (path: string): boolean => posix.basename(path) === "." && !path.endsWith("/");
export const assertsDirectory = (path: string): boolean => path.endsWith("/") || endsInDot(path);

/** A clean path that keeps the trailing slash or "/." of the one that was given. */
export function keepEnd(clean: string, given: string): string {
  const bare = clean.replace(/(?<=.)\/$/, "");
  if (endsInDot(given)) return bare === "/" ? "/." : `${bare}/.`;
  return given.endsWith("/") && bare !== "/" ? `${bare}/` : bare;
}
