import assert from "node:assert/strict";
import { test } from "node:test";
import { swap } from "./use-mounts.ts";

/** What the kernel makes of a map: an id on the disk, and the one that is seen. */
function seen(map: string, id: number): number | undefined {
  for (const line of map.trim().split("\n")) {
    const [from, to, count] = line.split(" ").map(Number);
    if (id >= from! && id < from! + count!) return to! + id - from!;
  }
  return undefined;
}

const NONE = 2 ** 32 - 1;
for (const [a, b] of [[0, 1000], [1000, 0], [77, 78], [78, 77], [0, 1], [5, 5], [0, NONE - 1], [NONE - 1, 3]] as const) {
  test(`${a} and ${b} change places, and nobody else`, () => {
    const map = swap(a, b);
    assert.equal(seen(map, a), b);
    assert.equal(seen(map, b), a);
    for (const id of [0, 1, 2, 76, 79, 999, 1001, 65534, NONE - 1]) if (id !== a && id !== b) assert.equal(seen(map, id), id);
    assert.equal(seen(map, NONE), undefined, "the last number is no id");
    assert.ok(map.trim().split("\n").length <= 5);
  });
}
