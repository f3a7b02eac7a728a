/** Tables of what goes in and what people see. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { printed } from "#spec/go-template-print.ts";
import type { Output } from "../client.ts";
import { alignColumns } from "./columns.ts";
import { type ContainerRow, containersView } from "./containers.ts";
import { escapeControls } from "./escape.ts";
import { explainPage } from "./explain.ts";
import { encodeJson } from "./functions.ts";
import { imageRows, type ImageSummary, imagesView } from "./images.ts";
import { indentJson } from "./indent.ts";
import { shapeTyped } from "./inspect-shape.ts";
import { parseMoment } from "./moment.ts";
import { compactPorts, type Port } from "./ports.ts";
import { printRows } from "./rows.ts";
import { goTime, goTimeOf } from "./time.ts";
import { binarySize, ellipsis, humanDuration, humanSize, shortId } from "./units.ts";

function capture(isTerminal = false): Output & { text: string } {
  const out = { fd: 1 as const, isTerminal, columns: 80, text: "", write: (data: string | Uint8Array) => void (out.text += data.toString()) };
  return out;
}

const sizes: [number, string][] = [[0, "0B"], [12, "12B"], [999, "999B"], [1000, "1kB"], [1234567, "1.23MB"], [999999999, "1e+03MB"], [1e12, "1TB"], [1.5e15, "1.5PB"]];
for (const [bytes, text] of sizes) test(`${bytes} bytes are ${text}`, () => assert.equal(humanSize(bytes), text));
test("four digits, and powers of 1024", () => {
  assert.equal(humanSize(1983616, 4), "1.984MB");
  assert.equal(binarySize(25276502016), "23.54GiB");
});

const spans: [number, string][] = [
  [0.5, "Less than a second"], [1.9, "1 second"], [59, "59 seconds"], [60, "About a minute"], [119, "About a minute"], [120, "2 minutes"],
  [3599, "59 minutes"], [3600, "About an hour"], [5399, "About an hour"], [5400, "2 hours"], [47 * 3600, "47 hours"], [48 * 3600, "2 days"],
  [13 * 86400, "13 days"], [14 * 86400, "2 weeks"], [60 * 86400, "2 months"], [729 * 86400, "24 months"], [730 * 86400, "2 years"],
];
for (const [seconds, text] of spans) test(`${seconds} seconds are ${text}`, () => assert.equal(humanDuration(seconds), text));

test("texts are shortened by characters, ids to twelve digits", () => {
  assert.equal(ellipsis("12345", 5), "12345");
  assert.equal(ellipsis("ééééééé", 5), "éééé…");
  assert.equal(shortId("sha256:0123456789abcdef"), "0123456789ab");
  assert.equal(shortId("abc"), "abc");
});

test("columns are as wide as their widest cell, the last one is not padded", () => {
  assert.deepEqual(alignColumns(["A\tB\tC", "longer than ten\té\tx", "no cells", "1\t2"]), [
    "A                 B         C",
    "longer than ten   é         x",
    "no cells",
    "1         2",
  ]);
});

const ports: [Port[], string][] = [
  [[], ""],
  [[{ PrivatePort: 80, Type: "tcp" }], "80/tcp"],
  [[{ IP: "0.0.0.0", PrivatePort: 80, PublicPort: 8080, Type: "tcp" }], "0.0.0.0:8080->80/tcp"],
  [[{ IP: "0.0.0.0", PrivatePort: 81, PublicPort: 81, Type: "tcp" }, { IP: "0.0.0.0", PrivatePort: 80, PublicPort: 80, Type: "tcp" }], "0.0.0.0:80-81->80-81/tcp"],
  [[{ IP: "::", PrivatePort: 80, PublicPort: 80, Type: "tcp" }], "[::]:80->80/tcp"],
  [[90, 91, 93].map((PrivatePort) => ({ PrivatePort, Type: "udp" })), "90-91/udp, 93/udp"],
];
for (const [list, text] of ports) test(`ports ${text || "none"}`, () => assert.equal(compactPorts(list), text));

const row: ContainerRow = {
  Id: "0123456789abcdef".repeat(4),
  Names: ["/web", "/other/alias"],
  Image: "reg.io:5000/a/b:1@sha256:" + "a".repeat(64),
  ImageID: "sha256:" + "b".repeat(64),
  Command: 'sh -c "a very long command"',
  Created: 1_700_000_000,
  Ports: [],
  SizeRw: 12345,
  SizeRootFs: 1234567890,
  Labels: { "com.x.some-label": "z", a: "1" },
  State: "running",
  Status: "Up 2 minutes",
  NetworkSettings: { Networks: { b: {}, a: {} } },
  Mounts: [{ Name: "a-volume-with-a-long-name", Source: "", Driver: "local" }, { Source: "/a" }],
};
const view = containersView({ full: false, size: false, now: 1_700_000_100 });

async function rows(format: string, options: { quiet?: boolean; isTerminal?: boolean; row?: ContainerRow } = {}): Promise<string> {
  const out = capture(options.isTerminal);
  await printRows(out, view, [options.row ?? row], { format, quiet: options.quiet ?? false });
  return out.text;
}

const formats: [format: string, text: string][] = [
  ["", 'CONTAINER ID   IMAGE               COMMAND                   CREATED              STATUS         PORTS     NAMES\n0123456789ab   reg.io:5000/a/b:1   "sh -c \\"a very long …"   About a minute ago   Up 2 minutes             web\n'],
  ["table {{.ID}}\\t{{.Names}}", "CONTAINER ID   NAMES\n0123456789ab   web\n"],
  ['table {{.Label "com.x.some-label"}}\t{{upper .Names}}', "some label   NAMES\nz            WEB\n"],
  ["{{.Names}}: {{.Size}} {{.Mounts}} {{.LocalVolumes}} {{.Networks}}", "web: 12.3kB (virtual 1.23GB) a-volume-with-…,/a 1 a,b\n"],
  ['{{.Label "a"}}|{{.Label "nope"}}|{{.Labels}}', "1||a=1,com.x.some-label=z\n"],
  ["{{json .Command}}", '"\\"sh -c \\\\\\"a very long …\\""\n'],
];
for (const [format, text] of formats) test(`rows as ${JSON.stringify(format)}`, async () => assert.equal(await rows(format), text));

test("json: every field, keys in order", async () => {
  const keys = Object.keys(JSON.parse(await rows("json")));
  assert.deepEqual(keys, [...keys].sort());
  assert.ok(keys.includes("RunningFor") && keys.includes("State"));
});

test("quiet rows are ids", async () => assert.equal(await rows("", { quiet: true }), "0123456789ab\n"));

test("a template that asks for what is not there", async () => {
  await assert.rejects(rows("{{.Nope}}"), /^Failure: template parsing error: template: :1:2: executing "" at <.Nope>: can't evaluate field Nope in type \*formatter.ContainerContext$/);
});

test("a terminal is not sent what a name or label holds", async () => {
  const hostile = { ...row, Names: ["/a\x1b[2Jb\u202ec"], Labels: { x: "\x1b]0;title\x07\n" } };
  assert.doesNotMatch(await rows("", { isTerminal: true, row: hostile }), /[\x1b\u202e]/);
  assert.equal(await rows("{{.Labels}}", { isTerminal: true, row: hostile }), "x=\\x1b]0;title\\x07\\n\n");
  assert.match(await rows("{{.Names}}", { row: hostile }), /\x1b\[2J/);
});

test("control characters are shown, all else is left", () => {
  assert.equal(escapeControls("a\tb\r\n\x00\x9b é 漢 🎉", true), "a\\tb\\r\\n\\x00\\x9b é 漢 🎉");
  assert.equal(escapeControls("\x1b[1m", false), "\x1b[1m");
});

const image: ImageSummary = { Id: "sha256:" + "c".repeat(64), RepoTags: null, RepoDigests: null, Created: 0, Size: 5 };
const digest = "sha256:" + "d".repeat(64);
const named: [tags: string[] | null, digests: string[] | null, wanted: boolean, rows: string[]][] = [
  [null, null, false, ["<none> <none> <none>"]],
  [["a:1", "a:2", "reg.io/b:1"], null, false, ["a 1 <none>", "a 2 <none>", "reg.io/b 1 <none>"]],
  [["a:1"], [`a@${digest}`], true, [`a 1 ${digest}`]],
  [["a:1"], [`a@${digest}`], false, ["a 1 <none>"]],
  [[], [`x@${digest}`], true, [`x <none> ${digest}`]],
  [["docker.io/library/a:1"], null, false, ["a 1 <none>"]],
];
for (const [RepoTags, RepoDigests, wanted, expected] of named) {
  test(`rows of an image with ${JSON.stringify(RepoTags)}`, () => {
    const found = imageRows([{ ...image, RepoTags, RepoDigests }], wanted);
    assert.deepEqual(found.map((each) => `${each.repository} ${each.tag} ${each.digest}`), expected);
  });
}
test("images: the table", async () => {
  const out = capture();
  await printRows(out, imagesView({ full: false, digests: false, now: 3600 }), imageRows([{ ...image, RepoTags: ["a:1"] }], false));
  assert.equal(out.text, "REPOSITORY   TAG       IMAGE ID       CREATED             SIZE\na            1         cccccccccccc   About an hour ago   5B\n");
});

test("JSON is indented without being read: numbers stay as they are", () => {
  assert.equal(indentJson('{"a":12345678901234567890,"b":[],"c":{},"d":[1,{"e":"x, {\\"y\\": 1}"}]}'), `{\n    "a": 12345678901234567890,\n    "b": [],\n    "c": {},\n    "d": [\n        1,\n        {\n            "e": "x, {\\"y\\": 1}"\n        }\n    ]\n}`);
});

test("JSON as Go encodes it", () => {
  assert.equal(encodeJson({ b: "<&>", a: 1 }), '{"a":1,"b":"\\u003c\\u0026\\u003e"}');
  assert.equal(encodeJson({ b: "<", a: 1 }, false), '{"a":1,"b":"<"}');
});

test("inspected objects: nothing is nothing of its kind", () => {
  const lenient = new WeakSet<object>();
  const shaped = shapeTyped({ Id: "x", State: { Status: "up" }, HostConfig: { Binds: null, PidsLimit: null, PortBindings: null }, Config: { Labels: { a: "1" } } }, lenient) as Record<string, never>;
  const { HostConfig: host, State: state, Config: config } = shaped as unknown as Record<string, Record<string, object>>;
  assert.deepEqual(host!["Binds"], []);
  assert.equal((host!["PidsLimit"] as { [printed]: string })[printed], "<nil>");
  assert.equal((state!["Health"] as { [printed]: string })[printed], "<nil>");
  assert.ok(lenient.has(config!["Labels"]!) && lenient.has(host!["PortBindings"]!));
  assert.equal(shaped["ID"], "x");
  assert.equal(JSON.stringify(shaped), '{"Id":"x","State":{"Status":"up"},"HostConfig":{"Binds":null,"PidsLimit":null,"PortBindings":null},"Config":{"Labels":{"a":"1"}}}');
});

const moments: [text: string, sent: string | undefined][] = [
  ["", undefined],
  ["1700000000", "1700000000"],
  ["1700000000.123", "1700000000.123"],
  ["2023-11-14T22:13:20Z", "1700000000.000000000"],
  ["2023-11-14T22:13:20.123456789Z", "1700000000.123456789"],
  ["2023-11-14T23:13:20+01:00", "1700000000.000000000"],
  ["10m", "1699999400.000000000"],
  ["1.5s", "1699999998.500000000"],
];
for (const [text, sent] of moments) test(`moment ${JSON.stringify(text)}`, () => assert.equal(parseMoment(text, "since", 1_700_000_000_000), sent));
test("no moment", () => assert.throws(() => parseMoment("x", "since"), /^Failure: invalid value for "since": failed to parse value as time or duration: "x"$/));

test("times as Go prints them", () => {
  assert.equal(goTime(1_700_000_000, "120000000", true), "2023-11-14 22:13:20.12 +0000 UTC");
  assert.equal(goTimeOf("2026-01-01T00:00:00.120000000Z"), "2026-01-01 00:00:00.12 +0000 UTC");
  assert.equal(goTimeOf("2026-01-01T00:00:00+01:00"), "2026-01-01 00:00:00 +0100 +0100");
});

test("the page of explain: names and values, lists, tables", () => {
  const page = explainPage({ id: "abc", cgroupFiles: { "memory.max": "max", "cpu.max": 5 }, mounts: [{ source: "a\x1b", target: "/" }, { source: "proc", target: "/proc" }], none: [], program: Array.from({ length: 9 }, (_, at) => `op ${at}`) }, true);
  assert.match(page, /^Id {2}abc$/m);
  assert.match(page, /^CGROUP FILES$/m);
  assert.match(page, /^ {2}memory\.max {2}max$/m);
  assert.match(page, /^ {2}SOURCE {3,}TARGET$/m);
  assert.match(page, /^ {2}a\\x1b {3,}\/$/m);
  assert.match(page, /^ {2}op 8$/m);
  assert.doesNotMatch(page, /none/i);
});

test("the page of explain: named objects of one kind are a table, the id is told in full once", () => {
  const id = "ab".repeat(32);
  const page = explainPage({ id, namespaces: { net: { link: "net:[1]", shared: false }, pid: { link: "pid:[2]", shared: true } }, paths: [`/x/${id}/${"y".repeat(60)}`] }, false);
  assert.match(page, /^NAMESPACES\n {2} +LINK {5,}SHARED\n {2}Net {3}net:\[1\] {3}false\n {2}Pid {3}pid:\[2\] {3}true$/m);
  assert.equal(page.split(id).length, 2);
  assert.match(explainPage({ processes: { titles: ["PID", "CMD"], rows: [["7", "sleep 5"], ["12345", "sh"]] } }, false), /^PROCESSES\n {2}PID {5}CMD\n {2}7 {7}sleep 5\n {2}12345 {3}sh$/m);
  assert.match(page, /^ {2}\/x\/abababababab…\/y+$/m);
});
