import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { never, testSources } from "../contexts/contexts-fixture.ts";
import { openExpand } from "./expand.ts";

const missing = (program: string): string | false => {
  try {
    execFileSync(program, ["--version"], { stdio: "ignore" });
    return process.getuid?.() === 0 ? false : "programs run in a task, which needs root";
  } catch {
    return `${program} is not here`;
  }
};

async function* pieces(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += 60_000) yield bytes.subarray(at, at + 60_000);
}

for (const program of ["xz", "bzip2"]) {
  test(`${program}: what was compressed, what is damaged, and whoever stops reading`, { skip: missing(program) }, async (t) => {
    const { sandboxes } = await testSources(t);
    const expand = openExpand(sandboxes);
    const options = { what: "a file", signal: never };
    const plain = Buffer.concat([randomBytes(500_000), Buffer.alloc(3_000_000, "x")]);
    const packed = execFileSync(program, ["-c", "-1"], { input: plain, maxBuffer: 2 ** 24 });
    const read = async (bytes: Buffer) => Buffer.concat(await Array.fromAsync(expand(pieces(bytes), options)));
    assert.ok((await read(packed)).equals(plain));
    for (const bytes of [plain, gzipSync("x"), Buffer.alloc(0), Buffer.from("BZ")]) assert.ok((await read(bytes)).equals(bytes), "passed on");
    await assert.rejects(read(packed.subarray(0, 300_000)), { kind: "invalid", message: new RegExp(`a file: its ${program} stream is damaged`) });
    for await (const chunk of expand(pieces(packed), options)) {
      assert.ok(chunk.length > 0);
      break;
    }
    await assert.rejects(Array.fromAsync(expand(pieces(packed), { ...options, signal: AbortSignal.abort() })), { name: "AbortError" });
    assert.deepEqual(readdirSync(sandboxes.folder), []);
  });
}
