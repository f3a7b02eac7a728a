/** What every driver of storage keeps: `storageSuite("folder", async () => openFolderStorage(…))` registers its tests. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { kindOf } from "#base/errors.ts";
import type { Storage } from "./storage.ts";

/** Not all that speaks S3 keeps S3's order where keys have folders: SeaweedFS has "a/x" before "a-b". The registry's lists are of one folder. */
export type SuiteOptions = { readonly folderOrder?: boolean };

/** `open` gives an empty storage; `again` another instance on the same one. */
export function storageSuite(name: string, open: () => Promise<Storage>, again?: (first: Storage) => Promise<Storage>, { folderOrder = false }: SuiteOptions = {}): void {
  const promise = (what: string, tell: (storage: Storage) => Promise<void>) =>
    test(`${name}: ${what}`, async () => {
      await using storage = await open();
      await tell(storage);
    });

  promise("an object is what was put, or absent", async (storage) => {
    assert.equal(await storage.read("a/b"), undefined);
    assert.equal(await storage.get("a/b"), undefined);
    assert.equal(await storage.stat("a/b"), undefined);
    assert.equal(await storage.put("a/b", Buffer.from("one")), true);
    assert.equal(String(await storage.read("a/b")), "one");
    assert.equal(await storage.put("a/b", Buffer.from("two!")), true);
    assert.equal((await storage.stat("a/b"))?.size, 4);
    await storage.delete("a/b");
    await storage.delete("a/b");
    assert.equal(await storage.stat("a/b"), undefined);
  });

  promise("only the first of those who put if it is absent puts", async (storage) => {
    const wins = await Promise.all(Array.from({ length: 8 }, (_, index) => storage.put("a/once", Buffer.from(`${index}`), { ifAbsent: true })));
    assert.equal(wins.filter(Boolean).length, 1);
    assert.equal(String(await storage.read("a/once")), String(wins.indexOf(true)));
  });

  promise("an empty object exists, and its version changes with its bytes", async (storage) => {
    assert.equal(await storage.put("a/mark", Buffer.alloc(0)), true);
    assert.equal(await storage.put("a/mark", Buffer.alloc(0), { ifAbsent: true }), false);
    const before = await storage.stat("a/mark");
    assert.equal(before?.size, 0);
    assert.equal((await storage.read("a/mark"))?.length, 0);
    await storage.put("a/mark", Buffer.from("x"));
    assert.notEqual((await storage.stat("a/mark"))?.version, before?.version);
  });

  promise("ranges", async (storage) => {
    const bytes = randomBytes(300_000);
    await storage.put("a/bytes", bytes);
    for (const [start, end] of [[0, 300_000], [0, 1], [299_999, 300_000], [100, 200_000]] as const) {
      const object = await storage.get("a/bytes", { start, end });
      assert.equal(object?.size, 300_000);
      assert.ok(Buffer.concat(await Array.fromAsync(object.stream)).equals(bytes.subarray(start, end)));
    }
    const rest = await storage.get("a/bytes", { start: 250_000 });
    assert.ok(Buffer.concat(await Array.fromAsync(rest!.stream)).equals(bytes.subarray(250_000)));
  });

  promise("keys come in byte order, and after one", async (storage) => {
    for (const key of ["l/b", "l/a-b/x", "l/a/x", "l/a.b", "l/A", "l/_z", "m/other"]) await storage.put(key, Buffer.from("1"));
    const all = folderOrder ? ["l/A", "l/_z", "l/a/x", "l/a-b/x", "l/a.b", "l/b"] : ["l/A", "l/_z", "l/a-b/x", "l/a.b", "l/a/x", "l/b"];
    assert.deepEqual(await Array.fromAsync(storage.list("l/")), all);
    for (const [index, after] of all.entries()) assert.deepEqual(await Array.fromAsync(storage.list("l/", { after })), all.slice(index + 1), after);
    assert.deepEqual(await Array.fromAsync(storage.list("none/")), []);
  });

  promise("move replaces, and tells that there was none", async (storage) => {
    await storage.put("a/from", Buffer.from("new"));
    await storage.put("b/to", Buffer.from("old"));
    assert.equal(await storage.move("a/from", "b/to"), true);
    assert.equal(String(await storage.read("b/to")), "new");
    assert.equal(await storage.stat("a/from"), undefined);
    assert.equal(await storage.move("a/from", "b/to"), false);
    assert.equal(String(await storage.read("b/to")), "new");
  });

  promise("renew makes an object young, and tells that there is none", async (storage) => {
    await storage.put("a/old", Buffer.from("1"));
    const before = (await storage.stat("a/old"))!.modified.getTime();
    assert.equal(await storage.renew("a/old"), true);
    assert.ok((await storage.stat("a/old"))!.modified.getTime() >= before);
    assert.equal(String(await storage.read("a/old")), "1");
    assert.equal(await storage.renew("a/none"), false);
  });

  promise("an upload goes on where it was left, keeps what came before a failure, and becomes an object", async (storage) => {
    assert.equal(await storage.upload("uploads/1"), undefined);
    const bytes = randomBytes(3_000_000);
    const first = (await storage.upload("uploads/1", { create: true }))!;
    assert.equal(await first.append(pieces(bytes.subarray(0, 1_000_000))), 1_000_000);
    await first.release();
    const second = (await storage.upload("uploads/1"))!;
    assert.equal(second.size, 1_000_000);
    await assert.rejects(second.append(cut(bytes.subarray(1_000_000, 2_000_000))), /cut/);
    assert.equal(second.size, 2_000_000);
    await second.release();
    const third = (await storage.upload("uploads/1"))!;
    await third.append(pieces(bytes.subarray(third.size)));
    assert.ok(Buffer.concat(await Array.fromAsync(third.read())).equals(bytes));
    await third.commit("done/1");
    assert.ok((await storage.read("done/1"))?.equals(bytes));
    await sameByPieces(storage, "done/1", bytes);
    assert.equal(await storage.upload("uploads/1"), undefined);
    assert.deepEqual(await Array.fromAsync(storage.uploads("uploads/")), []);
  });

  promise("an upload is of one at a time, also among instances", async (storage) => {
    const other = (await again?.(storage)) ?? storage;
    const mine = (await storage.upload("uploads/2", { create: true }))!;
    await mine.append(pieces(Buffer.from("mine")));
    await assert.rejects(other.upload("uploads/2"), (error) => kindOf(error) === "conflict");
    await mine.release();
    const theirs = (await other.upload("uploads/2"))!;
    assert.equal(theirs.size, 4);
    await assert.rejects(storage.upload("uploads/2"), (error) => kindOf(error) === "conflict");
    await theirs.abort();
    assert.equal(await storage.upload("uploads/2"), undefined);
  });

  promise("a dropped upload is gone for whoever has it open", async (storage) => {
    const one = (await storage.upload("uploads/3", { create: true }))!;
    await one.append(pieces(Buffer.from("bytes")));
    assert.deepEqual((await Array.fromAsync(storage.uploads("uploads/"))).map(({ key, size }) => [key, size]), [["uploads/3", 5]]);
    await storage.dropUpload("uploads/3");
    await assert.rejects(one.commit("done/3"));
    assert.equal(await storage.stat("done/3"), undefined);
    assert.equal(await storage.upload("uploads/3"), undefined);
  });

  promise("committing what is there already leaves one object", async (storage) => {
    for (const key of ["uploads/4", "uploads/5"]) {
      const one = (await storage.upload(key, { create: true }))!;
      await one.append(pieces(Buffer.from("same")));
      await one.commit("done/same");
    }
    assert.equal(String(await storage.read("done/same")), "same");
    assert.deepEqual(await Array.fromAsync(storage.uploads("uploads/")), []);
  });
}

/** Chunks that may be used again: each is looked at before the next is asked for. */
async function sameByPieces(storage: Storage, key: string, bytes: Buffer): Promise<void> {
  const object = await storage.get(key, { start: 0 }, { reuse: true });
  let at = 0;
  for await (const chunk of object!.stream) {
    assert.ok(chunk.equals(bytes.subarray(at, at + chunk.length)));
    at += chunk.length;
  }
  assert.equal(at, bytes.length);
}

async function* pieces(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
}

async function* cut(bytes: Buffer): AsyncGenerator<Buffer> {
  yield* pieces(bytes);
  throw new Error("cut");
}
