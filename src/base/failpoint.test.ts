import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { failpoint, parseFailpoints } from "./failpoint.ts";

const module = fileURLToPath(new URL("failpoint.ts", import.meta.url));

function run(points: string, code: string) {
  const source = `import { failpoint } from ${JSON.stringify(module)}; ${code}`;
  return spawnSync(process.execPath, ["--input-type=module", "-e", source], { encoding: "utf8", env: { GANTRY_FAILPOINTS: points } });
}

test("dead unless switched on", () => assert.equal(failpoint("any.name"), undefined));

test("kill ends the process where it stands", () => {
  const { signal, stdout } = run("a.b=kill", `console.log("before"); await failpoint("other"); await failpoint("a.b"); console.log("after");`);
  assert.deepEqual([signal, stdout], ["SIGKILL", "before\n"]);
});

test("error throws a system error", () => {
  const { stdout } = run("x=error:ENOSPC,y=kill", `try { await failpoint("x"); } catch (error) { console.log(error.code, error.errno); }`);
  assert.equal(stdout, "ENOSPC -28\n");
});

test("delay waits", () => {
  const { stdout } = run("x=delay:30", `const from = Date.now(); await failpoint("x"); console.log(Date.now() - from >= 29);`);
  assert.equal(stdout, "true\n");
});

for (const text of ["x", "x=", "x=die", "x=error:ENONSENSE", "x=error:28", "=kill", "x=delay:", "x=kill y=kill"]) {
  test(`refuses ${JSON.stringify(text)}`, () => assert.throws(() => parseFailpoints(text), TypeError));
}
test("reads several", () => assert.deepEqual([...parseFailpoints("a=kill,b.c-d=delay:5").keys()], ["a", "b.c-d"]));
