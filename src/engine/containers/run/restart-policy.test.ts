import assert from "node:assert/strict";
import { test } from "node:test";
import type { ContainerRecord } from "../../engine.ts";
import { restartDelay, wantsStart } from "./restart-policy.ts";

type Given = { policy: string; most?: number; count?: number; stopped?: boolean; status?: string; code?: number };

function record({ policy, most = 0, count = 0, stopped, status = "exited", code = 0 }: Given): ContainerRecord {
  return {
    hostConfig: { RestartPolicy: { Name: policy, MaximumRetryCount: most } },
    restartCount: count,
    ...(stopped === undefined ? {} : { manuallyStopped: stopped }),
    state: { status, exitCode: code },
  } as ContainerRecord;
}

const ended = (code: number) => ({ code, lasted: 50, waited: 0 });

test("who is started again", () => {
  const cases: [Given, number, boolean][] = [
    [{ policy: "no" }, 1, false],
    [{ policy: "always" }, 0, true],
    [{ policy: "always" }, 1, true],
    [{ policy: "always", stopped: true }, 137, false],
    [{ policy: "unless-stopped" }, 0, true],
    [{ policy: "unless-stopped", stopped: true }, 0, false],
    [{ policy: "on-failure" }, 0, false],
    [{ policy: "on-failure" }, 1, true],
    [{ policy: "on-failure", most: 3, count: 2 }, 1, true],
    [{ policy: "on-failure", most: 3, count: 3 }, 1, false],
    [{ policy: "on-failure", stopped: true }, 143, false],
  ];
  for (const [given, code, again] of cases) assert.equal(restartDelay(record(given), ended(code)) !== undefined, again, JSON.stringify([given, code]));
});

test("each wait is twice the last, up to a minute; a run of more than ten seconds begins anew", () => {
  const always = record({ policy: "always" });
  const waits: number[] = [];
  for (let waited = 0; waits.length < 12; ) waits.push((waited = restartDelay(always, { code: 1, lasted: 10_000, waited })!));
  assert.deepEqual(waits, [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 60_000, 60_000]);
  assert.equal(restartDelay(always, { code: 1, lasted: 10_001, waited: 60_000 }), 100);
});

test("who is started with the engine", () => {
  const cases: [Given, boolean][] = [
    [{ policy: "always" }, true],
    [{ policy: "always", stopped: true }, true],
    [{ policy: "always", status: "created" }, false],
    [{ policy: "unless-stopped" }, true],
    [{ policy: "unless-stopped", stopped: true }, false],
    [{ policy: "on-failure", code: 3 }, true],
    [{ policy: "on-failure", code: 0 }, false],
    [{ policy: "no", code: 3 }, false],
    [{ policy: "no", status: "restarting" }, true],
    [{ policy: "always", status: "running" }, false],
  ];
  for (const [given, starts] of cases) assert.equal(wantsStart(record(given)), starts, JSON.stringify(given));
});
