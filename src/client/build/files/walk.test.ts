import assert from "node:assert/strict";
import { chmodSync, linkSync, mkdirSync, mkdtempSync, renameSync, rmdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { after, test } from "node:test";
import { loadReader, type Reading } from "./read-folder.ts";
import { openFolder } from "./folder.ts";
import { EVERYTHING } from "./select.ts";
import { walkFolder } from "./walk.ts";

const folder = mkdtempSync("/tmp/walk-test-");
after(() => rmSync(folder, { recursive: true }));
mkdirSync(`${folder}/b/c/d`, { recursive: true });
mkdirSync(`${folder}/b.c`);
mkdirSync(`${folder}/é`);
for (const [at, name] of ["a", "b/c/file", "b/z", "b.c/y", "é/ü\u{1f600}", "é/\uffff", `${"long".repeat(60)}`].entries()) {
  writeFileSync(`${folder}/${name}`, "x".repeat(at));
  utimesSync(`${folder}/${name}`, at, 1_600_000_000.123456 + at);
}
chmodSync(`${folder}/a`, 0o4751);
symlinkSync("b/c", `${folder}/link`);
linkSync(`${folder}/a`, `${folder}/b/again`);

const signal = new AbortController().signal;
const byNode: Reading = { state: () => undefined, end: async () => undefined };
const entries = async (reading: Reading | undefined) => {
  const listing = await (await walkFolder(folder, { selection: EVERYTHING, signal, reading })).listing();
  return listing.paths.map((_, place) => listing.entry(place));
};

test("folders read at once are what they are a file at a time", async () => {
  assert.ok(loadReader() !== undefined);
  const wanted = await entries(byNode);
  assert.equal(wanted.length, 14);
  assert.deepEqual(await entries(undefined), wanted);
});

test("where something is ignored, no folder is read at once: what is ignored is not looked at", async () => {
  const ahead = { take: () => assert.fail("it was"), state: () => assert.fail("it was") };
  const walked = await openFolder(folder, ahead).walk({ include: [], exclude: ["b"], follow: [] }, signal);
  const { paths } = await walked.listing();
  assert.ok(paths.length > 5 && !paths.includes("b"));
});

test("the name of what was read at once is the same as long as nothing changes, and another after any change", async () => {
  const state = async () => (await walkFolder(folder, { selection: EVERYTHING, signal })).state();
  const seen = new Set([await state()]);
  assert.ok(seen.has(await state()));
  const changes = [
    () => writeFileSync(`${folder}/b/c/file`, "y"),
    () => chmodSync(`${folder}/é`, 0o700),
    () => renameSync(`${folder}/b.c/y`, `${folder}/b.c/x`),
    () => mkdirSync(`${folder}/b/c/d/e`),
    () => rmSync(`${folder}/link`),
    () => linkSync(`${folder}/b/z`, `${folder}/z`),
    () => renameSync(`${folder}/b/c/d`, `${folder}/b/d`),
  ];
  for (const [at, change] of changes.entries()) {
    change();
    const next = await state();
    assert.ok(!seen.has(next), `change ${at}`);
    seen.add(next);
  }
});

test("what cannot be read at once is told as Node tells it", async () => {
  const read = loadReader()!;
  for (const path of ["/nowhere", "/a", "\0/b", "/x".repeat(3000)]) assert.equal(await read(`${folder}${path}`)?.end(signal), undefined);
  await assert.rejects(walkFolder(`${folder}/nowhere`, { selection: EVERYTHING, signal }), { code: "ENOENT" });
  writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0xff])]), "");
  const walked = await walkFolder(folder, { selection: EVERYTHING, signal });
  await assert.rejects(walked.listing(), /is not UTF-8/);
});

test("a folder with a name that is no UTF-8 is told as Node tells it", async () => {
  const broken = Buffer.concat([Buffer.from(`${folder}/b/`), Buffer.from([0xfe])]);
  mkdirSync(broken);
  const whole = await loadReader()!(`${folder}/b`)!.end(signal);
  assert.equal(whole!.lists(), undefined);
  rmdirSync(broken);
});

test("a large folder is told in the order of its names", async () => {
  const large = `${folder}/large`;
  mkdirSync(large);
  for (let at = 0; at < 1100; at++) writeFileSync(`${large}/${at}-${"n".repeat(200)}`, "");
  const whole = await loadReader()!(large)!.end(signal);
  const names = whole!.lists()!.get("")!.names();
  assert.equal(names.length, 1100);
  assert.deepEqual(names, [...names].sort());
});
