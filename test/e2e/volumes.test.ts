import assert from "node:assert/strict";
import { stories } from "./harness.ts";

const { story } = stories("volumes");

const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "");

story("made, listed, inspected, removed", async ({ cli }) => {
  assert.equal(await cli.ok("volume", "create", "--label", "x=y", "first"), "first");
  assert.equal(await cli.ok("volume", "create", "first"), "first", "once more is no error");
  const anonymous = await cli.ok("volume", "create");
  assert.match(anonymous, /^[0-9a-f]{64}$/);
  assert.deepEqual(lines(await cli.ok("volume", "ls", "-q")).sort(), [anonymous, "first"].sort());
  assert.equal(await cli.ok("volume", "ls", "-q", "--filter", "label=x=y"), "first");
  assert.equal(await cli.ok("volume", "ls", "-q", "--filter", "name=irs"), "first");
  assert.equal(await cli.ok("volume", "inspect", "-f", "{{.Driver}} {{.Labels.x}} {{.Scope}}", "first"), "local y local");
  assert.deepEqual(lines(await cli.ok("volume", "rm", "first", anonymous)), ["first", anonymous]);
  await cli.fails(1, /no such volume/i, "volume", "rm", "first");
  await cli.ok("volume", "rm", "-f", "first");
});

story("in use it stays; dangling says which are not", async ({ cli }) => {
  const id = await cli.ok("create", "-v", "used:/d", "busybox", "true");
  await cli.ok("volume", "create", "spare");
  await cli.fails(1, new RegExp(`volume is in use - \\[${id}\\]`), "volume", "rm", "used");
  assert.equal(await cli.ok("volume", "ls", "-q", "--filter", "dangling=true"), "spare");
  assert.equal(await cli.ok("volume", "ls", "-q", "--filter", "dangling=false"), "used");
  await cli.ok("rm", "-v", id);
  await cli.ok("volume", "rm", "used", "spare");
});

story("names that are none", async ({ cli }) => {
  await cli.fails(1, /includes invalid characters for a local volume name/, "volume", "create", "a/b");
  await cli.fails(1, /volume name is too short/, "volume", "create", "a");
  await cli.fails(125, /includes invalid characters for a local volume name/, "run", "--rm", "-v", "a b:/x", "busybox", "true");
});

story("an empty volume is filled by one of many containers that start at once", async ({ cli }) => {
  await Promise.all(Array.from({ length: 6 }, () => cli.ok("run", "--rm", "-v", "shared:/bin", "busybox", "true")));
  await cli.ok("run", "--rm", "-v", "shared:/b", "busybox", "test", "-x", "/b/busybox");
  await cli.ok("volume", "rm", "shared");
});

story("prune takes those without a name; with -a all that nobody uses", async ({ cli }) => {
  const anonymous = await cli.ok("volume", "create");
  await cli.ok("volume", "create", "kept");
  const id = await cli.ok("create", "-v", "/inside", "busybox", "true");
  assert.match(await cli.ok("volume", "prune", "-f"), new RegExp(anonymous));
  assert.equal(lines(await cli.ok("volume", "ls", "-q")).length, 2);
  assert.match(await cli.ok("volume", "prune", "-af"), /kept/);
  assert.equal(lines(await cli.ok("volume", "ls", "-q")).length, 1);
  await cli.ok("rm", "-v", id);
  assert.equal(await cli.ok("volume", "ls", "-q"), "");
}, { only: "gantry-engine" });
