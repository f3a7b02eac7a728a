/**
 * Reads what the shim wrote: Docker's json-file format, oldest file first (`x.log.4` … `x.log.1`, `x.log`), as the frames
 * that the API sends.
 *
 *     for await (const frames of readLog({ path, ended }, options)) socket.write(frames);
 *
 * - `record.ts`   turns a buffer of records into frames, in place; `details.ts` the same with attributes
 * - `files.ts`    which files there are, and where the last n records begin
 * - `follow.ts`   waits for more, over rotations, until the container has ended
 *
 * A torn or foreign line is left out. A buffer of frames belongs to who receives it.
 */
import { closeFiles, openFiles, seekTail } from "./files.ts";
import { followLog } from "./follow.ts";
import { readFrames } from "./read.ts";
import type { RecordFilter } from "./record.ts";

export type LogSource = {
  /** The current file; rotated ones stand beside it. None of them need exist. */
  readonly path: string;
  /** Resolves when nothing will be written any more; undefined: nothing is written now. */
  readonly ended?: Promise<unknown> | undefined;
};

export type ReadOptions = RecordFilter & {
  readonly follow: boolean;
  /** Records from the end; undefined: all. */
  readonly tail?: number | undefined;
  /** Bytes of the current file to read at most: what a live stream does not bring. */
  readonly upTo?: number | undefined;
  readonly signal: AbortSignal;
};

export async function* readLog(source: LogSource, options: ReadOptions): AsyncGenerator<Buffer, void> {
  const files = await openFiles(source.path);
  try {
    if (options.tail !== undefined) await seekTail(files, options.tail, { goesOn: options.follow });
    const current = files.at(-1);
    if (current !== undefined && options.upTo !== undefined) current.end = options.upTo;
    for (const file of files) if (yield* readFrames(file, options)) return;
    if (options.follow && source.ended !== undefined) yield* followLog(source.path, source.ended, files, options);
  } finally {
    await closeFiles(files);
  }
}
