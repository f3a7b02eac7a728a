import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import { TAR_END, tarHeader, tarPadding } from "#base/tar-write.ts";
import { never, testContexts } from "#builder/contexts/contexts-fixture.ts";
import { readFiles } from "./read-remote.ts";

const file = (name: string, text: string): Buffer[] => [tarHeader({ name, type: "file", mode: 0o644, size: text.length }), Buffer.from(text), tarPadding(text.length)];

test("of a file its own bytes are read, and none of what lies around it", async (t) => {
  const { contexts } = await testContexts(t);
  const archive = Readable.from([...file("a", "another's secret"), ...file("docker-bake.hcl", "0123456789"), TAR_END]);
  const files = readFiles({ contexts }, await contexts.fromArchive(archive, { signal: never }));
  const read = async (offset: number, length: number) => String(await files.read("./docker-bake.hcl", { offset, length }));
  assert.equal(String(await files.read("docker-bake.hcl", undefined)), "0123456789");
  assert.deepEqual([await read(2, 3), await read(8, 100), await read(8, 0), await read(10, 5)], ["234", "89", "89", ""]);
  for (const [offset, length] of [[-6, 6], [-1, 0], [0, -1]] as const) await assert.rejects(read(offset, length), /^Failure: read \.\/docker-bake\.hcl: invalid range/);
  await assert.rejects(files.read("b", undefined), /no such file or directory/);
});
