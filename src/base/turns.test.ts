import assert from "node:assert/strict";
import { test } from "node:test";
import { sortInTurns, takeTurns } from "./turns.ts";

test("what takes long lets others have their turns, what does not never waits", async (t) => {
  let now = 0;
  t.mock.method(performance, "now", () => now);
  let others = 0;
  const turns = takeTurns();
  for (let rounds = 0; rounds < 3; rounds++) {
    assert.ok(Array.from({ length: 1024 }, () => turns()).every((wait) => wait === undefined), "it is not long yet");
    now += 100;
    setImmediate(() => void others++);
    const waits = Array.from({ length: 64 }, () => turns()).filter((wait) => wait !== undefined);
    assert.equal(waits.length, 1);
    await waits[0];
    assert.equal(others, rounds + 1);
  }
  now += 100;
  assert.equal(turns(63), undefined);
  assert.ok(turns() !== undefined, "what weighs more is looked at sooner");
});

test("sorted in turns is what sort makes of it, equals in their order; in order already it is the same array", async () => {
  const items = Array.from({ length: 9001 }, (_, index) => ({ key: (index * 7919) % 1000, index }));
  const compare = (a: { key: number }, b: { key: number }) => a.key - b.key;
  const sorted = await sortInTurns(items, compare);
  assert.deepEqual(sorted, items.toSorted(compare));
  assert.equal(await sortInTurns(sorted, compare), sorted);
  assert.deepEqual(await sortInTurns([], compare), []);
});
