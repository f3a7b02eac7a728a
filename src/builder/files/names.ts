/**
 * Names of files, which are bytes, as strings: UTF-8, and what is no UTF-8 byte by byte as U+DC80 to U+DCFF, which no
 * well-formed text has. So that every name survives, is a key, and matches patterns by its characters.
 */
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const ESCAPED = 0xdc00;

export function decodeName(bytes: Buffer): string {
  try {
    return decoder.decode(bytes);
  } catch {
    return decodePieces(bytes);
  }
}

export function encodeName(name: string): Buffer {
  const bytes = Buffer.from(name);
  if (name.isWellFormed()) return bytes;
  return Buffer.concat(name.split(/([\udc80-\udcff]+)/u).map((part, index) => (index % 2 === 0 ? Buffer.from(part) : Buffer.from([...part].map((one) => one.charCodeAt(0) - ESCAPED)))));
}

/** The longest piece that is UTF-8, or one byte that is not, at a time. */
function decodePieces(bytes: Buffer): string {
  let text = "";
  for (let at = 0; at < bytes.length; ) {
    const length = [4, 3, 2, 1].find((size) => at + size <= bytes.length && isOneCharacter(bytes.subarray(at, at + size)));
    text += length === undefined ? String.fromCharCode(ESCAPED + bytes[at]!) : bytes.toString("utf8", at, at + length);
    at += length ?? 1;
  }
  return text;
}

function isOneCharacter(bytes: Buffer): boolean {
  try {
    return [...decoder.decode(bytes)].length === 1;
  } catch {
    return false;
  }
}

/** "a/b" of "a/b/c"; "" of "c". */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "" : path.slice(0, slash);
}

export const baseOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1);
export const joinPath = (directory: string, name: string): string => (directory === "" ? name : name === "" ? directory : `${directory}/${name}`);

/** "/a//b/../c/" → "a/c": without links, and not beyond the root. */
export function cleanPath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === "..") parts.pop();
    else parts.push(part);
  }
  return parts.join("/");
}
