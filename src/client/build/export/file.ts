/** One file that an exporter writes: under another name until it is whole. */
import { closeSync, mkdirSync, openSync, renameSync, statSync, unlinkSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { fail } from "#base/errors.ts";
import type { ExportTarget } from "../build.ts";
import { openOutput } from "../../output.ts";

export type ExportFile = { write(bytes: Uint8Array): void; commit(): void; /** Without a commit, nothing is left. */ close(): void };

export function openFile(target: ExportTarget & { kind: "file" | "stdout" }): ExportFile {
  if (target.kind === "stdout") {
    const out = openOutput(1);
    return { write: (bytes) => out.write(bytes), commit: () => {}, close: () => {} };
  }
  const { path } = target;
  mkdirSync(dirname(path), { recursive: true });
  const existing = statSync(path, { throwIfNoEntry: false });
  if (existing?.isDirectory()) throw fail("invalid", `destination file ${path} is a directory`);
  // A pipe or a device is written to as it is.
  const part = existing === undefined || existing.isFile() ? `${path}.${process.pid}.part` : path;
  let fd: number | undefined = openSync(part, "w", 0o644);
  let committed = false;
  return {
    write(bytes) {
      for (let at = 0; at < bytes.length; ) at += writeSync(fd!, bytes, at);
    },
    commit() {
      committed = true;
      if (part !== path) renameSync(part, path);
    },
    close() {
      if (fd !== undefined) closeSync(fd);
      fd = undefined;
      if (!committed && part !== path) unlinkSync(part);
    },
  };
}
