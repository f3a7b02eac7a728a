import assert from "node:assert/strict";
import { test } from "node:test";
import { afterProbe, healthCheckOf, mergeHealth, nextProbe, STARTING, type Health } from "./health.ts";

const second = 1e9;
const check = healthCheckOf({ Healthcheck: { Test: ["CMD", "true"], Interval: 2 * second, StartPeriod: 10 * second, StartInterval: second / 2, Retries: 2 } })!;
const probe = (exitCode: number) => ({ start: "", end: "", exitCode, output: "" });

function after(codes: readonly number[], age: number): Health {
  return codes.reduce((health, code) => afterProbe(health, probe(code), { check, age }), STARTING);
}

test("what is run", () => {
  const commandOf = (Test: string[], Shell?: string[]) => healthCheckOf({ Healthcheck: { Test }, ...(Shell === undefined ? {} : { Shell }) })?.command;
  assert.deepEqual(commandOf(["CMD", "curl", "-f", "x"]), ["curl", "-f", "x"]);
  assert.deepEqual(commandOf(["CMD-SHELL", "curl -f x || exit 1"]), ["/bin/sh", "-c", "curl -f x || exit 1"]);
  assert.deepEqual(commandOf(["CMD-SHELL", "x"], ["/bin/bash", "-ec"]), ["/bin/bash", "-ec", "x"]);
  for (const none of [["NONE"], [], ["CMD"]]) assert.equal(commandOf(none), undefined);
  assert.equal(healthCheckOf({}), undefined);
});

test("Docker's defaults", () => {
  assert.deepEqual(healthCheckOf({ Healthcheck: { Test: ["CMD", "x"], Interval: 0 } }), {
    command: ["x"], interval: 30_000, timeout: 30_000, startPeriod: 0, startInterval: 5000, retries: 3,
  });
});

test("starting, healthy, unhealthy", () => {
  const late = 20_000;
  assert.deepEqual([after([0], 0).status, after([1], late).status, after([1, 1], late).status, after([1, 1, 0], late).status], ["healthy", "starting", "unhealthy", "healthy"]);
  assert.deepEqual([after([0, 1], late).status, after([0, 1, 1], late).status], ["healthy", "unhealthy"]);
  assert.equal(after([1, 1, 0], late).failingStreak, 0);
});

test("failures within the start period count only once it was healthy", () => {
  assert.deepEqual([after([1, 1, 1], 9000).status, after([1, 1, 1], 9000).failingStreak], ["starting", 0]);
  assert.equal(after([0, 1, 1], 9000).status, "unhealthy");
});

test("the newest five probes are kept", () => {
  assert.deepEqual(after([0, 1, 2, 3, 4, 5, 6], 0).log.map(({ exitCode }) => exitCode), [2, 3, 4, 5, 6]);
});

test("while it starts probes come more often", () => {
  const healthy = after([0], 0);
  assert.deepEqual([nextProbe(check, STARTING, 0), nextProbe(check, STARTING, 10_000), nextProbe(check, healthy, 0)], [500, 2000, 2000]);
});

test("the image's check, changed field by field", () => {
  const image = { Test: ["CMD", "a"], Interval: 5, Retries: 7 };
  assert.deepEqual(mergeHealth({ Interval: 9, Timeout: 0 }, image), { Test: ["CMD", "a"], Interval: 9, Retries: 7 });
  assert.deepEqual(mergeHealth({ Test: ["NONE"] }, image), { Test: ["NONE"], Interval: 5, Retries: 7 });
  assert.deepEqual([mergeHealth(undefined, image), mergeHealth(image, undefined), mergeHealth(undefined, undefined)], [image, image, undefined]);
});
