import assert from "node:assert/strict";
import { test } from "node:test";
import { sortInTurns, takeTurns } from "./turns.ts";

test("what takes long lets others have their turns, what does not never waits", async () => {
  let others = 0;
  const timer = setInterval(() => void others++, 1);
  const turns = takeTurns();
  for (const end = performance.now() + 60; performance.now() < end; ) {
    const wait = turns();
    if (wait !== undefined) await wait;
  }
  clearInterval(timer);
  assert.ok(others > 1);
  const short = takeTurns();
  assert.ok(Array.from({ length: 100 }, () => short()).every((wait) => wait === undefined));
});

test("sorted in turns is what sort makes of it, equals in their order; in order already it is the same array", async () => {
  const items = Array.from({ length: 9001 }, (_, index) => ({ key: (index * 7919) % 1000, index }));
  const compare = (a: { key: number }, b: { key: number }) => a.key - b.key;
  const sorted = await sortInTurns(items, compare);
  assert.deepEqual(sorted, items.toSorted(compare));
  assert.equal(await sortInTurns(sorted, compare), sorted);
  assert.deepEqual(await sortInTurns([], compare), []);
});
