import assert from "node:assert/strict";
import { test } from "node:test";
import { createDetacher, DEFAULT_KEYS, parseDetachKeys } from "./detach-keys.ts";

const parsed: [string, number[]][] = [
  ["ctrl-p,ctrl-q", [16, 17]],
  ["a", [97]],
  ["ctrl-a,a", [1, 97]],
  ["ctrl-@", [0]],
  ["ctrl-[", [27]],
  ["ctrl-\\,ctrl-]", [28, 29]],
  ["ctrl-^,ctrl-_", [30, 31]],
  ["ctrl-Z", [26]],
];

for (const [text, keys] of parsed) test(`keys ${text}`, () => assert.deepEqual(parseDetachKeys(text), keys));

for (const wrong of ["foo", "ctrl-", "ctrl-aa", "", "ctrl-1", "a,,b"]) {
  test(`refuses keys ${JSON.stringify(wrong)}`, () => assert.throws(() => parseDetachKeys(wrong), /Unknown character/));
}

/** Inputs as they arrive, what is sent on, whether it detached. */
const sessions: [string[], string, boolean][] = [
  [["abc"], "abc", false],
  [["a\x10\x11b"], "a", true],
  [["a\x10", "\x11"], "a", true],
  [["\x10", "x"], "\x10x", false],
  [["\x10\x10\x11"], "\x10", true],
  [["\x10"], "", false],
  [["\x11\x10"], "\x11", false],
  [["\x10\x10", "\x10q"], "\x10\x10\x10q", false],
];

for (const [inputs, sent, detached] of sessions) {
  test(`detaching: ${JSON.stringify(inputs)}`, () => {
    const detacher = createDetacher(DEFAULT_KEYS);
    let data = "";
    let out = false;
    for (const input of inputs) {
      const result = detacher.push(Buffer.from(input, "latin1"));
      data += result.data.toString("latin1");
      out ||= result.detached;
    }
    assert.equal(data, sent);
    assert.equal(out, detached);
  });
}
