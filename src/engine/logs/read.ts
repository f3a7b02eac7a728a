/** One log file, from where its position stands, as frames. */
import { frameDetailed } from "./details.ts";
import type { LogFile } from "./files.ts";
import { frameRecords, type RecordFilter } from "./record.ts";

const SMALL = 64 << 10;
const CHUNK = 1 << 20;
/** No record of ours is longer (16 KiB, each byte escaped to six, and attributes): such a line is left out. */
const LONGEST = 4 << 20;

/**
 * Yields the frames of a file from its position to its end; the position is left behind the last whole record.
 * Returns true when a record after `until` was met.
 */
export async function* readFrames(file: LogFile, options: RecordFilter & { signal: AbortSignal }): AsyncGenerator<Buffer, boolean> {
  const frame = options.details ? frameDetailed : frameRecords;
  for (let size = SMALL; ; ) {
    options.signal.throwIfAborted();
    const wanted = Math.min(size, file.end - file.position);
    if (wanted <= 0) return false;
    const buffer = Buffer.allocUnsafeSlow(wanted);
    const { bytesRead } = await file.handle.read(buffer, 0, wanted, file.position);
    const pass = frame(buffer, bytesRead, options);
    file.position += pass.rest;
    if (pass.frames.length > 0) yield pass.frames;
    if (pass.past) return true;
    if (bytesRead < size) return false;
    if (pass.rest > 0) size = Math.min(size * 4, CHUNK);
    else if (size < LONGEST) size *= 4;
    else file.position += bytesRead;
  }
}
