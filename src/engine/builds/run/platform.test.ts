import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { checkPlatform } from "./platform.ts";

const host = { os: "linux", architecture: "amd64" };

const ARM64 = (state: string) =>
  `${state}\ninterpreter /usr/bin/qemu-aarch64\nflags: OCF\noffset 0\nmagic 7f454c460201010000000000000000000200b700\nmask ffffffffffffff00fffffffffffffffffeffffff\n`;
const S390X = "enabled\ninterpreter /usr/bin/qemu-s390x\nflags: \noffset 0\nmagic 7f454c4602020100000000000000000000020016\nmask ffffffffffffff00fffffffffffffffffffeffff\n";

const cases: [platform: string, table: Record<string, string>, runs: boolean][] = [
  ["amd64", {}, true],
  ["386", {}, true],
  ["arm64", {}, false],
  ["arm64", { register: "", status: "enabled\n", "qemu-aarch64": ARM64("enabled") }, true],
  ["arm64", { "qemu-aarch64": ARM64("disabled") }, false],
  ["arm64", { python: "enabled\ninterpreter /usr/bin/python\nflags: \nextension .py\n" }, false],
  ["s390x", { "qemu-aarch64": ARM64("enabled") }, false],
  ["s390x", { "qemu-s390x": S390X }, true],
  ["wasm", { "qemu-aarch64": ARM64("enabled") }, false],
];

for (const [architecture, table, runs] of cases) {
  test(`a step for ${architecture} with ${Object.keys(table).join(", ") || "an empty table"}: ${runs ? "runs" : "is refused"}`, async () => {
    const folder = mkdtempSync(join("/tmp", "binfmt-"));
    try {
      for (const [name, text] of Object.entries(table)) writeFileSync(join(folder, name), text);
      const checked = checkPlatform({ os: "linux", architecture }, { host, table: folder });
      if (runs) await checked;
      else await assert.rejects(checked, { kind: "not-implemented", message: /qemu-user-static/ });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}

test("another system is refused; a table that is not mounted is empty", async () => {
  await assert.rejects(checkPlatform({ os: "windows", architecture: "amd64" }, { host }), { message: /this machine runs linux only/ });
  await assert.rejects(checkPlatform({ os: "linux", architecture: "riscv64" }, { host, table: "/nonexistent" }), { kind: "not-implemented" });
});
