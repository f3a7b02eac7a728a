import assert from "node:assert/strict";
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { test, type TestContext } from "node:test";
import { sha256 } from "#base/digest.ts";
import { fail } from "#base/errors.ts";
import { cleanup, testFolder } from "#core/core-fixture.ts";
import { openPacks, type Packs } from "./packs.ts";

async function open(t: TestContext): Promise<{ packs: Packs; folder: string; add(text: string, fresh?: boolean): Promise<void> }> {
  const folder = `${await testFolder(t)}/pool`;
  const packs = await openPacks({ folder, sync: async () => undefined, boot: "one" });
  cleanup(t).defer(() => packs.close());
  const add = async (text: string, fresh = false) => {
    const pack = await packs.take(fresh);
    const records = [{ digest: sha256(text), offset: pack.size, length: text.length }];
    await packs.append(pack, Buffer.from(text));
    packs.add(pack, records);
    await packs.give(pack, records);
  };
  return { packs, folder, add };
}

const files = (folder: string): string[] => readdirSync(folder).filter((name) => name.endsWith(".pack")).sort();

test("where there is no room to write anew what lives, what is dead goes all the same, and the rest another time", async (t) => {
  const { packs, folder, add } = await open(t);
  await add("live");
  await add("dead ".repeat(100));
  await add("dead alone", true);
  const full = fail("exhausted", "no space left on device");
  const mark = packs.mark();
  mark(sha256("live"));
  assert.ok((await packs.sweep(() => Promise.reject(full))) > 0);
  assert.deepEqual(files(folder), ["1.pack"]);
  assert.ok(packs.find(sha256("live")));
  packs.mark()(sha256("live"));
  assert.ok((await packs.sweep(async () => await add("live", true))) > 0, "it can be swept again");
  assert.deepEqual(files(folder), ["3.pack"]);
});

test("a pack that cannot be opened is not taken for good", async (t) => {
  const { packs, folder, add } = await open(t);
  mkdirSync(`${folder}/1.index`);
  await assert.rejects(packs.take(), { code: /EEXIST|EISDIR/ });
  rmSync(`${folder}/1.index`, { recursive: true });
  await add("x");
  assert.deepEqual(files(folder), ["2.pack"]);
  assert.equal(packs.usage().files, 1);
});
