import assert from "node:assert/strict";
import { test } from "node:test";
import { cgroupPath, checkCgroupPath } from "./cgroup-path.ts";

const ID = "3f".repeat(32);

test("containers are below /gantry, or below the parent that was asked for", () => {
  assert.equal(cgroupPath("", ID), `/gantry/${ID}`);
  assert.equal(cgroupPath("/custom/parent/", ID), `/custom/parent/${ID}`);
  assert.equal(cgroupPath("relative", ID), `/relative/${ID}`);
  assert.equal(cgroupPath("system.slice", ID), `/system.slice/${ID}`);
});

test("ID-16: a path that leads elsewhere, or is a control file, is refused", () => {
  for (const path of ["", "/", "//", "../x", "/a/../..", "/a/./b", "/a\n/b", "/a\0", `/${"n".repeat(256)}`, "/cgroup.procs", "/a/memory.max", "/tasks", "/x".repeat(17)]) {
    assert.throws(() => checkCgroupPath(path), /invalid cgroup path/, JSON.stringify(path));
  }
});
