/** Files of a repository or a download, read one by one: what a client of the gateway looks into (`buildx bake URL`). */
import { fail } from "#base/errors.ts";
import { collect } from "#base/streams.ts";
import { bytesOf } from "#builder/contexts/open-remote.ts";
import type { FileEntry, FileTree } from "#builder/tree.ts";
import type { In } from "#base/protobuf.ts";
import { MODE, type stat } from "#spec/buildkit/session.ts";
import type { Builds } from "../../../builds/builds.ts";

export type ReadFiles = {
  /** @throws not-found */
  stat(path: string): In<typeof stat>;
  /** @throws not-found; invalid for a range that is none, and when it is longer than a definition may be */
  read(path: string, range: { readonly offset: number; readonly length: number } | undefined): Promise<Buffer>;
};

/** Of one file, as text that a person has written. */
const LIMIT = 2 * 2 ** 20;

export function readFiles({ contexts }: Pick<Builds, "contexts">, { entries }: FileTree): ReadFiles {
  const find = (path: string): FileEntry => {
    const name = path.replace(/^(\.?\/)+/, "");
    const entry = entries.find((one) => one.path === name);
    if (entry === undefined) throw fail("not-found", `lstat ${path}: no such file or directory`);
    return entry;
  };
  return {
    stat(path) {
      const { mode, size, mtime, type } = find(path);
      return { path, mode: mode | (type === "directory" ? MODE.directory : 0), size, modTime: mtime };
    },
    async read(path, range) {
      const entry = find(path);
      if (entry.digest === undefined) throw fail("invalid", `read ${path}: it is no file`);
      const { offset, length } = range ?? { offset: 0, length: 0 };
      // Before the file's first byte are those of other files, of other clients.
      if (offset < 0 || length < 0) throw fail("invalid", `read ${path}: invalid range: ${length} bytes from ${offset}`);
      return await collect(bytesOf(contexts, entry, length || entry.size, offset), LIMIT, `read ${path}`);
    },
  };
}
