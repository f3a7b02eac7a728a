/**
 * Entries as an archive tells them, which mean what they would if they were unpacked one after another into an empty
 * folder: a later one takes the place of an earlier one, missing parents are made. What would leave the folder, or go
 * through a link in it, is refused.
 */
import { fail } from "#base/errors.ts";
import type { FileEntry } from "../tree.ts";
import { parentOf } from "./names.ts";

export type Assembly = {
  /** `link` of a hard link: the clean path of what it is another name of. @throws invalid */
  add(entry: FileEntry): void;
  entries(): FileEntry[];
};

/** With implied parents, and the bytes of all paths: what bounds the memory that an archive may take. */
export const MAX_ENTRIES = 2_000_000;
const MAX_NAMES = 256 * 2 ** 20;

type Node = { entry: FileEntry; children: Map<string, Node> | undefined };

export function openAssembly(): Assembly {
  const root: Node = { entry: directory("", 0n), children: new Map() };
  let count = 0;
  let names = 0;
  /** Files that have other names. */
  const linked = new Map<string, Set<string>>();
  let lastParent: { path: string; node: Node } | undefined;

  return {
    add(entry) {
      if (entry.path === "") return;
      const parent = parentNode(entry);
      const name = entry.path.slice(entry.path.lastIndexOf("/") + 1);
      const made = entry.type === "hardlink" ? linkTo(entry) : entry;
      if (made === undefined) return;
      const before = parent.children!.get(name);
      if (before?.children !== undefined && made.type === "directory") return void (before.entry = made);
      if (before !== undefined) remove(before);
      put(parent, name, made);
      if (made.type === "hardlink") (linked.get(made.link!) ?? linked.set(made.link!, new Set()).get(made.link!)!).add(made.path);
    },
    entries() {
      const all: FileEntry[] = [];
      collect(root, all);
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
      const next = node.children!.get(name) ?? put(node, name, directory(at, mtime));
      if (next.children === undefined) throw fail("invalid", `read the context: ${JSON.stringify(path)}: ${JSON.stringify(at)} is not a directory`);
      node = next;
    }
    lastParent = { path: parent, node };
    return node;
  }

  function put(parent: Node, name: string, entry: FileEntry): Node {
    names += entry.path.length;
    if (++count > MAX_ENTRIES || names > MAX_NAMES) throw fail("invalid", `read the context: more than ${MAX_ENTRIES} files, or names of more than ${MAX_NAMES} bytes`);
    const node = { entry, children: entry.type === "directory" ? new Map<string, Node>() : undefined };
    parent.children!.set(name, node);
    return node;
  }

  function remove(node: Node): void {
    lastParent = undefined;
    const { path, type, link } = node.entry;
    if (type === "hardlink") linked.get(link!)?.delete(path);
    for (const child of node.children?.values() ?? []) remove(child);
    if (type === "file") pass(node.entry);
  }

  /** A file goes; its next name is the file then. */
  function pass(file: FileEntry): void {
    const others = linked.get(file.path);
    linked.delete(file.path);
    const next = others?.values().next().value;
    if (next === undefined) return;
    others!.delete(next);
    find(next)!.entry = { ...file, path: next };
    for (const other of others!) find(other)!.entry = { ...find(other)!.entry, link: next };
    linked.set(next, others!);
  }

  function find(path: string): Node | undefined {
    let node: Node | undefined = root;
    for (const name of path.split("/")) node = node?.children?.get(name);
    return node;
  }

  /** Undefined: it is a link to itself, which changes nothing. What is no file gets a second one of its kind. */
  function linkTo(entry: FileEntry): FileEntry | undefined {
    const target = entry.link === "" ? undefined : find(entry.link!)?.entry;
    if (target === undefined || target.type === "directory") {
      throw fail("invalid", `read the context: ${JSON.stringify(entry.path)} is a hard link to ${JSON.stringify(entry.link)}, which is no file of the context`);
    }
    if (target.path === entry.path || target.link === entry.path && target.type === "hardlink") return undefined;
    if (target.type !== "file" && target.type !== "hardlink") return { ...target, path: entry.path };
    const { digest: _, ...rest } = target;
    return { ...rest, type: "hardlink", path: entry.path, link: target.type === "file" ? target.path : target.link! };
  }
}

const directory = (path: string, mtime: bigint): FileEntry => ({ path, type: "directory", mode: 0o755, uid: 0, gid: 0, mtime, size: 0 });

function collect({ children }: Node, into: FileEntry[]): void {
  for (const child of [...children!].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, node]) => node)) {
    into.push(child.entry);
    if (child.children !== undefined) collect(child, into);
  }
}
