import assert from "node:assert/strict";
import { once } from "node:events";
import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { frameStripper } from "#spec/stream-frames.ts";
import { drain } from "../body.ts";
import { joinFrames, withoutFrames } from "./frames.ts";

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

const joined = (...frames: Buffer[]) => joinFrames(Buffer.concat(frames)).toString("latin1");
const text = (...frames: Buffer[]) => Buffer.concat(frames).toString("latin1");
const a = frame(1, "a\n");
const e = frame(2, "e\n");
const large = frame(1, "x".repeat(32 * 1024));

for (const [what, frames, expected] of [
  ["nothing", [], []],
  ["one", [a], [a]],
  ["neighbours of one stream", [a, a, a], [frame(1, "a\na\na\n")]],
  ["streams keep their order", [a, e, e, a], [a, frame(2, "e\ne\n"), a]],
  ["up to 32 KiB", [large, a, a], [large, frame(1, "a\na\n")]],
  ["a larger one stays as it is", [frame(1, "y".repeat(100_000)), a], [frame(1, "y".repeat(100_000)), a]],
  ["an empty one", [frame(1, ""), a, frame(1, "")], [a]],
  ["what is torn stays torn", [a, a, a.subarray(0, 9)], [frame(1, "a\na\n"), a.subarray(0, 9)]],
  ["half a head", [a, e.subarray(0, 5)], [a, e.subarray(0, 5)]],
] as const) {
  test(`joining: ${what}`, () => assert.equal(joined(...frames), text(...expected)));
}

test("of a process whose stream is over there is no more to be had, and nobody waits for it", async () => {
  const ended = new PassThrough();
  const end = once(ended, "end");
  ended.resume().end();
  await end;
  assert.deepEqual(await withoutFrames(ended).toArray(), []);
  const broken = new PassThrough();
  const closed = once(broken, "close");
  broken.destroy();
  await closed;
  await assert.rejects(withoutFrames(broken).toArray(), { code: "ERR_STREAM_PREMATURE_CLOSE" });
});

test("what is left of a request whose client is gone is not waited for", async () => {
  const request = new IncomingMessage(new Socket());
  const closed = once(request, "close");
  request.destroy();
  await closed;
  await drain(request);
});
