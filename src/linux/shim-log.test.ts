import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { after, test } from "node:test";
import { collect, demux, openStage, readUntil } from "./shim-fixture.ts";
import { CONTAINER } from "./shim.ts";

const stage = await openStage();
after(() => stage[Symbol.asyncDispose]());

const STAMP = /"time":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{0,8}[1-9])?Z)"/;
const entries = (text: string) => text.split("\n").slice(0, -1);
const untimed = (text: string) => entries(text).map((line) => line.replace(STAMP, '"time":""'));

/** Lines of 0 to 19 characters, plain, and with one that is escaped or is not ASCII anywhere. */
const short = Array.from({ length: 20 }, (_, length) => ["é", "<", "\\", "x"].flatMap((odd) => Array.from({ length: length || 1 }, (_, at) => ("a".repeat(at) + odd + "b".repeat(length)).slice(0, length)))).flat();

/** What a container writes to stdout → `log` of the entries, as JSON text. */
const table: [name: string, bytes: Buffer, logs: string[]][] = [
  ["nothing", Buffer.alloc(0), []],
  ["lines", Buffer.from("a\n\nb\n"), ["a\\n", "\\n", "b\\n"]],
  ["an unfinished line", Buffer.from("a\nb"), ["a\\n", "b"]],
  ["what Go escapes", Buffer.from("<a href=\"x\\y\">&\t\r\b\x00\x1f\x7f'/\n"), ["\\u003ca href=\\\"x\\\\y\\\"\\u003e\\u0026\\u0009\\r\\u0008\\u0000\\u001f\x7f'/\\n"]],
  ["plain stretches of all lengths", Buffer.from("0123456789abcdef\"0123456789abcde<0123456789abcdefg\n"), ["0123456789abcdef\\\"0123456789abcde\\u003c0123456789abcdefg\\n"]],
  ["characters", Buffer.from("é€😀\u2028\u2029\u2027\ufffd\u{10ffff}\n"), ["é€😀\\u2028\\u2029\u2027\ufffd\u{10ffff}\\n"]],
  ["bytes that are none", Buffer.from([0xff, 0xc0, 0x80, 0xe2, 0x82, 0x41, 0xed, 0xa0, 0x80, 0xf4, 0x90, 0x80, 0x80, 0xc3, 0x0a]), [
    "\\ufffd\\ufffd\\ufffd\\ufffd\\ufffdA" + "\\ufffd".repeat(3) + "\\ufffd".repeat(4) + "\\ufffd\\n",
  ]],
  ["a character that the end cuts", Buffer.from([0x61, 0xe2, 0x82]), ["a\\ufffd\\ufffd"]],
  ["a line of 16 KiB less one", Buffer.from("x".repeat(16383) + "\n"), ["x".repeat(16383) + "\\n"]],
  ["a line of 16 KiB", Buffer.from("x".repeat(16384) + "\ny\n"), ["x".repeat(16384), "\\n", "y\\n"]],
  ["a line of 40,000", Buffer.from("x".repeat(40000) + "\n"), ["x".repeat(16384), "x".repeat(16384), "x".repeat(7232) + "\\n"]],
  ["a long line without end", Buffer.from("x".repeat(16384)), ["x".repeat(16384)]],
  ["a character across the pieces", Buffer.from("x".repeat(16383) + "é\n"), ["x".repeat(16383) + "\\ufffd", "\\ufffd\\n"]],
  ["short lines, each character at each place", Buffer.from(short.map((line) => line + "\n").join("")), short.map((line) => line.replaceAll("\\", "\\\\").replaceAll("<", "\\u003c") + "\\n")],
  ["the worst bytes", Buffer.alloc(100_000, 1), [...Array(6).fill("\\u0001".repeat(16384)) as string[], "\\u0001".repeat(1696)]],
];

for (const [name, bytes, logs] of table) {
  test(`the log of ${name}`, async () => {
    writeFileSync(`${stage.dir}/input`, bytes);
    await using c = await stage.launch({ sh: `cat ${stage.dir}/input` });
    await c.shim.start();
    await c.event("exited");
    assert.deepEqual(untimed(c.log()), logs.map((log) => `{"log":"${log}","stream":"stdout","time":""}`));
    const times = entries(c.log()).map((line) => STAMP.exec(line)?.[1] ?? assert.fail(line));
    assert.deepEqual(times, times.toSorted());
    for (const line of entries(c.log())) JSON.parse(line);
  });
}

test("slow writing makes the same log as fast", async () => {
  await using c = await stage.launch({ sh: "printf 'be'; sleep 0.01; printf 'gin\\nsec'; sleep 0.01; printf 'ond\\n'; echo err >&2" });
  await c.shim.start();
  await c.event("exited");
  const lines = untimed(c.log());
  assert.deepEqual(lines.toSorted(), ['{"log":"begin\\n","stream":"stdout","time":""}', '{"log":"err\\n","stream":"stderr","time":""}', '{"log":"second\\n","stream":"stdout","time":""}']);
});

test("attributes stand between stream and time, as they are", async () => {
  await using c = await stage.launch({ sh: "echo x", logAttrs: '{"a":"b"}' });
  await c.shim.start();
  await c.event("exited");
  assert.deepEqual(untimed(c.log()), ['{"log":"x\\n","stream":"stdout","attrs":{"a":"b"},"time":""}']);
});

test("no log is written when none is wanted", async () => {
  await using c = await stage.launch({ sh: "echo x", flags: 0 });
  await c.shim.start();
  await c.event("exited");
  assert.ok(!existsSync(`${c.dir}/log`));
});

test("a log is gone on with, not begun again", async () => {
  await using first = await stage.launch({ sh: "echo one" });
  await first.shim.start();
  await first.event("exited");
  await using second = await stage.launch({ sh: "echo two", log: `${first.dir}/log` });
  await second.shim.start();
  await second.event("exited");
  assert.deepEqual(entries(first.log()).map((line) => (JSON.parse(line) as { log: string }).log), ["one\n", "two\n"]);
});

for (const [files, names] of [[3, ["log.2", "log.1", "log"]], [1, ["log"]]] as const) {
  test(`a log of ${files} files rotates when one is full`, async () => {
    const max = 10_000;
    await using c = await stage.launch({ sh: "seq 20000", logMaxSize: max, logMaxFiles: files });
    await c.shim.start();
    await c.event("exited");
    for (const name of names) assert.ok(statSync(`${c.dir}/${name}`).size < max + 100, name);
    for (const name of names.slice(0, -1)) assert.ok(statSync(`${c.dir}/${name}`).size >= max, name);
    assert.ok(!existsSync(`${c.dir}/log.${files}`));
    const lines = names.flatMap((name) => entries(c.log(name)).map((line) => Number((JSON.parse(line) as { log: string }).log)));
    assert.deepEqual(lines, Array.from({ length: lines.length }, (_, i) => 20001 - lines.length + i));
    assert.ok(lines.length > (files - 1) * 100);
  });
}

test("a log that somebody moved is opened anew by order; the place of a live stream tells of it", async () => {
  await using c = await stage.launch({ sh: "echo one; read x; echo two" });
  const stream = await c.attach();
  await c.shim.start();
  let place = await c.shim.attach(CONTAINER, {});
  while (place.logOffset === 0n) (place.stream.destroy(), (place = await c.shim.attach(CONTAINER, {})));
  place.stream.destroy();
  assert.equal(place.logGeneration, 0);
  renameSync(`${c.dir}/log`, `${c.dir}/moved`);
  await c.shim.rotate();
  const after = await c.shim.attach(CONTAINER, {});
  after.stream.destroy();
  assert.deepEqual([after.logOffset, after.logGeneration], [0n, 1]);
  stream.end("go\n");
  await collect(stream);
  assert.match(c.log("moved"), /one/);
  assert.match(c.log(), /^[^\n]*two[^\n]*\n$/);
});

test("a log that cannot be written is told, and the container goes on", async () => {
  await using full = await openStage({ failpoints: "shim-log=errno:28@2" });
  await using c = await full.launch({ sh: "while read x; do echo $x; done" });
  const stream = await c.attach();
  await c.shim.start();
  for (const word of ["one", "two", "three"]) {
    stream.write(word + "\n");
    await readUntil(stream, word);
  }
  assert.equal((await c.event("logError")).errno, 28);
  stream.end();
  await collect(stream);
  assert.deepEqual(entries(c.log()).map((line) => (JSON.parse(line) as { log: string }).log), ["one\n", "three\n"]);
});

test("a full disk costs entries, never half of one, and room again brings the log back", async () => {
  const disk = `${stage.dir}/disk`;
  mkdirSync(disk);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=256k", "none", disk]);
  try {
    writeFileSync(`${disk}/ballast`, Buffer.alloc(128 << 10));
    await using c = await stage.launch({ sh: "seq 20000; read go; echo after", log: `${disk}/log` });
    const stream = await c.attach();
    await c.shim.start();
    assert.equal((await c.event("logError")).errno, 28);
    await readUntil(stream, "\n20000\n");
    (await c.shim.attach(CONTAINER, {})).stream.destroy(); /* answered after that was logged, or not */
    rmSync(`${disk}/ballast`);
    stream.end("go\n");
    assert.equal(demux(await collect(stream)).out.toString(), "after\n");
    const logs = entries(readFileSync(`${disk}/log`, "utf8")).map((line) => (JSON.parse(line) as { log: string }).log);
    const whole = logs.filter((log) => log !== "after\n").map(Number);
    assert.ok(whole.length > 500 && whole.length < 5000, `${whole.length} entries`);
    assert.deepEqual(whole, whole.toSorted((a, b) => a - b));
    assert.equal(logs.at(-1), "after\n");
  } finally {
    execFileSync("umount", ["-l", disk]);
  }
});

test("a log that is a link is not followed", async () => {
  symlinkSync("/tmp", `${stage.dir}/link`);
  await assert.rejects(stage.launch({ log: `${stage.dir}/link` }), { code: "ELOOP" });
});
