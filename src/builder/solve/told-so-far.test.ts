import assert from "node:assert/strict";
import { test } from "node:test";
import { openTold } from "./told-so-far.ts";

function heard(tell: (log: (stream: 1 | 2, text: string) => void) => void): { readonly pieces: [number, string][] } {
  const told = openTold();
  tell((stream, text) => told.log(stream, Buffer.from(text)));
  const pieces: [number, string][] = [];
  told.replay({ log: (stream, data) => void pieces.push([stream, Buffer.from(data).toString()]), progress: () => undefined });
  return { pieces };
}

test("small pieces of one output come together, in order", () => {
  const { pieces } = heard((log) => {
    for (let at = 0; at < 10; at++) log(1, `${at}`);
    log(2, "error");
    log(1, "on");
    log(1, "x".repeat(100_000));
  });
  assert.deepEqual(pieces, [[1, "0123456789"], [2, "error"], [1, "on"], [1, "x".repeat(100_000)]]);
});

test("output byte by byte, from one and the other, takes little memory; the end is kept, and what is missing is said", () => {
  const { pieces } = heard((log) => {
    for (let at = 0; at < 100_000; at++) log(at % 2 === 0 ? 1 : 2, "a");
    log(1, "the end");
  });
  assert.ok(pieces.length < 50_000, `${pieces.length} pieces`);
  assert.match(pieces[0]![1], /^\[\d+ bytes of output were told before/);
  assert.deepEqual(pieces.at(-1), [1, "the end"]);
});
