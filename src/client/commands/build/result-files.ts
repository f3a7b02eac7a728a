/** Files that say what was built: --iidfile, --metadata-file. */
import { accessSync, constants, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fail } from "#base/errors.ts";
import type { BuildOptions } from "./flags.ts";

/** A build that fails leaves no file of one before it. @throws also when there can be none of this one */
export function prepareFiles({ iidfile, "metadata-file": metadata }: Pick<BuildOptions, "iidfile" | "metadata-file">): void {
  if (iidfile !== "") {
    onDisk("removing image ID file: remove", iidfile, () => rmSync(iidfile, { force: true }));
    onDisk("writing image ID file: open", iidfile, () => accessSync(dirname(iidfile), constants.W_OK));
  }
  if (metadata !== "") {
    onDisk("invalid output path: stat", dirname(metadata), () => accessSync(dirname(metadata), constants.W_OK));
    onDisk("invalid output path: remove", metadata, () => rmSync(metadata, { force: true }));
  }
}

export const writeResult = (what: string, path: string, text: string): void => onDisk(`writing ${what}: open`, path, () => writeFileSync(path, text));

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "no such file or directory", ENOTDIR: "not a directory", EISDIR: "is a directory", ERR_FS_EISDIR: "is a directory", EACCES: "permission denied", EROFS: "read-only file system", ENOSPC: "no space left on device",
};

function onDisk(what: string, path: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    const { code = "", message } = error as NodeJS.ErrnoException;
    throw fail("invalid", `${what} ${path}: ${REASONS[code] ?? message}`, { cause: error });
  }
}
