import assert from "node:assert/strict";
import { test } from "node:test";
import { parseTime } from "#base/clock.ts";
import { frameDetailed } from "./details.ts";
import { frameRecords, type RecordFilter } from "./record.ts";
import { unescape } from "./unescape.ts";

const all: RecordFilter = { stdout: true, stderr: true, raw: false, timestamps: false, details: false };
const TIME = "2026-01-02T03:04:05.000000006Z";
const record = (log: string, stream = "stdout", time = TIME, attrs?: object) => {
  const text = JSON.stringify(log).replace(/[<>&\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
  return `{"log":${text},"stream":"${stream}",${attrs === undefined ? "" : `"attrs":${JSON.stringify(attrs)},`}"time":"${time}"}\n`;
};
const frame = (text: string, stream = 1) => {
  const body = Buffer.from(text);
  const header = Buffer.from([stream, 0, 0, 0, 0, 0, 0, 0]);
  header.writeUInt32BE(body.length, 4);
  return Buffer.concat([header, body]).toString("latin1");
};
const run = (input: string, filter: Partial<RecordFilter> = {}) => {
  const buffer = Buffer.from(input);
  const pass = (filter.details ? frameDetailed : frameRecords)(buffer, buffer.length, { ...all, ...filter });
  return { text: Buffer.from(pass.frames).toString("latin1"), rest: pass.rest, past: pass.past };
};
const latin = (text: string) => Buffer.from(text).toString("latin1");

const texts = [
  "plain\n", "\n", "", "no newline", "a\tb\\c\"d\n", "\\n\n", "ends with quote\"\n", "ends with a slash\\\n",
  "<b>&amp;</b>\n", "\u2028\u2029\n", "é ü 漢字 🎉\n", "\u0001\u001b[31mred\u001b[0m\r\n", "x".repeat(16384), "\\".repeat(300) + "\n", "many\nlines\n",
];

test("each text comes back as it was written", () => {
  for (const text of texts) assert.equal(run(record(text)).text, frame(text), JSON.stringify(text));
  assert.equal(run(texts.map((text) => record(text)).join("")).text, texts.map((text) => frame(text)).join(""));
});

test("a terminal's log has no frames", () => {
  assert.equal(run(texts.map((text) => record(text)).join(""), { raw: true }).text, latin(texts.join("")));
});

test("timestamps have nine decimals whatever the record has", () => {
  const times = { "2026-01-02T03:04:05Z": "000000000", "2026-01-02T03:04:05.5Z": "500000000", [TIME]: "000000006" };
  for (const [time, decimals] of Object.entries(times)) {
    for (const text of texts) {
      const stamped = frame(`2026-01-02T03:04:05.${decimals}Z ${text}`);
      assert.equal(run(record(text, "stdout", time) + record("x\n", "stdout", time), { timestamps: true }).text, stamped + frame(`2026-01-02T03:04:05.${decimals}Z x\n`));
    }
  }
});

test("streams are told apart", () => {
  const input = record("o\n") + record("e\n", "stderr") + record("o2\n");
  assert.equal(run(input).text, frame("o\n") + frame("e\n", 2) + frame("o2\n"));
  assert.equal(run(input, { stdout: false }).text, frame("e\n", 2));
  assert.equal(run(input, { stderr: false }).text, frame("o\n") + frame("o2\n"));
});

test("neighbours of one stream share a frame, up to a size", () => {
  const input = record("a\n") + record("b\n") + record("e\n", "stderr") + record("c\\\n");
  assert.equal(run(input, { joined: true }).text, frame("a\nb\n") + frame("e\n", 2) + frame("c\\\n"));
  assert.equal(run(input, { joined: true, stderr: false }).text, frame("a\nb\nc\\\n"));
  assert.equal(run(input, { joined: true, raw: true }).text, "a\nb\ne\nc\\\n");
  const long = "x".repeat(16383) + "\n";
  assert.equal(run(record(long).repeat(5), { joined: true }).text, frame(long.repeat(2)) + frame(long.repeat(2)) + frame(long));
});

test("attributes are skipped, and printed with details", () => {
  const input = record('a "b"\n', "stderr", TIME, { z: "1 2", a: "}\"," }) + record("c\n");
  assert.equal(run(input).text, frame('a "b"\n', 2) + frame("c\n"));
  assert.equal(run(input, { details: true }).text, frame('a=%7D%22%2C,z=1+2 a "b"\n', 2) + frame(" c\n"));
  assert.equal(run(record("c\n", "stdout", TIME, { a: "b" }), { details: true, timestamps: true }).text, frame(`${TIME} a=b c\n`));
});

test("since and until are inclusive, and until ends the reading", () => {
  const at = (seconds: string) => record(`${seconds}\n`, "stdout", `2026-01-01T00:00:${seconds}Z`);
  const input = at("01") + at("01.5") + at("02") + at("02.000000001") + at("03");
  const since = parseTime("2026-01-01T00:00:01.5Z")!;
  const until = parseTime("2026-01-01T00:00:02Z")!;
  assert.deepEqual(run(input, { since, until }), { text: frame("01.5\n") + frame("02\n"), rest: (at("01") + at("01.5") + at("02") + at("02.000000001")).length, past: true });
  assert.equal(run(input, { since }).past, false);
});

test("an incomplete record is left for later, wherever it is cut", () => {
  const whole = record("first\n");
  const cut = record('second \\ "x"\n', "stderr", "2026-01-02T03:04:05.5Z", { a: "b" });
  for (let length = 0; length < cut.length; length++) {
    assert.deepEqual(run(whole + cut.slice(0, length)), { text: frame("first\n"), rest: whole.length, past: false }, `cut at ${length}`);
  }
});

test("bytes beyond what is filled are not looked at", () => {
  const buffer = Buffer.from(record("a\n") + record("b\n"));
  const pass = frameRecords(buffer, record("a\n").length + 10, all);
  assert.deepEqual([pass.frames.toString("latin1"), pass.rest], [frame("a\n"), record("a\n").length]);
});

test("lines that are not records are left out, and the next one is read", () => {
  const bad = ["rubbish", "", "{}", '{"log":"torn', '{"log":"torn{"log":"x\\n","stream":"stdout","time":"2026-01-02T03:04:05Z"}', '{"log":"a\\n","stream":"stdout"}', "\0\0\0", '{"log":"a\\n","stream":"stdout","time":"now"}'];
  for (const line of bad) {
    assert.equal(run(`${record("a\n")}${line}\n${record("b\n")}`).text, frame("a\n") + frame("b\n"), line);
    assert.equal(run(`${line}\n${record("b\n")}`, { details: true }).text, frame(" b\n"), line);
  }
});

test("a torn record does not swallow the next one", () => {
  const torn = record("text\n");
  for (let length = 1; length < torn.length - 1; length++) {
    assert.equal(run(`${torn.slice(0, length)}\n${record("b\n")}`).text, frame("b\n"), `torn at ${length}`);
  }
});

test("unescape: surrogate pairs, lone surrogates, unknown escapes, a slash at the end", () => {
  const table: [string, string][] = [["\\ud83c\\udf89", "🎉"], ["\\ud83cx", "\ufffdx"], ["\\udf89", "\ufffd"], ["\\q\\/", "q/"], ["a\\", "a\\"], ["\\u00e9\\u6f22", "é漢"], ["\\b\\f\\n\\r\\t", "\b\f\n\r\t"]];
  for (const [input, output] of table) {
    const buffer = Buffer.from(input);
    assert.equal(buffer.subarray(0, unescape(buffer, 0, buffer.length)).toString(), output);
  }
});
