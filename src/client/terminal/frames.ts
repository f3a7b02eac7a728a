import { fail } from "#base/errors.ts";

export type Sink = (stream: 1 | 2, bytes: Buffer) => void;

const HEADER = 8;

/**
 * Takes Docker's frames apart: a header of eight bytes (stream, three zeros, length) before each piece of output.
 * Neighbouring pieces of one stream are moved together in place and handed on at once: a log of a million lines is a
 * million frames, and a write for each would cost more than all else.
 */
export function createDemuxer(sink: Sink): { push(read: Buffer): void; end(): void } {
  const header = Buffer.alloc(HEADER);
  let filled = 0;
  let stream = 0;
  let left = 0;
  let failure: Buffer[] = [];

  const push = (read: Buffer) => {
    let from = 0;
    let to = 0;
    let start = 0;
    let running = stream;
    const flush = () => {
      if (to > start) {
        const bytes = read.subarray(start, to);
        if (running === 3) failure.push(Buffer.from(bytes));
        else sink(running === 2 ? 2 : 1, bytes);
      }
      start = to;
    };
    while (from < read.length) {
      if (left > 0) {
        const end = Math.min(read.length, from + left);
        if (to !== from) read.copyWithin(to, from, end);
        to += end - from;
        left -= end - from;
        from = end;
        continue;
      }
      if (stream === 3 && failure.length + (to - start) > 0) {
        flush();
        throw systemError(failure);
      }
      const count = Math.min(HEADER - filled, read.length - from);
      read.copy(header, filled, from, from + count);
      filled += count;
      from += count;
      if (filled < HEADER) break;
      filled = 0;
      stream = header[0]!;
      left = header.readUInt32BE(4);
      if (stream > 3) throw fail("internal", `unrecognized stream: ${stream}`);
      if (stream !== running) {
        flush();
        running = stream;
      }
    }
    flush();
  };
  const end = () => {
    if (failure.length > 0) throw systemError(failure);
    failure = [];
  };
  return { push, end };
}

function systemError(parts: readonly Buffer[]): Error {
  return fail("internal", `error from daemon in stream: ${Buffer.concat(parts).toString()}`);
}
