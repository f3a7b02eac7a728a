/** Every list, in every format, prints what the official client prints of the same answers; and so do wrong lines. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { after, before, test } from "node:test";
import { noDocker, normalized, openRecorder, runLine } from "./harness/compare.ts";

const folder = mkdtempSync("/tmp/rows-");
const host = `unix://${folder}/s`;
const now = Math.floor(Date.now() / 1000);
const id = (digit: string) => digit + "123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

const containers = [
  {
    Id: id("0"),
    Names: ["/foo", "/bar/foo"],
    Image: "busybox:latest",
    ImageID: `sha256:${id("a")}`,
    Command: "sh -c 'echo a very long command \"x\"'",
    Created: now - 100,
    Ports: [
      { IP: "0.0.0.0", PrivatePort: 80, PublicPort: 80, Type: "tcp" },
      { IP: "::", PrivatePort: 80, PublicPort: 80, Type: "tcp" },
      { IP: "0.0.0.0", PrivatePort: 81, PublicPort: 81, Type: "tcp" },
      { PrivatePort: 90, Type: "udp" },
      { PrivatePort: 91, Type: "udp" },
      { IP: "1.2.3.4", PrivatePort: 443, PublicPort: 8443, Type: "tcp" },
    ],
    SizeRw: 12345,
    SizeRootFs: 1234567890,
    Labels: { a: "1", "com.x.some-label": "z" },
    State: "running",
    Status: "Up 2 minutes",
    HostConfig: { NetworkMode: "default" },
    NetworkSettings: { Networks: { bridge: {} } },
    Mounts: [
      { Type: "volume", Name: "myvolumewithalongname", Source: "", Destination: "/x", Driver: "local" },
      { Type: "bind", Source: "/a", Destination: "/b" },
    ],
  },
  {
    Id: id("1"),
    Names: ["/baré"],
    Image: `reg.io:5000/a/b:1@sha256:${id("a")}`,
    ImageID: `sha256:${id("a")}`,
    Command: "é",
    Created: now - 1_000_000,
    Ports: [],
    Labels: null,
    State: "exited",
    Status: "Exited (0) 2 minutes ago",
    HostConfig: { NetworkMode: "default" },
    NetworkSettings: { Networks: {} },
    Mounts: [],
  },
];

/** One name each: the official client shows several in an order of chance. */
const images = [
  { Containers: -1, Created: now - 1_000_000, Id: `sha256:${id("a")}`, Labels: null, ParentId: "", RepoDigests: [`busybox@sha256:${id("b")}`], RepoTags: ["busybox:latest"], SharedSize: -1, Size: 999999999, VirtualSize: 5 },
  { Containers: -1, Created: 0, Id: `sha256:${id("c")}`, RepoDigests: null, RepoTags: null, Size: 12 },
  { Containers: 2, Created: now - 5, Id: `sha256:${id("d")}`, RepoDigests: [`x@sha256:${id("b")}`], RepoTags: [], Size: 1500 },
];

const volumes = [
  { CreatedAt: "2026-01-01T00:00:00Z", Driver: "local", Labels: { a: "b" }, Mountpoint: "/z", Name: "z", Options: null, Scope: "local" },
  { CreatedAt: "2026-01-01T00:00:00Z", Driver: "local", Labels: null, Mountpoint: "/v", Name: "a10", Options: null, Scope: "local" },
  { Driver: "local", Labels: null, Mountpoint: "/v", Name: "a9", Options: null, Scope: "local" },
];

const networks = [
  { Name: "none", Id: id("0"), Created: "2026-01-01T00:00:00.123456789Z", Scope: "local", Driver: "null", EnableIPv6: false, EnableIPv4: true, IPAM: {}, Internal: false, Labels: { q: "r" } },
  { Name: "bridge", Id: id("1"), Created: "2026-01-01T00:00:00.120000000Z", Scope: "local", Driver: "bridge", EnableIPv6: true, IPAM: {}, Internal: false, Labels: null },
];

const lines = [
  "@ ps",
  "@ ps -a",
  "@ ps --no-trunc",
  "@ ps --format json",
  "@ ps -s",
  "@ ps -q",
  "@ ps -q --format '{{.Names}}'",
  "@ ps -aq --no-trunc",
  "@ ps --format 'table {{.ID}}\\t{{.Label \"com.x.some-label\"}}\\t{{upper .Names}} {{json .Image}} {{pad .ID 3 3}} {{truncate .ID 3}} {{split .Names \",\"}} {{join (split .Names \",\") \"/\"}}'",
  "@ ps --format '{{.Nope}}'",
  "@ ps --format 'table {{.Nope}}'",
  "@ ps --format '{{.ID'",
  "@ ps --format raw",
  "@ ps --format 'raw' -s",
  "@ ps --format '{{json .Ports}}'",
  "@ ps --format '{{json .}}'",
  "@ ps --format table",
  "@ ps --format 'table {{len .Names}}'",
  "@ ps --format '{{println .ID \"x\"}}{{title \"foo bar\"}}'",
  "@ ps --format ''",
  "@ ps --format '{{.Size}}|{{.Mounts}}|{{.LocalVolumes}}|{{.Networks}}|{{.Labels}}|{{.CreatedAt}}'",
  "@ ps --format 'table {{.ID}} {{.RunningFor}}\\t{{.Ports}}'",
  "@ ps --format '{{.Label}}'",
  "@ ps --format '{{.Label 5}}'",
  "@ ps --format '{{.ID.x}}'",
  "@ ps --format '{{.ID 5}}'",
  "@ ps --format '{{truncate .ID}}'",
  "@ ps --format '{{truncate 5 5}}'",
  "@ ps --format '{{index .Names 0}}'",
  "@ ps --format '{{printf \"%-20s|%5d|%q\" .ID 5 .Names}}'",
  "@ ps --format '{{printf \"%d\" .ID}} {{printf \"%s\" 5}} {{printf \"%s\"}} {{printf \"x\" 5}}'",
  "@ ps --format '{{if eq .State \"running\"}}yes{{else}}no{{end}}'",
  "@ ps --format '{{if gt (len .Names) 3}}long{{end}}'",
  "@ ps --format '{{range split .Labels \",\"}}[{{.}}]{{end}}'",
  "@ ps --format '{{with .Ports}}{{.}}{{else}}none{{end}}'",
  "@ ps --format '{{$x := .ID}}{{$x}}-{{$x | upper}}'",
  "@ ps --format '{{.ID | printf \"%s-%s\" \"a\"}}'",
  "@ ps --format '{{- .ID -}}  x'",
  "@ ps --format '{{/* c */}}{{.ID}}'",
  "@ ps --format '{{eq .ID 5}}'",
  "@ ps --format '{{lt .ID \"z\"}} {{and true .ID}} {{or \"\" \"q\"}} {{not .ID}}'",
  "@ ps --format '{{foo}}'",
  "@ ps --format '{{if}}x{{end}}'",
  "@ ps --format '{{if .ID}}'",
  "@ ps --format '{{end}}'",
  "@ ps --format '{{.ID}'",
  "@ ps --format '{{\"a'",
  "@ ps --format '{{range .ID}}x{{end}}'",
  "@ ps --format '{{#}}'",
  "@ ps --format '{{5 | .ID}}'",
  "@ ps --format '{{.ID | 5}}'",
  "@ ps --format '{{nil}}'",
  "@ ps --format '{{len 5}}'",
  "@ ps --format '{{slice .ID 1 3}} {{html \"<a>\"}} {{js \"a<b\"}} {{urlquery \"a b&c\"}} {{print 1 2 \"x\" 3}}'",
  "@ ps --format '{{1.5}} {{0x10}} {{1e3}} {{\"\\x41\\n\"}} {{`raw`}}'",
  "@ ps --format '{{$x}}'",
  "@ ps --format '{{break}}'",
  "@ ps --format '{{range $i, $e := split .Names \",\"}}{{$i}}{{$e}}{{break}}{{end}}'",
  "@ ps --format '{{ .ID}} {{ (.ID) }} {{ ((upper .ID)) }}'",
  "@ ps --format '{{(}}'",
  "@ ps --format '{{)}}'",
  "@ ps --format '{{.ID ..Names}}'",
  "@ ps --format '{{else}}'",
  "@ ps --format '{{if .ID}}a{{else if .Names}}b{{else}}c{{end}}'",
  "@ ps --format '{{join .ID \",\"}}'",
  "@ ps --format '{{split .ID}}'",
  "@ ps --format '{{title .Status}} {{lower .Names}}'",
  "@ ps --format '{{pad \"\" 2 2}}|{{pad .ID 0 1}}|'",
  "@ ps -f x",
  "@ ps -f status=running -f label=a=b",
  "@ ps -n 1",
  "@ ps -l",
  "@ ps --last x",
  "@ images",
  "@ images -q",
  "@ images --format '{{.Size}} {{.VirtualSize}} {{.SharedSize}} {{.Containers}} {{.UniqueSize}} {{.CreatedAt}} {{.CreatedSince}}'",
  "@ images --format '{{.Nope}}'",
  "@ images --format '{{.ID'",
  "@ images --format raw",
  "@ images -q --no-trunc",
  "@ volume ls",
  "@ volume ls --format json",
  "@ volume ls -q",
  "@ volume ls --format '{{.Name}} {{.Labels}} {{.Mountpoint}} {{.Label \"a\"}}'",
  "@ volume ls --format raw",
  "@ network ls",
  "@ network ls --format json",
  "@ network ls --no-trunc -q",
  "@ network ls --format '{{.ID}} {{.CreatedAt}} {{.Internal}} {{.Labels}} {{.IPv6}}'",
  "TZ=Europe/Berlin @ ps --format '{{.CreatedAt}}'",
  "TZ=America/New_York @ ps --format '{{.CreatedAt}}'",
  "TZ=Asia/Kolkata @ ps --format '{{.CreatedAt}}'",
  "@ --foo",
  "@ -X ps",
  "@ --host",
  "@ -H a -H b ps",
  "@ -H foo://x ps",
  "@ -H unix:///nope ps",
  "@ ps a",
  "@ rm",
  "@ run",
  "@ rename a",
  "@ port",
  "@ port a b c",
  "@ tag a",
  "@ wait",
  "@ exec",
  "@ exec a",
  "@ context show x",
  "@ container foo",
  "@ foo",
  "@ help foo",
  "@ container --foo",
  "@ ps --last",
  "@ ps -n",
  "@ ps --all=x",
  "@ inspect",
  "@ inspect --type foo x",
  "@ inspect --type= x",
  "@ stop -t x y",
  "@ stop -tx y",
  "@ kill -s",
  "@ top",
];

let recorder: Awaited<ReturnType<typeof openRecorder>>;
before(async () => {
  recorder = await openRecorder(`${folder}/s`, {
    "/containers/json": containers,
    "/images/json": images,
    "/volumes": { Volumes: volumes, Warnings: null },
    "/networks": networks,
  });
});
after(async () => {
  await recorder?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

for (const line of lines) {
  test(line.replaceAll("@", "gantry"), { skip: noDocker ?? false }, async () => {
    const place = { host, cwd: folder, config: folder };
    const official = withoutSuggestion(normalized(await runLine("docker", line, place)));
    assert.deepEqual(withoutSuggestion(normalized(await runLine("gantry", line, place))), official);
  });
}

/** Ours alone says what might have been meant. */
function withoutSuggestion<T extends { stderr: string }>(printed: T): T {
  return { ...printed, stderr: printed.stderr.replace(/Did you mean this\?\n(\t.*\n)+\n/, "") };
}
