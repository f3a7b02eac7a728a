import { fail } from "#base/errors.ts";

/**
 * Undoes HTTP's chunked coding. `push` returns the payload of all the chunks in one read, moved together in place:
 * an engine may send a chunk a log line, and a million small pieces would each cost a turn of the event loop.
 */
export function createUnchunker(): { push(read: Buffer): Buffer; done(): boolean; rest(): Buffer } {
  let phase: "size" | "data" | "end of data" | "trailer" | "done" = "size";
  let left = 0;
  let line = "";
  let rest: Buffer = Buffer.alloc(0);

  /** Reads up to a line's end; undefined when it is not there yet. */
  const takeLine = (read: Buffer, from: number): number | undefined => {
    const end = read.indexOf(10, from);
    line += read.toString("latin1", from, end < 0 ? read.length : end);
    if (line.length > 8192) throw malformed();
    return end < 0 ? undefined : end + 1;
  };

  const push = (read: Buffer): Buffer => {
    let from = 0;
    let to = 0;
    while (from < read.length && phase !== "done") {
      if (phase === "data") {
        const end = Math.min(read.length, from + left);
        if (to !== from) read.copyWithin(to, from, end);
        to += end - from;
        left -= end - from;
        from = end;
        if (left === 0) phase = "end of data";
        continue;
      }
      const after = takeLine(read, from);
      if (after === undefined) break;
      from = after;
      const text = line.endsWith("\r") ? line.slice(0, -1) : line;
      line = "";
      if (phase === "end of data") {
        if (text !== "") throw malformed();
        phase = "size";
      } else if (phase === "trailer") {
        if (text === "") phase = "done";
      } else {
        left = parseSize(text);
        phase = left === 0 ? "trailer" : "data";
      }
    }
    if (phase === "done") rest = read.subarray(from);
    return read.subarray(0, to);
  };
  return { push, done: () => phase === "done", rest: () => rest };
}

function parseSize(text: string): number {
  const size = /^([0-9a-f]{1,12})[ \t]*(?:;|$)/i.exec(text);
  if (size === null) throw malformed();
  return Number.parseInt(size[1]!, 16);
}

function malformed(): Error {
  return fail("internal", "malformed chunked encoding");
}
