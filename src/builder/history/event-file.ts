/**
 * A build's events in a file: frames of zstd one after another, each some lines (event-lines.ts). What was not written when
 * the engine died is lost; what was is read to where it ends.
 */
import { createReadStream } from "node:fs";
import { appendFile } from "node:fs/promises";
import { promisify } from "node:util";
import { createZstdDecompress, zstdCompress } from "node:zlib";
import type { BuildEvent } from "../events.ts";
import { decodeEvent, encodeEvent } from "./event-lines.ts";

const compress = promisify(zstdCompress);

const FRAME = 256 * 1024;
const LATEST = 1_000;
/** Characters of what waits to be written, after which whoever tells more waits, too. */
const AHEAD = 8 * 2 ** 20;

export type EventFile = {
  /** Undefined: more can be told at once. Never rejects. */
  append(event: BuildEvent): Promise<void> | undefined;
  /** Writes what was appended so far; resolves to the bytes that it takes. Never fails: a log that cannot be written is shorter. */
  flush(): Promise<number>;
  /** Another build has its place now: nothing more is written. */
  close(): void;
};

/**
 * @param limit of bytes, after which only the ends of steps are written, no output
 * @param after when the one that had its place has written its last. Never rejects
 */
export function openEventFile(path: string, limit: number, after: Promise<unknown> = Promise.resolve()): EventFile {
  let lines: string[] = [];
  let size = 0;
  let written: Promise<number> = after.then(() => 0);
  let waiting = 0;
  let open = true;
  let timer: NodeJS.Timeout | undefined;
  let bytes = 0;
  const write = () => {
    clearTimeout(timer);
    timer = undefined;
    if (lines.length === 0) return;
    const text = lines.join("");
    lines = [];
    size = 0;
    waiting += text.length;
    written = written.then(async (before) => {
      const now = await writeFrame(before, text).catch(() => before);
      waiting -= text.length;
      return now;
    });
  };
  const writeFrame = async (before: number, text: string) => {
    const frame = await compress(text);
    await appendFile(path, frame, { mode: 0o600, flag: before === 0 ? "w" : "a" });
    return (bytes = before + frame.length);
  };
  return {
    append(event) {
      if (!open || (event.kind === "log" && bytes > limit)) return undefined;
      const line = encodeEvent(event);
      lines.push(line);
      size += line.length;
      if (size >= FRAME) write();
      else timer ??= setTimeout(write, LATEST).unref();
      return waiting > AHEAD ? written.then(() => undefined) : undefined;
    },
    async flush() {
      write();
      return await written;
    },
    close() {
      open = false;
      lines = [];
      clearTimeout(timer);
    },
  };
}

/** The first `end` bytes of it, or all. */
export async function* readEventFile(path: string, end = Infinity): AsyncGenerator<BuildEvent> {
  if (end === 0) return;
  const source = createReadStream(path, Number.isFinite(end) ? { end: end - 1 } : {});
  const text = source.pipe(createZstdDecompress());
  source.on("error", (error) => text.destroy(error));
  try {
    for await (const line of linesOf(text)) yield decodeEvent(line);
  } catch (error) {
    // Cut by the engine's death, or nothing was written yet.
    const { code } = error as { code?: string };
    if (code !== "Z_BUF_ERROR" && code !== "ENOENT") throw error;
  } finally {
    source.destroy();
  }
}

async function* linesOf(source: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of source) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
}
