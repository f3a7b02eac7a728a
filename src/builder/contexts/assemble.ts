/**
 * Entries as an archive tells them, which mean what they would if they were unpacked one after another into an empty
 * folder: a later one takes the place of an earlier one, missing parents are made. What would leave the folder, or go
 * through a link in it, is refused.
 */
import { fail } from "#base/errors.ts";
import { sortInTurns, takeTurns } from "#base/turns.ts";
import type { FileEntry } from "../tree.ts";
import { parentOf } from "./names.ts";

export type Assembly = {
  /** `link` of a hard link: the clean path of what it is another name of. @throws invalid */
  add(entry: FileEntry): void;
  entries(): Promise<FileEntry[]>;
};

/** With implied parents, and the bytes of all paths: what bounds the memory that an archive may take. */
export const MAX_ENTRIES = 2_000_000;
const MAX_NAMES = 256 * 2 ** 20;

type Node = { readonly entry: FileEntry; readonly children: Map<string, Node> | undefined; /** Of a file that has others. */ names?: Names };
/** What several names are, and which; the first that is left is the file. */
type Names = { readonly file: FileEntry; readonly paths: Set<string>; first?: string };

export function openAssembly(): Assembly {
  const root: Node = { entry: directory("", 0n), children: new Map() };
  let count = 0;
  let bytes = 0;
  let lastParent: { path: string; node: Node } | undefined;

  return {
    add(entry) {
      if (entry.path === "") return;
      const parent = parentNode(entry);
      const name = entry.path.slice(entry.path.lastIndexOf("/") + 1);
      const before = parent.children!.get(name);
      if (entry.type === "hardlink") return link(entry, { parent, name, before });
      if (before?.children !== undefined && entry.type === "directory") return void parent.children!.set(name, { ...before, entry });
      if (before !== undefined) remove(before);
      put(parent, name, entry);
    },
    async entries() {
      const all: FileEntry[] = [];
      await collect(root, all, takeTurns());
      return all;
    },
  };

  function parentNode({ path, mtime }: FileEntry): Node {
    const parent = parentOf(path);
    if (lastParent?.path === parent) return lastParent.node;
    let node = root;
    let at = "";
    for (const name of parent === "" ? [] : parent.split("/")) {
      at = at === "" ? name : `${at}/${name}`;
      if (!node.children!.has(name)) put(node, name, directory(at, mtime));
      const next = node.children!.get(name)!;
      if (next.children === undefined) throw fail("invalid", `read the context: ${JSON.stringify(path)}: ${JSON.stringify(at)} is not a directory`);
      node = next;
    }
    lastParent = { path: parent, node };
    return node;
  }

  function put(parent: Node, name: string, entry: FileEntry, names?: Names): void {
    bytes += entry.path.length;
    if (++count > MAX_ENTRIES || bytes > MAX_NAMES) throw fail("invalid", `read the context: more than ${MAX_ENTRIES} files, or names of more than ${MAX_NAMES} bytes`);
    const children = entry.type === "directory" ? new Map<string, Node>() : undefined;
    parent.children!.set(name, { entry, children, ...(names && { names }) });
  }

  function remove({ entry, children, names }: Node): void {
    lastParent = undefined;
    names?.paths.delete(entry.path);
    for (const child of children?.values() ?? []) remove(child);
  }

  function find(path: string): Node | undefined {
    let node: Node | undefined = root;
    for (const name of path.split("/")) node = node?.children?.get(name);
    return node;
  }

  /** One more name. A link to itself changes nothing; of what is no file there is a second one of its kind. */
  function link(entry: FileEntry, { parent, name, before }: { readonly parent: Node; readonly name: string; readonly before: Node | undefined }): void {
    const target = entry.link === "" ? undefined : find(entry.link!);
    if (target === undefined || target.children !== undefined) {
      throw fail("invalid", `read the context: ${JSON.stringify(entry.path)} is a hard link to ${JSON.stringify(entry.link)}, which is no file of the context`);
    }
    const names = target.entry.type === "file" ? (target.names ??= { file: target.entry, paths: new Set([target.entry.path]) }) : undefined;
    if (target === before || names?.paths.has(entry.path) === true) return;
    if (before !== undefined) remove(before);
    names?.paths.add(entry.path);
    put(parent, name, { ...target.entry, path: entry.path }, names);
  }
}

const directory = (path: string, mtime: bigint): FileEntry => ({ path, type: "directory", mode: 0o755, uid: 0, gid: 0, mtime, size: 0 });

async function collect({ children }: Node, into: FileEntry[], turns: ReturnType<typeof takeTurns>): Promise<void> {
  for (const [, child] of await sortInTurns([...children!], ([a], [b]) => (a < b ? -1 : 1))) {
    const wait = turns();
    if (wait !== undefined) await wait;
    into.push(told(child));
    if (child.children !== undefined && child.children.size > 0) await collect(child, into, turns);
  }
}

function told({ entry, names }: Node): FileEntry {
  if (names === undefined) return entry;
  names.first ??= names.paths.values().next().value!;
  if (names.first === entry.path) return { ...names.file, path: entry.path };
  const { digest: _, ...rest } = names.file;
  return { ...rest, type: "hardlink", path: entry.path, link: names.first };
}
