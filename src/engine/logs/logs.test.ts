import assert from "node:assert/strict";
import { appendFile, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { test } from "node:test";
import { closeFiles, openFiles, seekTail } from "./files.ts";
import { readFrames } from "./read.ts";
import { readLog, type LogSource, type ReadOptions } from "./logs.ts";

const record = (text: string) => `{"log":${JSON.stringify(text)},"stream":"stdout","time":"2026-01-02T03:04:05.000000006Z"}\n`;
const lines = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `line ${from + i}\n`);
const records = (from: number, to: number) => lines(from, to).map(record).join("");

const options = (more: Partial<ReadOptions> = {}): ReadOptions => ({
  stdout: true, stderr: true, raw: true, timestamps: false, details: false, follow: false, signal: AbortSignal.timeout(20_000), ...more,
});

async function read(source: LogSource, more: Partial<ReadOptions> = {}): Promise<string> {
  let text = "";
  for await (const frames of readLog(source, options(more))) text += frames.toString();
  return text;
}

async function withFolder(run: (path: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp("/tmp/gantry-logs-");
  try {
    await run(`${folder}/c.log`);
  } finally {
    await rm(folder, { recursive: true });
  }
}

test("a log that does not exist is empty", () => withFolder(async (path) => {
  assert.equal(await read({ path }), "");
  assert.equal(await read({ path, ended: Promise.resolve() }, { follow: true }), "");
}));

test("rotated files come first, oldest first; tail reaches over them", () => withFolder(async (path) => {
  await writeFile(`${path}.2`, records(0, 3));
  await writeFile(`${path}.1`, records(3, 6));
  await writeFile(path, records(6, 9));
  assert.equal(await read({ path }), lines(0, 9).join(""));
  for (let tail = 0; tail <= 10; tail++) assert.equal(await read({ path }, { tail }), lines(Math.max(0, 9 - tail), 9).join(""), `tail ${tail}`);
}));

test("what is written once the last lines were found is not among them, unless the log is followed", () => withFolder(async (path) => {
  for (const goesOn of [false, true]) {
    await writeFile(path, records(0, 6));
    const files = await openFiles(path);
    await seekTail(files, 2, { goesOn });
    await appendFile(path, records(6, 7));
    let text = "";
    for await (const frames of readFrames(files[0]!, options())) text += frames.toString();
    await closeFiles(files);
    assert.equal(text, lines(4, goesOn ? 7 : 6).join(""));
  }
}));

test("large files: every line, in order, and the last ones", () => withFolder(async (path) => {
  await writeFile(path, records(0, 60_000));
  assert.equal(await read({ path }), lines(0, 60_000).join(""));
  assert.equal(await read({ path }, { tail: 30_001 }), lines(29_999, 60_000).join(""));
}));

test("long records, and one too long to be a record", () => withFolder(async (path) => {
  const long = "x".repeat(300_000) + "\n";
  await writeFile(path, record("a\n") + record(long) + record("y".repeat(40_000_000)) + record("b\n"));
  assert.equal(await read({ path }), `a\n${long}b\n`);
}));

test("upTo ends the current file only", () => withFolder(async (path) => {
  await writeFile(`${path}.1`, records(0, 3));
  await writeFile(path, records(3, 6));
  assert.equal(await read({ path }, { upTo: records(3, 5).length }), lines(0, 5).join(""));
  assert.equal(await read({ path }, { upTo: 0 }), lines(0, 3).join(""));
}));

test("follow: what comes later, over rotations, to the end", () => withFolder(async (path) => {
  await writeFile(path, records(0, 2));
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  let text = "";
  const until = (wanted: string) => new Promise<void>((resolve) => wanted === text ? resolve() : waiting.push({ wanted, resolve }));
  const waiting: { wanted: string; resolve: () => void }[] = [];
  const done = (async () => {
    for await (const frames of readLog({ path, ended }, options({ follow: true, tail: 1 }))) {
      text += frames.toString();
      for (const { wanted, resolve } of waiting) if (text === wanted) resolve();
    }
  })();
  await until(lines(1, 2).join(""));
  await appendFile(path, records(2, 4));
  await until(lines(1, 4).join(""));
  // Half a record, then the rest.
  await appendFile(path, record("line 4\n").slice(0, 20));
  await appendFile(path, record("line 4\n").slice(20) + records(5, 6));
  await until(lines(1, 6).join(""));
  // Two rotations between two looks.
  await appendFile(path, records(6, 7));
  await rename(path, `${path}.1`);
  await writeFile(path, records(7, 8));
  await rename(`${path}.1`, `${path}.2`);
  await rename(path, `${path}.1`);
  await writeFile(path, records(8, 9));
  await until(lines(1, 9).join(""));
  await appendFile(path, records(9, 12));
  end();
  await done;
  assert.equal(text, lines(1, 12).join(""));
}));

test("follow ends at until, and with the signal", () => withFolder(async (path) => {
  await writeFile(path, records(0, 2));
  const never = new Promise<void>(() => {});
  assert.equal(await read({ path, ended: never }, { follow: true, until: 1n }), "");
  const abort = new AbortController();
  const reading = read({ path, ended: never }, { follow: true, signal: abort.signal });
  abort.abort();
  await assert.rejects(reading, { name: "AbortError" });
}));
