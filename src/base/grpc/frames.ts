/** Messages on a stream: one byte that says whether it is compressed, four of its length, and the message. */
import type { Duplex } from "node:stream";
import { fail } from "../errors.ts";

export const HEADROOM = 5;

/** Fills in the five bytes that were left free before a message. */
export function frame(message: Buffer): Buffer {
  message[0] = 0;
  message.writeUInt32BE(message.length - HEADROOM, 1);
  return message;
}

/**
 * The messages of a stream, as many at a time as have come: thousands of small ones cost few turns. Ending it early leaves the
 * stream as it is. @throws exhausted before a message that is too long is read
 */
export async function* readFrames(stream: Duplex, limit: number): AsyncGenerator<readonly Buffer[]> {
  let parts: Buffer[] = [];
  let have = 0;
  let need = HEADROOM;
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
    parts.push(chunk);
    have += chunk.length;
    if (have < need) continue;
    const all = parts.length === 1 ? parts[0]! : Buffer.concat(parts, have);
    const messages: Buffer[] = [];
    let at = 0;
    for (;;) {
      need = all.length - at < HEADROOM ? HEADROOM : HEADROOM + lengthOf(all, at, limit);
      if (all.length - at < need) break;
      messages.push(all.subarray(at + HEADROOM, at + need));
      at += need;
    }
    have = all.length - at;
    parts = have === 0 ? [] : [all.subarray(at)];
    if (messages.length > 0) yield messages;
  }
  if (have > 0) throw fail("invalid", "read a message: the stream ended within it");
}

function lengthOf(bytes: Buffer, at: number, limit: number): number {
  if (bytes[at] !== 0) throw fail("not-implemented", "read a message: it is compressed, which was not agreed upon");
  const length = bytes.readUInt32BE(at + 1);
  if (length > limit) throw fail("exhausted", `read a message: it has ${length} bytes, more than the limit of ${limit}`);
  return length;
}

/** Writes and waits for room, or for the end of the stream. False: it takes no more. */
export function writeFrame(stream: Duplex, message: Buffer): Promise<boolean> | boolean {
  if (stream.destroyed || stream.writableEnded) return false;
  if (stream.write(frame(message))) return true;
  return roomIn(stream);
}

const waiting = new WeakMap<Duplex, Promise<boolean>>();

/** All who wait for a stream share one pair of listeners: to take thousands of them off it, one by one, would take seconds. */
function roomIn(stream: Duplex): Promise<boolean> {
  const known = waiting.get(stream);
  if (known !== undefined) return known;
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const done = () => {
    stream.off("drain", done);
    stream.off("close", done);
    waiting.delete(stream);
    resolve(!stream.destroyed);
  };
  stream.on("drain", done);
  stream.on("close", done);
  waiting.set(stream, promise);
  return promise;
}
