import assert from "node:assert/strict";
import { test } from "node:test";
import { createDemuxer } from "./frames.ts";

function frame(stream: number, text: string): Buffer {
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(Buffer.byteLength(text), 4);
  return Buffer.concat([header, Buffer.from(text)]);
}

const INPUT = Buffer.concat([frame(1, "a\n"), frame(1, "bc"), frame(1, ""), frame(2, "err"), frame(2, "or"), frame(1, "d".repeat(300)), frame(0, "in")]);

for (const step of [1, 2, 7, 8, 9, 64, INPUT.length]) {
  test(`frames read ${step} bytes at a time come out in order`, () => {
    let out = "";
    let err = "";
    let order = "";
    const demuxer = createDemuxer((stream, bytes) => {
      if (stream === 1) out += bytes.toString();
      else err += bytes.toString();
      if (order.at(-1) !== String(stream)) order += stream;
    });
    for (let at = 0; at < INPUT.length; at += step) demuxer.push(Buffer.from(INPUT.subarray(at, at + step)));
    demuxer.end();
    assert.equal(out, `a\nbc${"d".repeat(300)}in`);
    assert.equal(err, "error");
    assert.equal(order, "121");
  });
}

test("neighbouring frames of one stream are one write", () => {
  const writes: string[] = [];
  const demuxer = createDemuxer((_, bytes) => writes.push(bytes.toString()));
  demuxer.push(Buffer.concat(Array.from({ length: 1000 }, (_, at) => frame(1, `${at}\n`))));
  assert.equal(writes.length, 1);
});

test("an error of the engine inside the stream is thrown", () => {
  const demuxer = createDemuxer(() => assert.fail("nothing to write"));
  demuxer.push(frame(3, "it broke"));
  assert.throws(() => demuxer.end(), /error from daemon in stream: it broke/);
});

test("an unknown stream is refused", () => {
  assert.throws(() => createDemuxer(() => {}).push(frame(9, "x")), /unrecognized stream: 9/);
});
