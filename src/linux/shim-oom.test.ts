import assert from "node:assert/strict";
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { after, test } from "node:test";
import { exec, openStage } from "./shim-fixture.ts";

const V1 = "/sys/fs/cgroup/memory";
const V2 = "/sys/fs/cgroup";
const v1 = existsSync(`${V1}/memory.limit_in_bytes`);
const v2 = existsSync(`${V2}/memory.pressure`) && existsSync(`${V2}/cgroup.procs`);
const group = `${v1 ? V1 : V2}/gantry-shim-test-${process.pid}`;
const stage = await openStage();

after(async () => {
  await stage[Symbol.asyncDispose]();
  if (existsSync(group)) rmdirSync(group);
});

test("the kernel's killing for memory is told when it happens, and recorded", { skip: !v1 && !v2 }, async () => {
  mkdirSync(group);
  if (v1) {
    writeFileSync(`${group}/memory.limit_in_bytes`, "20M");
    if (existsSync(`${group}/memory.memsw.limit_in_bytes`)) writeFileSync(`${group}/memory.memsw.limit_in_bytes`, "20M");
  } else {
    writeFileSync(`${V2}/cgroup.subtree_control`, "+memory");
    writeFileSync(`${group}/memory.max`, "20M");
    writeFileSync(`${group}/memory.swap.max`, "0");
  }
  await using c = await stage.launch({
    init: [
      { op: "writeFile", path: `${group}/cgroup.procs`, data: "0" },
      exec("/bin/sh", "-c", "head -c 200000000 /dev/zero | tail -n 1 | wc -c; read go; exit 3"),
    ],
    oom: v1 ? `${group}/memory.oom_control` : `${group}/memory.events`,
  });
  const stream = await c.attach();
  await c.shim.start();
  await c.event("oom");
  stream.end("go\n");
  const exited = await c.event("exited");
  stream.destroy();
  assert.deepEqual([exited.code, exited.oom], [3, true]);
  assert.equal(c.record().oom, true);
});

test("a kill that was not for memory is not called so", async () => {
  await using c = await stage.launch({ sh: "kill -9 $$; sleep 100", cloneFlags: 0, oom: `${group}/no-such-file` });
  await c.shim.start();
  const exited = await c.event("exited");
  assert.deepEqual([exited.code, exited.oom], [137, false]);
});
