/** Files that exist only here: a Dockerfile from standard input. Names without slashes, no folders. */
import { fail } from "#base/errors.ts";
import { openListing } from "./listing.ts";
import { compileSelection } from "./select.ts";
import type { Source } from "./sync.ts";

export function openMemory(files: ReadonlyMap<string, Uint8Array>): Source {
  return {
    async walk({ include, exclude, follow }) {
      const selection = compileSelection({ include: [...include, ...follow], exclude });
      const listing = openListing();
      // No file of another build, however long: what says that one is as it was is nowhere the same.
      const ctimeMs = Math.random() * 2 ** 40;
      for (const path of [...files.keys()].sort()) if (selection.wants(path)) listing.add(path, { mode: 0o600, size: files.get(path)!.length, mtimeMs: 0, ctimeMs });
      return { state: () => listing.state(), listing: async () => listing };
    },
    *read(path) {
      const bytes = files.get(path);
      if (bytes === undefined) throw fail("not-found", `open ${path}: no such file`);
      yield Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    },
  };
}
