/** Keys below a prefix in byte order, a folder at a time. */
import { readdir } from "node:fs/promises";
import type { Dirent } from "node:fs";
import { join } from "node:path";
import { orUndefined } from "./folder-failure.ts";

export async function* listFolder(root: string, prefix: string, after = ""): AsyncGenerator<string> {
  const entries = (await orUndefined(readdir(join(root, prefix), { withFileTypes: true }))) ?? [];
  for (const name of entries.map(sortName).sort()) {
    const key = prefix + name;
    if (!name.endsWith("/")) {
      if (key > after) yield key;
    } else if (key > after || after.startsWith(key)) {
      yield* listFolder(root, key, after);
    }
  }
}

/** A folder's keys all begin with its name and "/". Keys are ASCII: the order of code units is that of bytes. */
const sortName = (entry: Dirent): string => (entry.isDirectory() ? `${entry.name}/` : entry.name);
