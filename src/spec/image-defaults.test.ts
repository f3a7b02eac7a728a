import assert from "node:assert/strict";
import { test } from "node:test";
import { Failure } from "#base/errors.ts";
import { checkDefaults } from "./image-defaults.ts";

test("what images say of containers, as it stands; null says nothing", () => {
  const given = { Env: ["A=b"], Cmd: null, Labels: { a: "b" }, Volumes: { "/v": {} }, Healthcheck: { Test: ["NONE"], Interval: 5e9 }, Unknown: [1, null] };
  assert.deepEqual(checkDefaults(given), { Env: ["A=b"], Labels: { a: "b" }, Volumes: { "/v": {} }, Healthcheck: { Test: ["NONE"], Interval: 5e9 }, Unknown: [1, null] });
  assert.deepEqual([checkDefaults(undefined), checkDefaults(null)], [{}, {}]);
});

test("IMG-01 fields of another type are refused, by name", () => {
  for (const config of [
    { Env: "A=b" }, { Env: ["A=b", null] }, { Env: { 0: "A=b", length: 1 } }, { Cmd: "sh" }, { Cmd: [1] }, { Entrypoint: [["sh"]] }, { User: 0 }, { WorkingDir: ["/"] }, { Labels: ["a"] }, { Labels: { a: 1 } }, { Labels: "x" },
    { ExposedPorts: ["80"] }, { Volumes: "/v" }, { Healthcheck: [] }, { Healthcheck: { Test: "x" } }, { Healthcheck: { Retries: 1.5 } }, { StopSignal: 9 }, { Shell: {} }, { OnBuild: [null] },
  ]) {
    const [field] = Object.keys(config);
    assert.throws(() => checkDefaults(config), (error: unknown) => error instanceof Failure && error.kind === "invalid" && error.message.includes(field!), JSON.stringify(config));
  }
  for (const config of [[], "x", 5]) assert.throws(() => checkDefaults(config), { kind: "invalid" });
});

test("IMG-07 nobody changes what is shared", () => {
  const config = checkDefaults({ Env: ["A=b"], Labels: { a: "b" }, Healthcheck: { Test: ["CMD", "x"] } }) as { Env: string[]; Labels: Record<string, string>; Healthcheck: { Test: string[] } };
  for (const change of [() => config.Env.push("C=d"), () => (config.Labels["c"] = "d"), () => config.Healthcheck.Test.pop(), () => ((config as Record<string, unknown>)["New"] = 1)]) assert.throws(change, TypeError);
});
