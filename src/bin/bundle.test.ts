import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { writeBundle } from "./bundle.ts";

const folder = mkdtempSync("/tmp/bundle-");
after(() => rmSync(folder, { recursive: true }));
const file = join(folder, "client.mjs");
writeBundle(file);

function run(program: string, ...line: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--disable-warning=ExperimentalWarning", "--", program, "--config", folder, ...line], { encoding: "utf8" });
  return { status, stdout, stderr };
}

for (const line of [["--version"], [], ["run", "--help"], ["context", "ls", "--format", "{{json .}}"], ["explain"], ["ps", "--nope"], ["-H", "unix:///nothing/here", "images"]]) {
  test(`the bundle does what the sources do: gantry ${line.join(" ")}`, () => {
    assert.deepEqual(run(file, ...line), run(join(import.meta.dirname, "gantry.ts"), ...line));
  });
}

test("the launcher looks at every source the bundle is made of", () => {
  const modules = [...readFileSync(file, "utf8").matchAll(/^"([\w./-]+\.ts)"\(exports\) \{$/gm)].map((match) => match[1]!);
  assert.ok(modules.length > 100, `${modules.length} modules`);
  assert.deepEqual(modules.filter((name) => !/^(base|base\/grpc|spec|spec\/buildkit)\/[\w-]+\.ts$|^client(\/[\w-]+){1,3}\.ts$/.test(name)), []);
});
