import assert from "node:assert/strict";
import { test } from "node:test";
import { Failure } from "#base/errors.ts";
import { filters, flag, integer, nanos, platformsJson, platformText, size } from "./query.ts";
import { parseVersion, splitVersion } from "./versions.ts";

const q = (text: string) => new URLSearchParams(text);
const invalid = (message?: RegExp) => (e: unknown) => e instanceof Failure && e.kind === "invalid" && (message?.test(e.message) ?? true);

for (const [text, expected] of [
  ["", false], ["a", false], ["a=", false], ["a=0", false], ["a=no", false], ["a=No", false], ["a=false", false], ["a=FALSE", false],
  ["a=none", false], ["a=%20", false], ["a=1", true], ["a=true", true], ["a=yes", true], ["a=x", true], ["a=False1", true],
] as const) {
  test(`flag ${JSON.stringify(text)} is ${expected}`, () => assert.equal(flag(q(text), "a"), expected));
}
test("a flag that is not there has its default; an empty one has not", () => {
  assert.equal(flag(q(""), "a", true), true);
  assert.equal(flag(q("a="), "a", true), false);
});

for (const [text, expected] of [
  ["", undefined], ["t=", undefined], ["t=0", 0n], ["t=1", 1_000_000_000n], ["t=1.5", 1_500_000_000n], ["t=1.000000001", 1_000_000_001n],
  ["t=1795315740.677506448", 1_795_315_740_677_506_448n], ["t=1.1234567891", 1_123_456_789n],
] as const) {
  test(`time ${JSON.stringify(text)}`, () => assert.equal(nanos(q(text), "t"), expected));
}
for (const text of ["t=x", "t=1.", "t=.5", "t=1e9", "t=2026-01-01", "t=9999999999999"]) test(`no time: ${text}`, () => assert.throws(() => nanos(q(text), "t"), invalid()));

test("numbers", () => {
  assert.equal(integer(q("t=-1"), "t"), -1);
  assert.equal(integer(q(""), "t"), undefined);
  assert.throws(() => integer(q("t=1x"), "t"), invalid());
  assert.equal(size(q("h=4294967295"), "h"), 4294967295);
  for (const bad of ["", "h=", "h=-1", "h=4294967296", "h=a"]) assert.throws(() => size(q(bad), "h"), invalid(/height/), bad);
});

const f = (json: string) => [...filters(q(`filters=${encodeURIComponent(json)}`), ["label", "name"])];
for (const [json, expected] of [
  ["", []],
  ["{}", []],
  ["null", []],
  ['{"label":{"a=b":true}}', [["label", ["a=b"]]]],
  ['{"label":{"a":true,"b":true},"name":{"x":true}}', [["label", ["a", "b"]], ["name", ["x"]]]],
  ['{"label":["a","b"]}', [["label", ["a", "b"]]]],
  ['{"label":{}}', [["label", []]]],
  ['{"label":null}', [["label", []]]],
] as const) {
  test(`filters ${json}`, () => assert.deepEqual(f(json), expected));
}
for (const json of ["x", "[]", "1", '{"foo":{"a":true}}', '{"label":"a"}', '{"label":{"a":1}}', '{"label":[1]}', '{"label":1}', '{"__proto__":{"a":true}}']) {
  test(`refuses filters ${json}`, () => assert.throws(() => f(json), invalid()));
}

test("platforms", () => {
  assert.equal(platformText(q("platform=linux/arm64/v8")), "linux/arm64/v8");
  assert.equal(platformText(q("")), undefined);
  for (const bad of ["linux/arm64/v8/x", "a b", "/"]) assert.throws(() => platformText(q(`platform=${encodeURIComponent(bad)}`)), invalid(), bad);
  assert.deepEqual(platformsJson(q('platform={"os":"linux","architecture":"arm64","variant":"v8"}&platform={"os":"a","architecture":"b"}')), [
    { os: "linux", architecture: "arm64", variant: "v8" },
    { os: "a", architecture: "b" },
  ]);
  for (const bad of ['{"os":"linux"}', "linux/amd64", "[]", "{}"]) assert.throws(() => platformsJson(q(`platform=${encodeURIComponent(bad)}`)), invalid(), bad);
});

for (const [path, version, rest] of [
  ["/_ping", 56, "/_ping"], ["/v1.24/_ping", 24, "/_ping"], ["/v1.56/a/b", 56, "/a/b"], ["/v1.41/containers//x/json", 41, "/containers//x/json"],
  ["/v1.50.0/x", 50, "/x"], ["/version", 56, "/version"], ["/v1.44", 56, "/v1.44"], ["/volumes/v1.2/x", 56, "/volumes/v1.2/x"],
] as const) {
  test(`version of ${path}`, () => {
    const split = splitVersion(path);
    assert.equal(split.path, rest);
    assert.equal(parseVersion(split.version), version);
  });
}
for (const [version, text] of [
  ["1.23", "client version 1.23 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version"],
  ["1", "client version 1 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version"],
  ["0.99", "client version 0.99 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version"],
  ["1.57", "client version 1.57 is too new. Maximum supported API version is 1.56"],
  ["2.0", "client version 2.0 is too new. Maximum supported API version is 1.56"],
  ["1.56.1", "client version 1.56.1 is too new. Maximum supported API version is 1.56"],
] as const) {
  test(`version ${version} is refused`, () => assert.throws(() => parseVersion(version), { kind: "invalid", message: text }));
}
