/**
 * Names in a layer, as text of one character a byte (latin1), so that names that are no UTF-8 survive and can be keys.
 */
import { fail } from "#base/errors.ts";

const MAX_COMPONENT = 255;
const MAX_PATH = 4096;
const MAX_DEPTH = 1024;

/** What a whiteout's name begins with, and the whole name of the one that hides all of a directory's older content. */
const WHITEOUT = ".wh.";
const OPAQUE = ".wh..wh..opq";
const META = ".wh..wh.";

/**
 * The name as a path below the layer's root: "./a//b/../c/" is "a/c", and what leads out of the root ends at it. "." is
 * the root itself. Links are not looked at here: that is done where the path is used, inside the root.
 */
export function cleanName(name: Buffer): string {
  const text = name.toString("latin1");
  const path = isClean(text) ? text : resolve(text);
  if (path.length > MAX_PATH) throw invalid(`a path of ${path.length} bytes`);
  return path;
}

/** Most names need nothing: no empty, "." or ".." component, no slash at an end, none too long. */
const isClean = (text: string): boolean => text.length <= MAX_COMPONENT && /^(?!\.{0,2}(?:\/|$))[^/]+(?:\/(?!\.{0,2}(?:\/|$))[^/]+)*$/.test(text);

function resolve(text: string): string {
  const parts: string[] = [];
  for (const part of text.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === "..") parts.pop();
    else parts.push(part);
  }
  if (parts.some((part) => part.length > MAX_COMPONENT)) throw invalid(`a name longer than ${MAX_COMPONENT} bytes`);
  if (parts.length > MAX_DEPTH) throw invalid(`a path of ${parts.length} components`);
  return parts.length === 0 ? "." : parts.join("/");
}

/** "a/b" of "a/b/c"; "." of "c". */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "." : path.slice(0, slash);
}

export type Whiteout = { readonly kind: "opaque"; readonly directory: string } | { readonly kind: "removed"; readonly path: string };

/**
 * What a name says was deleted; undefined for an ordinary name. Other marks of AUFS (".wh..wh.plnk") are `skip`.
 * @throws invalid for a whiteout of "", "." or "..": it would remove a directory that holds it.
 */
export function readWhiteout(path: string): Whiteout | "skip" | undefined {
  const directory = parentOf(path);
  const base = path.slice(path.lastIndexOf("/") + 1);
  if (!base.startsWith(WHITEOUT)) return undefined;
  if (base === OPAQUE) return { kind: "opaque", directory };
  if (base.startsWith(META)) return "skip";
  const name = base.slice(WHITEOUT.length);
  if (name === "" || name === "." || name === "..") throw invalid(`the whiteout ${JSON.stringify(base)}`);
  return { kind: "removed", path: directory === "." ? name : `${directory}/${name}` };
}

/** The bytes of a name, for an op. */
export const nameBytes = (path: string): Buffer => Buffer.from(path, "latin1");

const invalid = (what: string) => fail("invalid", `unpack a layer: invalid archive: ${what}`);
