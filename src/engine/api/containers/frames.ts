/** Docker's frames around output: type, three zeros, length, bytes. Taken off where a client wants bytes alone. */
import { Duplex } from "node:stream";
import { frameStripper } from "#spec/stream-frames.ts";

/** The process's stream with its output as plain bytes. */
export function withoutFrames(process: Duplex): Duplex {
  const strip = frameStripper();
  const plain = new Duplex({
    read: () => void process.resume(),
    write: (chunk, encoding, done) => void process.write(chunk, encoding, done),
    final: (done) => void process.end(done),
    destroy(error, done) {
      process.destroy();
      done(error);
    },
  });
  process.on("data", (chunk: Buffer) => {
    for (const bytes of strip(chunk)) plain.push(bytes) || process.pause();
  });
  process.on("end", () => plain.push(null));
  process.on("error", () => plain.destroy());
  process.on("close", () => process.readableEnded || plain.destroy());
  // What is over tells nobody any more.
  if (process.readableEnded) plain.push(null);
  else if (process.destroyed) plain.destroy();
  return plain;
}

/** What the official client copies at once. */
const JOINED = 32 * 1024;

/**
 * Joins neighbours of one stream into frames of up to 32 KiB, in place: a log has a frame a line, and the official
 * client makes a system call of each. The buffer holds whole frames; what it is given back is its head.
 */
export function joinFrames(buffer: Buffer): Buffer {
  let from = 0;
  let to = 0;
  let open = -1;
  while (from + 8 <= buffer.length) {
    const length = buffer.readUInt32BE(from + 4);
    const end = from + 8 + length;
    if (end > buffer.length) break;
    if (open === -1 || buffer[open] !== buffer[from] || to - open - 8 + length > JOINED) {
      if (open !== -1) buffer.writeUInt32BE(to - open - 8, open + 4);
      open = to;
      move(buffer, { to, from, length: 8 });
      to += 8;
    }
    move(buffer, { to, from: from + 8, length });
    to += length;
    from = end;
  }
  if (open !== -1) buffer.writeUInt32BE(to - open - 8, open + 4);
  const rest = buffer.length - from;
  move(buffer, { to, from, length: rest });
  return buffer.subarray(0, to + rest);
}

/** Towards the head. A native call takes longer than a few bytes. */
function move(buffer: Buffer, { to, from, length }: { to: number; from: number; length: number }): void {
  if (to === from) return;
  if (length > 200) buffer.copyWithin(to, from, from + length);
  else for (let i = 0; i < length; i++) buffer[to + i] = buffer[from + i]!;
}
