import assert from "node:assert/strict";
import { test } from "node:test";
import { Failure } from "#base/errors.ts";
import { formatPlatform, hostPlatform, parsePlatform, platformEquals, platformFit } from "./platform.ts";

const amd64 = { os: "linux", architecture: "amd64" };

for (const [text, full] of [
  ["linux/amd64", "linux/amd64"], ["linux/x86_64", "linux/amd64"], ["amd64", "linux/amd64"], ["linux", "linux/amd64"],
  ["linux/amd64/v1", "linux/amd64"], ["linux/amd64/v3", "linux/amd64/v3"], ["linux/arm64/v8", "linux/arm64"], ["aarch64", "linux/arm64"],
  ["linux/arm", "linux/arm/v7"], ["linux/arm/7", "linux/arm/v7"], ["linux/arm/v6", "linux/arm/v6"], ["armhf", "linux/arm/v7"],
  ["i386", "linux/386"], ["Linux/AMD64", "linux/amd64"], ["macos/arm64", "darwin/arm64"], ["linux/riscv64", "linux/riscv64"],
] as const) {
  test(`${text} is ${full}`, () => assert.equal(formatPlatform(parsePlatform(text, amd64)), full));
}

for (const text of ["", "a/b/c/d", "linux/", "/amd64", "linux/a b", "linux amd64"]) {
  test(`refuses ${JSON.stringify(text)}`, () => assert.throws(() => parsePlatform(text), (error) => error instanceof Failure && error.kind === "invalid"));
}

test("equal or not", () => {
  assert.ok(platformEquals({ os: "linux", architecture: "arm64", variant: "v8" }, { os: "linux", architecture: "aarch64" }));
  assert.ok(!platformEquals({ os: "linux", architecture: "arm", variant: "v6" }, { os: "linux", architecture: "arm" }));
  assert.ok(!platformEquals({ os: "windows", architecture: "amd64" }, amd64));
});

/** Hosts, and what they run, best first; what is missing they do not run. */
const all = ["linux/amd64", "linux/amd64/v3", "linux/386", "linux/arm64", "linux/arm/v7", "linux/arm/v6", "linux/arm/v5", "windows/amd64"];
for (const [host, runs] of [
  ["linux/amd64", ["linux/amd64", "linux/386"]],
  ["linux/amd64/v3", ["linux/amd64/v3", "linux/amd64", "linux/386"]],
  ["linux/arm64", ["linux/arm64", "linux/arm/v7", "linux/arm/v6", "linux/arm/v5"]],
  ["linux/arm/v6", ["linux/arm/v6", "linux/arm/v5"]],
  ["linux/386", ["linux/386"]],
] as const) {
  test(`${host} runs ${runs.join(", ")}`, () => {
    const fit = (text: string) => platformFit(parsePlatform(host), parsePlatform(text));
    assert.deepEqual(all.filter((text) => fit(text) > 0).toSorted((a, b) => fit(b) - fit(a)), [...runs]);
  });
}

test("this host runs itself", () => assert.ok(platformFit(hostPlatform(), hostPlatform()) > 0));
