/** Files that exist only here: a Dockerfile from standard input. Names without slashes, no folders. */
import { fail } from "#base/errors.ts";
import { compileSelection } from "./select.ts";
import type { Source } from "./sync.ts";

export function openMemory(files: ReadonlyMap<string, Uint8Array>): Source {
  return {
    async walk({ include, exclude, follow }, { take }) {
      const selection = compileSelection({ include: [...include, ...follow], exclude });
      for (const path of [...files.keys()].sort()) {
        // No time: the same text is the same file.
        if (selection.wants(path)) take({ path, mode: 0o600, size: files.get(path)!.length, mtime: 0n });
      }
    },
    *read(path) {
      const bytes = files.get(path);
      if (bytes === undefined) throw fail("not-found", `open ${path}: no such file`);
      yield Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    },
  };
}
