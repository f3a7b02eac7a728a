import assert from "node:assert/strict";
import { test } from "node:test";
import { onAbort, unlessAborted } from "./abort.ts";

const never = new Promise<never>(() => {});

test("a signal that fired before is heard of at once, one that fires later once, and none after disposal", () => {
  let heard = 0;
  const hear = () => void heard++;
  onAbort(AbortSignal.abort(), hear);
  assert.equal(heard, 1);
  const stop = new AbortController();
  onAbort(stop.signal, hear);
  onAbort(stop.signal, () => assert.fail("it was disposed of"))[Symbol.dispose]();
  stop.abort();
  assert.equal(heard, 2);
  onAbort(undefined, hear)[Symbol.dispose]();
  assert.equal(heard, 2);
});

test("work is waited for until the signal fires, or not at all if it has", async () => {
  const stop = new AbortController();
  assert.equal(await unlessAborted(Promise.resolve(1), stop.signal), 1);
  const waiting = unlessAborted(never, stop.signal);
  stop.abort("enough");
  await assert.rejects(waiting, (reason) => reason === "enough");
  await assert.rejects(unlessAborted(never, stop.signal), (reason) => reason === "enough");
});
