/**
 * Directories held open, reached name by name without following a link: what openat(2) is for, which Node does not have.
 * "/proc/self/fd/N/name" is the same: the kernel begins at the directory that N holds, wherever it is by now.
 */
import { closeSync, constants, existsSync, mkdirSync, openSync } from "node:fs";
import { fail } from "#base/errors.ts";

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;
const MOST_OPEN = 64;

export type Held = { readonly fd: number; path(name: string): Buffer };

export type Directories = Disposable & {
  /** The directory at that path below the root, made if it is missing. Good until the next call. @throws conflict for a link */
  hold(names: readonly string[]): Held;
};

/** The root is opened as the user has named it. */
export function openDirectories(root: string): Directories {
  const top = openSync(root, O_RDONLY | O_DIRECTORY);
  if (!existsSync(`/proc/self/fd/${top}/.`)) {
    closeSync(top);
    throw fail("unavailable", "copy files: /proc is not mounted here");
  }
  /** In the order of use. */
  const open = new Map<string, number>();

  const close = () => {
    for (const fd of open.values()) closeSync(fd);
    open.clear();
  };
  const child = (parent: number, name: string, shown: string): number => {
    const at = pathOf(parent, name);
    for (let made = false; ; made = true) {
      try {
        return openSync(at, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === "ENOENT" && !made) mkdirSync(at, 0o755);
        else if (code === "ENOTDIR" || code === "ELOOP") throw fail("conflict", `${JSON.stringify(shown)} is not a directory, and is not followed`, { cause: error });
        else throw error;
      }
    }
  };

  return {
    hold(names) {
      const key = names.join("/");
      const known = names.length === 0 ? top : open.get(key);
      if (known !== undefined) return held(known);
      if (open.size >= MOST_OPEN) close();
      // The deepest ancestor that is held, then down from there.
      let depth = names.length - 1;
      while (depth > 0 && !open.has(names.slice(0, depth).join("/"))) depth--;
      let fd = depth === 0 ? top : open.get(names.slice(0, depth).join("/"))!;
      for (; depth < names.length; depth++) {
        const path = names.slice(0, depth + 1).join("/");
        fd = child(fd, names[depth]!, Buffer.from(path, "latin1").toString());
        open.set(path, fd);
      }
      return held(fd);
    },
    [Symbol.dispose]() {
      close();
      closeSync(top);
    },
  };
}

const held = (fd: number): Held => ({ fd, path: (name) => pathOf(fd, name) });
const pathOf = (fd: number, name: string): Buffer => Buffer.concat([Buffer.from(`/proc/self/fd/${fd}/`), Buffer.from(name, "latin1")]);
