/** Where plugins leave word of themselves, read anew each time. */
import type { Dirent } from "node:fs";
import { readFile, readdir, stat } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { parseAddress, parseDescription, type Address } from "./address.ts";
import type { PluginFolders } from "./places.ts";

const LARGEST_DESCRIPTION = 64 * 1024;

/** undefined: no file speaks of it. @throws invalid when one does and says nothing of use */
export async function lookUp({ sockets, descriptions }: PluginFolders, name: string): Promise<Address | undefined> {
  if (!isName(name)) return undefined;
  for (const path of sockets.flatMap((folder) => placesOf(folder, name, ".sock"))) {
    if ((await stat(path).catch(() => undefined))?.isSocket() === true) return { kind: "unix", text: `unix://${path}`, path };
  }
  for (const path of descriptions.flatMap((folder) => [...placesOf(folder, name, ".spec"), ...placesOf(folder, name, ".json")])) {
    const facts = await stat(path).catch(() => undefined);
    if (facts?.isFile() === true && facts.size <= LARGEST_DESCRIPTION) return await readDescription(path);
  }
  return undefined;
}

/** Names that `lookUp` would find, or nearly: files are not opened. */
export async function scan({ sockets, descriptions }: PluginFolders): Promise<string[]> {
  const found = await Promise.all([...sockets.map((folder) => scanFolder(folder, [".sock"])), ...descriptions.map((folder) => scanFolder(folder, [".spec", ".json"]))]);
  return [...new Set(found.flat())].filter(isName).sort();
}

/** A name is part of a path, and of nothing but these folders. */
const isName = (name: string) => name.length <= 255 && /^[^/\0]+$/.test(name) && !name.startsWith(".");

const placesOf = (folder: string, name: string, extension: string) => [join(folder, name + extension), join(folder, name, name + extension)];

async function readDescription(path: string): Promise<Address> {
  const content = await readFile(path, "utf8");
  return path.endsWith(".json") ? await parseDescription(content) : parseAddress(content.trim());
}

async function scanFolder(folder: string, extensions: readonly string[]): Promise<string[]> {
  const entries: Dirent[] = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const names = entries.map(async (entry) => {
    if (extensions.includes(extname(entry.name))) return [basename(entry.name, extname(entry.name))];
    if (!entry.isDirectory()) return [];
    const inside: string[] = await readdir(join(folder, entry.name)).catch(() => []);
    return extensions.some((extension) => inside.includes(entry.name + extension)) ? [entry.name] : [];
  });
  return (await Promise.all(names)).flat();
}
