/** Names that clients tell (BLD-09). What they mean is decided here, once, by their text alone: nothing is looked up. */
import { fail } from "#base/errors.ts";

const MAX_PATH = 4096;
const MAX_NAME = 255;

/** Of an archive, as Docker takes it: "/a", "./a/" and "b/../a" are "a", "" is the context itself. @throws invalid when it leads out */
export function cleanName(bytes: Uint8Array): string {
  const name = textOf(bytes);
  const names: string[] = [];
  for (const part of name.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") {
      names.push(part);
      // Go cleans an absolute name at the root, and only a relative one may lead out.
    } else if (names.pop() === undefined && !name.startsWith("/")) throw outside(name);
  }
  const path = names.join("/");
  checkLength(path);
  return path;
}

/** Of a client that tells entries: it must be clean already. `from`: what is before it is known to be. @throws invalid */
export function checkPath(path: string, from = 0): void {
  if (!path.isWellFormed() || path.includes("\0")) throw outside(path);
  for (let start = from; start <= path.length; ) {
    const slash = path.indexOf("/", start);
    const end = slash < 0 ? path.length : slash;
    const dots = path.charCodeAt(start) === DOT && (end - start === 1 || (end - start === 2 && path.charCodeAt(start + 1) === DOT));
    if (end === start || dots) throw outside(path);
    start = end + 1;
  }
  checkLength(path);
}

const DOT = 0x2e;

/** What a symbolic link says: any text that a file system takes. @throws invalid */
export function checkLink(path: string, link: string): void {
  if (Buffer.byteLength(link) >= MAX_PATH) throw fail("invalid", `read the context: the link ${JSON.stringify(path)} says ${Buffer.byteLength(link)} bytes: file name too long`);
}

export const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf("/")));

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Names of contexts are text, of which their digests are made. */
export function textOf(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch (error) {
    throw fail("invalid", `read the context: the name ${JSON.stringify(Buffer.from(bytes).toString())} is not UTF-8`, { cause: error });
  }
}

function checkLength(path: string): void {
  if (path.length <= MAX_NAME) return;
  const long = path.split("/").some((name) => Buffer.byteLength(name) > MAX_NAME);
  if (long || Buffer.byteLength(path) > MAX_PATH) throw fail("invalid", `read the context: a name of ${Buffer.byteLength(path)} bytes: file name too long`);
}

const outside = (name: string) => fail("invalid", `read the context: ${JSON.stringify(name)} is outside of it`);
