/** Frames of HTTP/2: nine bytes of head, and what they announce. */
import { fail } from "#base/errors.ts";

export const FRAME = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goaway: 7, window: 8, continuation: 9 } as const;
export const FLAG = { endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 32 } as const;
export const SETTING = { push: 2, window: 4, frame: 5 } as const;
export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

export type Frame = { readonly type: number; readonly flags: number; readonly id: number; readonly payload: Buffer };

const HEAD = 9;

export function frameHead(length: number, type: number, flags: number, id: number): Buffer {
  const head = Buffer.allocUnsafe(HEAD);
  head.writeUIntBE(length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(id, 5);
  return head;
}

/** Takes bytes as they come, gives frames. `preface`: a client's first words come before the first one. */
export function readFrames(preface: boolean, limit: number, take: (frame: Frame) => void): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  let greeted = !preface;
  return (chunk) => {
    let bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    if (!greeted) {
      if (bytes.length < PREFACE.length) return void (rest = bytes);
      if (!bytes.subarray(0, PREFACE.length).equals(PREFACE)) throw fail("invalid", "http2: the other side does not speak it");
      bytes = bytes.subarray(PREFACE.length);
      greeted = true;
    }
    while (bytes.length >= HEAD) {
      const length = bytes.readUIntBE(0, 3);
      if (length > limit) throw fail("invalid", "http2: a frame is larger than was agreed");
      if (bytes.length < HEAD + length) break;
      take({ type: bytes[3]!, flags: bytes[4]!, id: bytes.readUInt32BE(5) & 0x7fffffff, payload: bytes.subarray(HEAD, HEAD + length) });
      bytes = bytes.subarray(HEAD + length);
    }
    rest = bytes;
  };
}
