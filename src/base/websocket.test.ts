import assert from "node:assert/strict";
import { test } from "node:test";
import { type FramePart, frameDecoder } from "./websocket.ts";

function frame(opcode: number, payload: string, { fin = true, masked = true, length }: { fin?: boolean; masked?: boolean; length?: number } = {}): Buffer {
  const bytes = Buffer.from(payload);
  const size = length ?? bytes.length;
  const head = size < 126 ? [size] : size < 65_536 ? [126, size >> 8, size & 255] : [127, 0, 0, 0, 0, size >>> 24, (size >>> 16) & 255, (size >>> 8) & 255, size & 255];
  head[0]! |= masked ? 0x80 : 0;
  const mask = [1, 2, 3, 4];
  const body = masked ? [...mask, ...bytes.map((byte, i) => byte ^ mask[i & 3]!)] : [...bytes];
  return Buffer.from([(fin ? 0x80 : 0) | opcode, ...head, ...body]);
}

/** Data joined, everything else in order. */
function meaning(parts: readonly FramePart[]): string[] {
  const words: string[] = [];
  let data = "";
  for (const part of parts) {
    if (part.kind === "data") data += part.bytes.toString();
    else words.push(part.kind === "ping" ? `ping ${part.bytes.toString()}` : part.kind);
  }
  return [data.length > 100 ? `${data.length} bytes` : data, ...words];
}

const long = "x".repeat(70_000);
const table: readonly (readonly [string, Buffer[], string[]])[] = [
  ["a frame", [frame(2, "hello")], ["hello"]],
  ["text is data too", [frame(1, "hello")], ["hello"]],
  ["two frames", [frame(2, "a"), frame(2, "b")], ["ab"]],
  ["fragments with a ping between", [frame(2, "a", { fin: false }), frame(9, "p"), frame(0, "b")], ["ab", "ping p"]],
  ["an empty frame", [frame(2, "")], [""]],
  ["126 bytes", [frame(2, "y".repeat(126))], ["126 bytes"]],
  ["70,000 bytes", [frame(2, long)], ["70000 bytes"]],
  ["a pong is nothing", [frame(10, "p")], [""]],
  ["close", [frame(8, ""), frame(2, "late")], ["", "close"]],
  ["a frame that is not masked", [frame(2, "a", { masked: false })], ["", "error"]],
  ["an unknown opcode", [frame(3, "a")], ["", "error"]],
  ["a continuation of nothing", [frame(0, "a")], ["", "error"]],
  ["a new message within another", [frame(2, "a", { fin: false }), frame(2, "b")], ["a", "error"]],
  ["a long ping", [frame(9, "p".repeat(126))], ["", "error"]],
  ["a ping in pieces", [frame(9, "p", { fin: false })], ["", "error"]],
  ["reserved bits", [Buffer.from([0xc2, 0x80, 0, 0, 0, 0])], ["", "error"]],
  ["a length beyond 2^53", [Buffer.from([0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0])], ["", "error"]],
];
for (const [what, frames, expected] of table) {
  test(what, () => {
    const bytes = Buffer.concat(frames);
    assert.deepEqual(meaning(frameDecoder()(bytes)), expected);
    const decode = frameDecoder();
    const one = Array.from({ length: Math.min(bytes.length, 400) }, (_, i) => decode(bytes.subarray(i, i + 1)));
    assert.deepEqual(meaning([...one.flat(), ...decode(bytes.subarray(400))]), expected, "byte by byte");
  });
}
