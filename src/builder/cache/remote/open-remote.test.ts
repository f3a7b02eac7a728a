import assert from "node:assert/strict";
import { test } from "node:test";
import { kindOf } from "#base/errors.ts";
import type { Outcome } from "../../build.ts";
import { openRemoteCache, type RemoteCacheParts } from "./remote.ts";

/** An export that fails at once, before anything of the engine is needed. */
function failing(attributes: Record<string, string>, signal: AbortSignal): Promise<unknown> {
  const outcome = { request: { ref: "r", cacheTo: [{ type: "registry", attributes: { ref: "r.example/c", mode: "odd", ...attributes } }] }, signal, report() {}, lease: {} } as unknown as Outcome;
  return openRemoteCache({ core: {} } as RemoteCacheParts).exportCache(outcome);
}

test("ignore-error: a failure of the export is none of the build, unless the build was given up", async () => {
  const open = new AbortController().signal;
  await assert.rejects(failing({}, open), /unsupported cache mode/);
  assert.deepEqual(await failing({ "ignore-error": "true" }, open), {});
  await assert.rejects(failing({ "ignore-error": "true" }, AbortSignal.abort()), (error) => kindOf(error) !== undefined);
});
