import assert from "node:assert/strict";
import { once } from "node:events";
import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import { test } from "node:test";
import { readBody } from "./read-body.ts";

test("an answer that was cut before anybody read it is no longer waited for", async () => {
  const response = new IncomingMessage(new Socket());
  const closed = once(response, "close");
  response.destroy();
  await closed;
  const limits = { connectMs: 1e9, idleMs: 1e9, rateMs: 1e9, bytesPerSecond: 0 };
  const body = readBody(response, { limit: 10, what: "GET it", limits: limits as never, signal: new AbortController().signal });
  await assert.rejects(body.next(), { message: /unexpected EOF/ });
});
