import assert from "node:assert/strict";
import { test } from "node:test";
import { openQueue } from "./queue.ts";

for (const ticks of [0, 1, 2, 3, 4, 5, 6]) {
  test(`what is told while the listener finds nothing, ${ticks} turns after it looked, is heard at once; and the end`, async () => {
    const queue = openQueue<number>();
    const values = queue.values[Symbol.asyncIterator]();
    const first = values.next();
    for (let tick = 0; tick < ticks; tick++) await undefined;
    queue.push(1);
    const heard = await Promise.race([first, new Promise((resolve) => setImmediate(resolve, "nothing"))]);
    assert.deepEqual(heard, { done: false, value: 1 });
    const second = values.next();
    for (let tick = 0; tick < ticks; tick++) await undefined;
    queue.push(2);
    queue.end();
    assert.deepEqual([await second, (await values.next()).done], [{ done: false, value: 2 }, true]);
  });
}
