/** What people and programs see of a build, of what an engine tells. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { In as InputOf } from "#base/protobuf.ts";
import { statusResponse } from "#spec/buildkit/control.ts";
import type { Status } from "../solve.ts";
import { readColors } from "./colors.ts";
import { openDisplay, type ProgressMode } from "./display.ts";
import { openPlain } from "./plain.ts";
import { solveStatus } from "./raw-json.ts";
import { openTty, render } from "./tty.ts";
import { openTrace } from "./trace.ts";
import { widthOf } from "./width.ts";

const at = (ms: number) => ({ seconds: 1_700_000_000 + Math.floor(ms / 1000), nanos: (ms % 1000) * 1e6 });
/** As it comes over the wire. */
const status = (told: InputOf<typeof statusResponse>): Status => statusResponse.decode(statusResponse.encode(told));
const begins = (digest: string, name: string, ms: number, more: object = {}) => ({ digest, name, started: at(ms), ...more });
const log = (vertex: string, text: string, ms: number) => ({ vertex, msg: Buffer.from(text), timestamp: at(ms), stream: 1 });

function plain(...told: InputOf<typeof statusResponse>[]): string {
  let text = "";
  const display = openPlain((more) => (text += more), { every: 0 });
  for (const one of told) display.update(status(one));
  display.end();
  return text;
}

test("plain: a step that writes, one that is found, one that fails, one that is given up", () => {
  const text = plain(
    { vertexes: [{ digest: "a", name: "not begun" }, begins("b", "[1/4] FROM busybox", 0, { completed: at(0), cached: true })] },
    { vertexes: [begins("c", "[2/4] RUN make", 100)], logs: [log("c", "one\ntw", 412)] },
    { logs: [log("c", "o\nlast", 11_600)], statuses: [{ id: "transferring", vertex: "c", current: 31, started: at(100), completed: at(300), timestamp: at(300) }] },
    { vertexes: [begins("c", "[2/4] RUN make", 100, { completed: at(12_100) })] },
    { vertexes: [begins("d", "[3/4] RUN false", 12_200)], logs: [log("d", "no\n", 12_300)] },
    { vertexes: [begins("d", "[3/4] RUN false", 12_200, { completed: at(12_400), error: "exit code: 1" }), begins("e", "[4/4] RUN sleep", 12_200, { completed: at(12_400), error: "context canceled" })] },
  );
  assert.equal(
    text,
    [
      "#1 [1/4] FROM busybox\n#1 CACHED\n",
      "#2 [2/4] RUN make\n#2 0.312 one\n#2 0.312 tw\n#2 transferring 31B 0.2s done\n#2 0.312 two\n#2 11.50 last\n#2 DONE 12.0s\n",
      "#3 [3/4] RUN false\n#3 0.100 no\n#3 ERROR: exit code: 1\n",
      "#4 [4/4] RUN sleep\n#4 CANCELED\n------\n > [3/4] RUN false:\n0.100 no\n------\n",
    ].join("\n"),
  );
});

test("plain: of a line that goes on what there is; whose turn ends there is told whole the next time", () => {
  const text = plain(
    { vertexes: [begins("a", "A", 0)], logs: [log("a", "..", 100)] },
    { logs: [log("a", ".é".slice(0, 1), 200)] },
    { logs: [{ vertex: "a", msg: Buffer.from("é").subarray(0, 1), timestamp: at(300) }] },
    { logs: [{ vertex: "a", msg: Buffer.from("é done\nnext"), timestamp: at(400) }].map((one) => ({ ...one, msg: one.msg.subarray(1) })) },
    { vertexes: [begins("b", "B", 400, { completed: at(500) })] },
    { vertexes: [begins("a", "A", 0, { completed: at(600) })] },
  );
  assert.equal(text, "#1 A\n#1 0.100 ...é done\n#1 0.400 next\n#1 ...\n\n#2 B\n#2 DONE 0.1s\n\n#1 A\n#1 0.400 next\n#1 DONE 0.6s\n");
});

test("plain: steps at once take turns, and nothing that they write is lost or mixed within a line", () => {
  const lines = Array.from({ length: 50 }, (_, index) => index);
  const text = plain(
    { vertexes: [begins("a", "A", 0), begins("b", "B", 0)] },
    ...lines.map((index) => ({ logs: [log("a", `a${index}\n`, index), log("b", `b${index}\n`, index)] })),
    { vertexes: [begins("b", "B", 0, { completed: at(60) })] },
    { vertexes: [begins("a", "A", 0, { completed: at(70) })] },
  );
  for (const [number, letter] of [["1", "a"], ["2", "b"]] as const) {
    const seen = [...text.matchAll(new RegExp(`^#${number} \\S+ ${letter}(\\d+)$`, "gm"))].map((match) => Number(match[1]));
    assert.deepEqual(seen, lines, letter);
  }
  assert.match(text, /#1 \.\.\.\n\n#2 B\n/);
});

test("plain: a long line without an end, and bytes that are no text, are shown", () => {
  const text = plain({ vertexes: [begins("a", "A", 0)] }, { logs: [log("a", "x".repeat(200_000), 1)] }, { logs: [{ vertex: "a", msg: Buffer.from([0xff, 10]), timestamp: at(2) }] }, { vertexes: [begins("a", "A", 0, { completed: at(3) })] });
  assert.equal([...text.matchAll(/x/g)].length, 200_000);
});

const given: readonly (readonly [ProgressMode, RegExp])[] = [
  ["tty", /=> CANCELED \[2\/2\] RUN sleep +\d+\.\ds/],
  ["plain", /^#1 \[2\/2\] RUN sleep\n#1 CANCELED\n$/],
  ["rawjson", /\n\{"vertexes":\[\{"digest":"a","name":"\[2\/2\] RUN sleep","error":"context canceled","started":"2023-11-14T22:13:20Z","completed":"2023-11-14T22:13:\d\d[^"]*"\}\]\}\n$/],
];
for (const [mode, wanted] of given) {
  test(`${mode}: what still runs when nothing more is told has been given up; nothing is shown after the end`, () => {
    let text = "";
    const err = { fd: 2 as const, isTerminal: true, columns: 80, write: (more: string | Uint8Array) => void (text += more) };
    const display = openDisplay({ err, env: { NO_COLOR: "1" } }, mode, {});
    display.update(status({ vertexes: [begins("a", "[2/2] RUN sleep", 0)] }));
    display.end();
    assert.match(text, wanted);
    const { length } = text;
    display.update(status({ vertexes: [begins("b", "another", 1)] }));
    display.end();
    assert.equal(text.length, length);
  });
}

test("rawjson: BuildKit's objects", () => {
  const told = solveStatus(status({ vertexes: [begins("sha256:a", "A", 5, { completed: at(1000), cached: true, inputs: ["sha256:b"] })], logs: [log("sha256:a", "hi\n", 7)], statuses: [{ id: "i", vertex: "sha256:a", current: 0, total: 3, timestamp: at(0) }] }));
  const warned = solveStatus(status({ warnings: [{ vertex: "v", level: 1, short: Buffer.from("s"), info: { filename: "Dockerfile" }, ranges: [{ start: { line: 3 }, end: { line: 3 } }] }] }));
  assert.deepEqual(JSON.parse(JSON.stringify(warned)), { warnings: [{ vertex: "v", level: 1, short: "cw==", sourceInfo: { filename: "Dockerfile" }, range: [{ start: { line: 3 }, end: { line: 3 } }] }] });
  assert.deepEqual(JSON.parse(JSON.stringify(told)), {
    vertexes: [{ digest: "sha256:a", inputs: ["sha256:b"], name: "A", started: "2023-11-14T22:13:20.005Z", completed: "2023-11-14T22:13:21Z", cached: true }],
    statuses: [{ id: "i", vertex: "sha256:a", total: 3, current: 0, timestamp: "2023-11-14T22:13:20Z" }],
    logs: [{ vertex: "sha256:a", stream: 1, data: "aGkK", timestamp: "2023-11-14T22:13:20.007Z" }],
  });
});

const noColors = readColors({ NO_COLOR: "1" });

test("a terminal: what runs with its last lines, what is done, and nothing that moves the cursor", () => {
  const trace = openTrace();
  trace.feed(status({ vertexes: [begins("a", "[1/2] FROM x", 0, { completed: at(100), cached: true }), begins("b", "[2/2] RUN \x1b[2Jmake\tit", 100)], logs: [log("b", "\x1b[31mred\x1b[0m\n50%\r100%", 200)] }));
  trace.steps[1]!.output.kept.push(...trace.steps[1]!.output.fresh.splice(0));
  const frame = (rows: number, columns: number, final = false) => render(trace, { rows, columns, colors: noColors, title: "here", final });
  const lines = frame(24, 60);
  assert.match(lines[0]!, /^\[\+\] Building \d+\.\ds \(1\/2\) +here$/);
  assert.match(lines[1]!, /^ => CACHED \[1\/2\] FROM x +0\.1s$/);
  assert.match(lines[2]!, /^ => \[2\/2\] RUN make it +\d+\.\ds$/);
  assert.deepEqual(lines.slice(3), [" => => # 0.100 red", " => => # 100%"]);
  for (const columns of [5, 10, 20, 40]) assert.ok(frame(24, columns).every((line) => line.length < columns), `${columns} columns`);
  assert.match(frame(24, 26)[0]!, /^\[\+\] Building \d+\.\ds \(1\/2\)$/, "no room for which engine");
  for (const rows of [1, 2, 3, 5]) assert.ok(frame(rows, 60).length <= Math.max(2, rows - 1), `${rows} rows`);
});

test("a terminal: letters that are two columns wide, or none", () => {
  const trace = openTrace();
  trace.feed(status({ vertexes: [begins("a", "RUN echo 日本語日本語日本語日本語 e\u0301\u0301 🚀🚀🚀", 0, { completed: at(100) })] }));
  for (let columns = 12; columns < 70; columns++) {
    const [, line = ""] = render(trace, { rows: 24, columns, colors: noColors, title: "", final: true });
    const width = widthOf(line);
    assert.ok(width < columns, `${columns}: ${line}`);
    if (columns > 20) assert.match(line, / 0\.1s$/);
  }
  assert.deepEqual(["日本", "e\u0301", "🚀", "ab", "é"].map(widthOf), [4, 1, 2, 2, 1]);
});

test("a terminal: many steps on a small screen: those that run are seen; in the end all are", () => {
  const trace = openTrace();
  const many = Array.from({ length: 40 }, (_, index) => begins(`s${index}`, `step ${index}`, index, index === 3 ? {} : { completed: at(index + 1) }));
  trace.feed(status({ vertexes: many }));
  const lines = render(trace, { rows: 10, columns: 60, colors: noColors, title: "", final: false });
  assert.ok(lines.length <= 9 && lines.some((line) => line.includes(" step 3 ")) && lines.some((line) => line.includes(" step 39 ")), lines.join("\n"));
  assert.equal(render(trace, { rows: 10, columns: 60, colors: noColors, title: "", final: true }).length, 41);
});

test("a terminal: a step that failed shows all it wrote, and the others nothing", () => {
  let text = "";
  const display = openTty({ write: (more) => (text += more), size: () => ({ rows: 24, columns: 80 }) }, noColors, "");
  display.update(status({ vertexes: [begins("a", "A", 0), begins("b", "B", 0)], logs: [log("a", "quiet\n", 1)] }));
  display.update(status({ logs: [log("b", Array.from({ length: 500 }, (_, index) => `line ${index}\n`).join(""), 2)] }));
  display.update(status({ vertexes: [begins("a", "A", 0, { completed: at(3) }), begins("b", "B", 0, { completed: at(4), error: "exit code: 2" })] }));
  text = "";
  display.end();
  const after = text.slice(text.indexOf("------"));
  assert.equal([...after.matchAll(/line \d+\n/g)].length, 500);
  assert.ok(!after.includes("quiet"));
});

test("a terminal: as many lines as a message can hold", () => {
  let text = "";
  const display = openTty({ write: (more) => (text += more), size: () => ({ rows: 24, columns: 80 }) }, noColors, "");
  display.update(status({ vertexes: [begins("a", "A", 0)], logs: [log("a", "\n".repeat(150_000), 1)] }));
  display.update(status({ vertexes: [begins("a", "A", 0, { completed: at(4), error: "exit code: 2" })] }));
  display.end();
  assert.equal([...text.slice(text.indexOf("------")).matchAll(/^0\.001 $/gm)].length, 150_000);
});

test("colours: none, others, wrong ones", () => {
  assert.equal(readColors({ NO_COLOR: "1", BUILDKIT_COLORS: "run=green" }).paint("x", "34"), "x");
  const { run, error, cancel } = readColors({ BUILDKIT_COLORS: "run=light-green:error=1,2,3:cancel=nonsense" });
  assert.deepEqual([run, error, cancel], ["92", "33", "33"].with(1, "38;2;1;2;3"));
});
