/** A file in large chunks. */
import { open, type FileHandle } from "node:fs/promises";
import { CHUNK } from "#base/streams.ts";

/** Chunks of 1 MiB, from that byte on; each has memory of its own. `missing` makes the error of a file that is not there. */
export async function* readChunks(path: string, from: number, missing: () => Error): AsyncGenerator<Buffer> {
  const file = await open(path, "r").catch((error: NodeJS.ErrnoException) => {
    throw error.code === "ENOENT" ? missing() : error;
  });
  try {
    // One read ahead: the disk and whoever hashes or inflates work side by side.
    let ahead = readChunk(file, from);
    for (let at = from; ; ) {
      const chunk = await ahead;
      if (chunk.length === 0) return;
      at += chunk.length;
      ahead = readChunk(file, at);
      ahead.catch(() => undefined);
      yield chunk;
    }
  } finally {
    await file.close();
  }
}

async function readChunk(file: FileHandle, position: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(CHUNK);
  const { bytesRead } = await file.read(buffer, 0, CHUNK, position);
  return buffer.subarray(0, bytesRead);
}
