import assert from "node:assert/strict";
import { test } from "node:test";
import { frameStripper } from "./frames.ts";

function frame(stream: number, text: string): Buffer {
  const head = Buffer.from([stream, 0, 0, 0, 0, 0, 0, 0]);
  head.writeUInt32BE(text.length, 4);
  return Buffer.concat([head, Buffer.from(text)]);
}

test("frames cut anywhere hold what they held", () => {
  const bytes = Buffer.concat([frame(1, "out"), frame(2, ""), frame(2, "err"), frame(1, "x".repeat(1000))]);
  const expected = `outerr${"x".repeat(1000)}`;
  for (const step of [1, 2, 3, 7, 8, 9, 11, 100, bytes.length]) {
    const strip = frameStripper();
    let text = "";
    for (let at = 0; at < bytes.length; at += step) text += Buffer.concat(strip(bytes.subarray(at, at + step))).toString();
    assert.equal(text, expected, `in pieces of ${step}`);
  }
});
