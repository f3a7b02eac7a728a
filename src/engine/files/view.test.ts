import assert from "node:assert/strict";
import { test } from "node:test";
import { openLock } from "../containers/lock.ts";
import { hold } from "./view.ts";

test("who waits for a lock may give up, before or while he does; who has it keeps it until he gives it back", async () => {
  const lock = openLock();
  const stop = new AbortController();
  const release = await hold(lock, stop.signal);
  const waiting = hold(lock, stop.signal);
  stop.abort("enough");
  await assert.rejects(waiting, (reason) => reason === "enough");
  await assert.rejects(hold(lock, stop.signal), (reason) => reason === "enough");
  const next = hold(lock);
  let given = false;
  void next.then(() => (given = true));
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(given, false);
  release();
  (await next)();
});
