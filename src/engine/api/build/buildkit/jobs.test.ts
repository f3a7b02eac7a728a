import assert from "node:assert/strict";
import { test } from "node:test";
import { fail } from "#base/errors.ts";
import { openJobs } from "./jobs.ts";

test("a build ends with the call that asked for it, also when that is over before the build begins", () => {
  const jobs = openJobs();
  const reason = fail("cancelled", "context canceled");
  assert.equal(jobs.begin("a", AbortSignal.abort(reason)).abort.signal.reason, reason);
  const call = new AbortController();
  const job = jobs.begin("b", call.signal);
  assert.equal(job.abort.signal.aborted, false);
  call.abort(reason);
  assert.equal(job.abort.signal.reason, reason);
  assert.throws(() => jobs.begin("b", call.signal), { kind: "conflict" });
});
