/** Sizes that keep the code readable. A file may be above its budget only by being named here with the reason. */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { allSources, root } from "./sources.ts";

const linesOfFile = 400;
const charactersOfLine = 240;
/** docs/decisions/0008-the-size-of-cell.md */
const linesOfCell = 4700;

/** Tables and codecs, which are read by looking up and not from top to bottom. */
const exempt: ReadonlySet<string> = new Set([]);

const forbiddenNames = /(^|\/)(utils?|helpers?|common|manager|service|misc)(\/|\.ts$)/;

function lines(file: string): string[] {
  return readFileSync(join(root, file), "utf8").split("\n");
}

test(`no source has more than ${linesOfFile} lines`, () => {
  const long = allSources("src").filter((file) => !exempt.has(file) && lines(file).length > linesOfFile);
  assert.deepEqual(long.map((file) => `${file}: ${lines(file).length}`), []);
});

test("no file is named for nothing", () => {
  assert.deepEqual([...allSources("src"), ...allSources("test")].filter((file) => forbiddenNames.test(file)), []);
});

test("no default exports and no enums", () => {
  const pattern = /^export default\b|^\s*(?:export )?(?:const )?enum \w/;
  const wrong = allSources("src").flatMap((file) => lines(file).flatMap((line, at) => (pattern.test(line) ? [`${file}:${at + 1}: ${line.trim()}`] : [])));
  assert.deepEqual(wrong, []);
});

test("the words of a half-done thing are not in the sources", () => {
  const pattern = /\b(TODO|FIXME|XXX|HACK)\b/;
  const wrong = [...allSources("src"), ...globSync("native/*.[ch]", { cwd: root })].flatMap((file) =>
    lines(file).flatMap((line, at) => (pattern.test(line) ? [`${file}:${at + 1}`] : [])),
  );
  assert.deepEqual(wrong, []);
});

test(`no line has more than ${charactersOfLine} characters`, () => {
  const wrong = allSources("src").filter((file) => !file.endsWith(".test.ts")).flatMap((file) => lines(file).flatMap((line, at) => (line.length > charactersOfLine ? [`${file}:${at + 1}: ${line.length}`] : [])));
  assert.deepEqual(wrong, []);
});

test(`cell stays small: less than ${linesOfCell} lines of C that are neither generated nor empty nor a comment`, () => {
  const generated = new Set(["native/ops.h", "native/hello.c", "native/init.c"]);
  const code = globSync("native/*.[ch]", { cwd: root }).filter((file) => !generated.has(file)).flatMap((file) => lines(file).filter((line) => !/^\s*($|\/\/|\/?\*)/.test(line)));
  assert.ok(code.length <= linesOfCell, `${code.length} lines`);
});

test("nothing in the repository names a machine", () => {
  const pattern = /\/work\/main|\/work\/shared/;
  const files = [...allSources("src"), ...allSources("test"), ...allSources("bench"), ...globSync(["*.md", "docs/**/*.md", "native/*.[ch]", "native/*/*.[ch]", "native/Makefile"], { cwd: root })];
  assert.deepEqual(files.filter((file) => file !== "test/budgets.test.ts" && pattern.test(readFileSync(join(root, file), "utf8"))), []);
});
