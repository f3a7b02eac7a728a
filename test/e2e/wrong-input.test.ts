import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { busyboxLayer, imageArchive, ociArchive } from "../fixtures/image.ts";
import { tar, type Entry } from "../fixtures/tar.ts";
import { peer, stories } from "./harness.ts";

const { story } = stories("wrong input");

const commands: [argv: string[], code: number, message: RegExp][] = [
  [["run"], 1, /requires at least 1 argument/],
  [["run", "--memory"], 125, /flag needs an argument: --memory/],
  [["run", "-Z", "busybox"], 125, /unknown shorthand flag: 'Z' in -Z/],
  [["run", "UPPER"], 125, /invalid reference format: repository name.*must be lowercase/],
  [["run", "busybox@sha256:nope"], 125, /invalid reference format|invalid checksum/],
  [["nosuch"], 1, /is not a docker command|is not a gantry command|unknown command/],
  [["create", "--name", "a b", "busybox"], 1, /Invalid container name \(a b\), only \[a-zA-Z0-9\]\[a-zA-Z0-9_\.-\] are allowed/],
  [["start"], 1, /requires at least 1 argument/],
  [["start", "nosuch"], 1, /No such container: nosuch/],
  [["rm", "nosuch"], 1, /No such container: nosuch/],
  [["stop", "nosuch"], 1, /No such container: nosuch/],
  [["wait", "nosuch"], 1, /No such container: nosuch/],
  [["pause", "nosuch"], 1, /No such container: nosuch/],
  [["rename", "nosuch", "x1"], 1, /No such container: nosuch/],
  [["top", "nosuch"], 1, /No such container: nosuch/],
  [["inspect", "nosuch"], 1, /No such object: nosuch/],
  [["load", "-i", "/nosuch"], 1, /no such file or directory/],
  [["save"], 1, /requires at least 1 argument/],
  [["run", "--mount", "type=bind", "busybox"], 125, /target is required/],
  [["run", "-e", "=x", "busybox"], 125, /invalid environment variable: =x/],
  [["run", "--env-file", "/nosuch", "busybox"], 125, /no such file or directory/],
  [["run", "--network", "host", "-p", "80:80", "--pull", "never", "absent:1"], 125, /No such image: absent:1/],
];
for (const [argv, code, message] of commands) {
  story(argv.join(" "), async ({ cli }) => void (await cli.fails(code, message, ...argv)));
}

const hostile: [what: string, entries: Entry[]][] = [
  ["a path that climbs out", [{ path: "../../tmp/gantry-escaped", data: "x" }]],
  ["an absolute path", [{ path: "/tmp/gantry-escaped", data: "x" }]],
  ["a link out, then a file through it", [{ path: "out", link: "/tmp" }, { path: "out/gantry-escaped", data: "x" }]],
  ["a hard link to the host's file", [{ path: "passwd", hard: "/etc/passwd" }]],
  ["a hard link that climbs", [{ path: "passwd", hard: "../../../../../../etc/passwd" }]],
  ["a link to a folder above, then through it", [{ path: "up", link: "../../../../../../tmp" }, { path: "up/gantry-escaped", data: "x" }]],
];
for (const [what, entries] of hostile) {
  story(`a layer with ${what} writes nothing outside`, async ({ cli, file }) => {
    const before = statSync("/etc/passwd");
    await cli("load", "-i", file("h.tar", imageArchive(["hostile:1"], [busyboxLayer(), tar(entries)], { Cmd: ["sh"] })));
    await cli("run", "--rm", "hostile:1", "sh", "-c", "echo changed >/passwd; true");
    assert.throws(() => statSync("/tmp/gantry-escaped"), { code: "ENOENT" });
    assert.deepEqual([statSync("/etc/passwd").nlink, statSync("/etc/passwd").mtimeMs], [before.nlink, before.mtimeMs]);
    await cli("rmi", "-f", "hostile:1");
  });
}

const corrupt: [what: string, archive: () => Buffer][] = [
  ["bytes that are no archive", () => Buffer.alloc(4096, "not a tar archive ")],
  ["an empty file", () => Buffer.alloc(0)],
  ["an archive cut in the middle", () => ((all) => all.subarray(0, all.length >> 1))(imageArchive(["cut:1"], [busyboxLayer()]))],
  ["gzip that is cut", () => ((all) => all.subarray(0, all.length >> 1))(gzipSync(imageArchive(["cut:1"], [busyboxLayer()])))],
  ["a manifest that names a layer that is not there", () => tar([{ path: "manifest.json", data: JSON.stringify([{ Config: "c.json", RepoTags: ["x:1"], Layers: ["nosuch/layer.tar"] }]) }, { path: "c.json", data: "{}" }])],
  ["a manifest that is not JSON", () => tar([{ path: "manifest.json", data: "{" }])],
  ["a layer whose digest is another", () => Buffer.from(imageArchive(["x:1"], [tar([{ path: "a", data: "1111" }])]).toString("latin1").replace("1111", "2222"), "latin1")],
];
for (const [what, archive] of corrupt) {
  story(`load of ${what} is refused, and leaves nothing`, async ({ cli, file }) => {
    const result = await cli("load", "-i", file("c.tar", archive()));
    if (peer === "gantry" || !["an empty file"].includes(what)) assert.notEqual(result.code, 0, result.stdout);
    assert.deepEqual((await cli.ok("images", "--format", "{{.Repository}}")).split("\n").filter((name) => name !== "hello"), ["busybox"]);
    await cli.ok("run", "--rm", "busybox", "true");
  });
}

story("an OCI layer whose digest is another is refused", async ({ cli, file }) => {
  const layer = tar([{ path: "a", data: "1111" }]);
  const broken = Buffer.from(ociArchive("x:1", layer, {}, (bytes) => bytes, "").toString("latin1").replace("1111", "2222"), "latin1");
  await cli.fails(1, /digest|sha256/i, "load", "-i", file("o.tar", broken));
}, { only: "gantry-engine" });

story("requests that are no requests: the engine answers, and goes on", async ({ engine }) => {
  const bad: [string, string, unknown, number][] = [
    ["POST", "/containers/create", "text", peer === "gantry" ? 400 : 500],
    ["POST", "/containers/create", { Image: 7 }, peer === "gantry" ? 400 : 500],
    ["POST", "/containers/create", {}, 400],
    ["GET", "/containers/json?filters=nope", undefined, peer === "gantry" ? 400 : 500],
    ["GET", "/v9.99/containers/json", undefined, 400],
    ["GET", "/nosuch", undefined, 404],
    ["POST", "/containers/nosuch/start", undefined, 404],
    ["GET", "/containers/nosuch/json", undefined, 404],
    ["POST", "/exec/nosuch/start", { Detach: true }, 404],
    ["DELETE", "/images/nosuch", undefined, 404],
  ];
  for (const [method, path, body, status] of bad) {
    const answer = await engine.api(method, path, body);
    assert.equal(answer.status, status, `${method} ${path}: ${JSON.stringify(answer.body)}`);
  }
  assert.equal((await engine.api("GET", "/_ping")).status, 200);
}, { only: "docker" });

story("what is not there yet answers 501, swarm 503, with a sentence", async ({ engine }) => {
  const absent: [string, string, number][] = [
    ["POST", "/plugins/create", 501],
    ["POST", "/plugins/pull", 501],
    ["GET", "/swarm", 503],
    ["GET", "/services", 503],
  ];
  for (const [method, path, status] of absent) {
    const answer = await engine.api(method, path);
    assert.equal(answer.status, status, path);
    assert.match((answer.body as { message: string }).message, /\w+ \w+/);
  }
}, { only: "gantry-engine" });
