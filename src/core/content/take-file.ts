/** Hashes a file while somebody else writes it. */
import { unlink, type FileHandle } from "node:fs/promises";
import { hasher } from "#base/digest.ts";
import { fail } from "#base/errors.ts";
import { failpoint } from "#base/failpoint.ts";
import { diskFailure } from "../disk.ts";
import type { Blob } from "./content.ts";

/** What is hashed at once: about 1 ms. */
const PIECE = 2 ** 20;

/** Verified, synced and closed; after a failure removed. `fill` tells how many bytes are in the file. */
export async function takeFile(path: string, file: FileHandle, fill: (path: string) => AsyncIterable<number>): Promise<Blob> {
  try {
    const blob = await diskFailure("store a blob", hashGrowing(file, fill(path)));
    await diskFailure("store a blob", file.datasync());
    await file.close();
    return blob;
  } catch (error) {
    await file.close();
    await unlink(path);
    throw error;
  }
}

async function hashGrowing(file: FileHandle, sizes: AsyncIterable<number>): Promise<Blob> {
  const hash = hasher();
  let size = 0;
  // One is read while the other one is hashed.
  let [buffer, spare] = [Buffer.allocUnsafeSlow(PIECE), Buffer.allocUnsafeSlow(PIECE)];
  let read: Buffer | undefined;
  for await (const until of sizes) {
    await failpoint("content.write");
    while (size < until) {
      const reading = file.read(buffer, 0, Math.min(PIECE, until - size), size);
      if (read !== undefined) hash.update(read);
      const { bytesRead } = await reading;
      if (bytesRead === 0) throw fail("internal", `store a blob: ${size} bytes were written, ${until} were announced`);
      size += bytesRead;
      read = buffer.subarray(0, bytesRead);
      [buffer, spare] = [spare, buffer];
    }
  }
  if (read !== undefined) hash.update(read);
  return { digest: hash.digest(), size };
}
