/** The two arguments of cp, and what is on this machine at theirs. */
import { lstatSync, readlinkSync, realpathSync, type Stats, statSync } from "node:fs";
import { posix } from "node:path";
import { fail } from "#base/errors.ts";
import { type Destination, endsInDot, keepEnd, type Source, splitEntry } from "./placement.ts";

/** container "": of this machine. */
export type Place = { readonly container: string; readonly path: string };

const MOST_LINKS = 10;

export function parsePlace(text: string): Place {
  const colon = text.indexOf(":");
  if (text.startsWith("/") || text.startsWith(".") || colon < 0) return { container: "", path: text };
  return { container: text.slice(0, colon), path: text.slice(colon + 1) };
}

/** What is to be copied. @throws not-found, with the system's words */
export function localSource(given: string, follow: boolean): Source {
  const path = keepEnd(posix.resolve(given), given);
  const { directory, base } = splitEntry(path);
  if (!follow) {
    const resolved = keepEnd(posix.join(real(directory), base), path);
    return { path: resolved, directory: look(resolved).isDirectory() };
  }
  const resolved = keepEnd(real(path), path);
  const name = posix.basename(path);
  return { path: resolved, directory: look(resolved).isDirectory(), ...(name === posix.basename(resolved) || endsInDot(path) ? {} : { rename: name }) };
}

/** Where a copy goes; links are followed, as the user has put them there. */
export function localDestination(given: string): Destination {
  let path = keepEnd(posix.resolve(given), given);
  for (let links = 0; ; links++) {
    const found = lstatSync(trimmed(path), { throwIfNoEntry: false });
    if (found === undefined) {
      if (statSync(splitEntry(path).directory, { throwIfNoEntry: false }) === undefined) throw missing("lstat", splitEntry(path).directory);
      return { path, exists: false, directory: false };
    }
    if (!found.isSymbolicLink()) return { path, exists: true, directory: found.isDirectory() };
    if (links === MOST_LINKS) throw fail("invalid", `${given}: too many links`);
    path = keepEnd(posix.resolve(posix.dirname(trimmed(path)), readlinkSync(trimmed(path))), path);
  }
}

/** @throws invalid, with docker's texts */
export function validateOutputPath(path: string): void {
  const directory = posix.dirname(posix.normalize(path));
  if (directory !== "" && directory !== "." && statSync(directory, { throwIfNoEntry: false }) === undefined) {
    throw fail("invalid", `invalid output path: directory ${JSON.stringify(directory)} does not exist`);
  }
  const what = oddity(statSync(path, { throwIfNoEntry: false }));
  if (what !== undefined) throw fail("invalid", `invalid output path: ${JSON.stringify(path)} must be a directory or a regular file: got a ${what}`);
}

function oddity(found: Stats | undefined): string | undefined {
  if (found === undefined) return undefined;
  if (found.isBlockDevice() || found.isCharacterDevice()) return "device";
  return found.isFIFO() || found.isSocket() ? "irregular file" : undefined;
}

const trimmed = (path: string) => path.replace(/(?<=.)\/\.?$/, "");

function real(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    throw asMissing(error, path);
  }
}

function look(path: string): Stats {
  try {
    return lstatSync(path);
  } catch (error) {
    throw asMissing(error, path);
  }
}

const missing = (call: string, path: string) => fail("not-found", `${call} ${path}: no such file or directory`);

function asMissing(error: unknown, path: string): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ENOENT") return missing("lstat", path);
  if (code === "ENOTDIR") return fail("invalid", `lstat ${path}: not a directory`, { cause: error });
  if (code === "EACCES") return fail("forbidden", `lstat ${path}: permission denied`, { cause: error });
  return error;
}
