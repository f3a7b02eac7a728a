import assert from "node:assert/strict";
import { test } from "node:test";
import { createUnchunker } from "./unchunk.ts";

const CODED = "5\r\nhello\r\n1;x=y\r\n \r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\nHTTP/1.1";

for (const step of [1, 2, 3, 7, CODED.length]) {
  test(`chunks come out whole when read ${step} bytes at a time`, () => {
    const decoder = createUnchunker();
    let out = "";
    let rest = "";
    for (let at = 0; at < CODED.length; at += step) {
      if (decoder.done()) {
        rest += CODED.slice(at, at + step);
        continue;
      }
      out += decoder.push(Buffer.from(CODED.slice(at, at + step))).toString();
      if (decoder.done()) rest += decoder.rest().toString();
    }
    assert.equal(out, "hello 0123456789");
    assert.ok(decoder.done());
    assert.equal(rest, "HTTP/1.1");
  });
}

for (const wrong of ["x\r\n", "-1\r\n", "5\r\nhelloX\r\n", "1234567890123456\r\n", "\r\n\r\n"]) {
  test(`refuses ${JSON.stringify(wrong)}`, () => {
    assert.throws(() => createUnchunker().push(Buffer.from(wrong)), /malformed/);
  });
}
