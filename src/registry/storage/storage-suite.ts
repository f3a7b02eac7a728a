/** What every driver of storage keeps: `storageSuite("folder", async () => openFolderStorage(…))` registers its tests. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Storage } from "./storage.ts";

export function storageSuite(name: string, open: () => Promise<Storage>): void {
  test(`${name}: an object is what was put, or absent`, async () => {
    await using storage = await open();
    assert.equal(await storage.read("a/b"), undefined);
    assert.equal(await storage.put("a/b", Buffer.from("one")), true);
    assert.equal(String(await storage.read("a/b")), "one");
    assert.equal(await storage.put("a/b", Buffer.from("two"), { ifAbsent: true }), false);
    assert.equal(String(await storage.read("a/b")), "one");
    await storage.delete("a/b");
    assert.equal(await storage.stat("a/b"), undefined);
  });
}
