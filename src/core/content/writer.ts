/** Writes one blob to a file of its own, and compares it with what was announced. */
import { constants } from "node:fs";
import { open, unlink, type FileHandle } from "node:fs/promises";
import { hasher, type Hasher } from "#base/digest.ts";
import { fail } from "#base/errors.ts";
import { failpoint } from "#base/failpoint.ts";
import { diskFailure } from "../disk.ts";
import type { Blob, BlobWriter, Expected } from "./content.ts";

export type OpenFile = {
  readonly path: string;
  readonly file: FileHandle;
  readonly expected: Expected;
  /** Gets the verified blob once its file is synced and closed. */
  finish(blob: Blob): Promise<void>;
};

/** What of the blob was hashed: advanced by whoever writes. */
export type Written = { readonly hash: Hasher; size: number };

/** `written`: what is in the file already. `suspend` closes the file and leaves it. */
export function blobWriter({ path, file, expected, finish }: OpenFile, written: Written = { hash: hasher(), size: 0 }): BlobWriter & { suspend(): Promise<void> } {
  const { hash } = written;
  const limit = expected.limit ?? expected.size ?? Infinity;
  let open = true;
  const suspend = async () => {
    if (!open) return;
    open = false;
    await file.close();
  };
  const abort = async () => {
    if (!open) return;
    await suspend();
    await unlink(path);
  };
  const guarded = async <T>(act: () => Promise<T>): Promise<T> => {
    try {
      return await diskFailure("store a blob", act());
    } catch (error) {
      await abort();
      throw error;
    }
  };

  return {
    abort,
    suspend,
    write: (chunk) =>
      guarded(async () => {
        written.size += chunk.length;
        if (written.size > limit) throw fail("invalid", `store a blob: more than ${limit} bytes`);
        await failpoint("content.write");
        // Written by another thread while this one hashes.
        const done = file.writeFile(chunk);
        hash.update(chunk);
        await done;
      }),
    commit: (verified) =>
      guarded(async () => {
        const blob = { digest: hash.digest(), size: written.size };
        compare(blob, expected);
        verified?.();
        await file.datasync();
        await file.close();
        open = false;
        try {
          await finish(blob);
        } catch (error) {
          await unlink(path).catch(() => undefined);
          throw error;
        }
        return blob;
      }),
  };
}

function compare(blob: Blob, expected: Expected): void {
  if (expected.size !== undefined && expected.size !== blob.size) {
    throw fail("invalid", `store ${expected.digest ?? "a blob"}: ${blob.size} bytes came, ${expected.size} were announced`);
  }
  if (expected.digest !== undefined && expected.digest !== blob.digest) {
    throw fail("invalid", `store ${expected.digest}: what came has the digest ${blob.digest}`);
  }
}

export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
