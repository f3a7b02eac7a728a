/** What outputs are made by: attributes, times, archives, records of packages. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { tarArchive } from "#base/tar-write.ts";
import { tarReader } from "#base/tar.ts";
import type { PlannedImage } from "../plan/plan.ts";
import { annotationsAt, imageOptions } from "./attributes.ts";
import { configurationText, historyOf } from "./configuration.ts";
import { packagesOf, recordsKind } from "./packages.ts";
import { withoutSecrets } from "./provenance.ts";
import { remakeArchive } from "./remake-archive.ts";

const options = (type: "image" | "oci" | "docker", attributes: Record<string, string>, epoch?: number) => imageOptions({ type, attributes }, epoch);

test("attributes: what stands for what", () => {
  assert.deepEqual(options("image", { name: "a, b:1" }).names, ["a", "b:1"]);
  assert.deepEqual([options("image", {}).compression, options("image", { push: "" }).compression, options("oci", {}).compression, options("oci", { compression: "zstd" }).compression], [undefined, "gzip", "gzip", "zstd"]);
  assert.deepEqual([options("image", {}).oci, options("docker", {}).oci, options("docker", { compression: "zstd" }).oci], [true, false, true]);
  assert.deepEqual([options("image", {}).rewrite, options("image", {}, 5).rewrite, options("image", { "rewrite-timestamp": "false" }, 5).rewrite, options("image", { "source-date-epoch": "7" }, 5).epoch], [false, true, false, 7]);
  assert.throws(() => options("image", { push: "perhaps" }), /non-bool value specified for push/);
  assert.throws(() => options("image", { "compression-level": "high" }), /non-int value high/);
});

test("annotations: by place and platform", () => {
  const { annotations } = imageOptions({ type: "oci", attributes: { "annotation.a": "1", "annotation-index.b": "2", "annotation-manifest[linux/arm64].c": "3", "annotation-manifest.d": "4", "annotation.with:colon": "5" } }, undefined);
  assert.deepEqual(annotationsAt(annotations, "manifest", { os: "linux", architecture: "amd64" }), { a: "1", d: "4", "with:colon": "5" });
  assert.deepEqual(annotationsAt(annotations, "manifest", { os: "linux", architecture: "arm64" }), { a: "1", c: "3", d: "4", "with:colon": "5" });
  assert.deepEqual(annotationsAt(annotations, "index"), { b: "2" });
  assert.equal(annotationsAt(annotations, "index-descriptor"), undefined);
  assert.throws(() => options("oci", { "annotation-what.a": "1" }), /unrecognized annotation type what/);
});

const IMAGE: PlannedImage = {
  platform: { os: "linux", architecture: "arm64" }, step: 3, config: { Cmd: ["x"] }, author: "",
  baseHistory: [{ created: "2020-01-01T00:00:00Z", created_by: "base" }],
  history: [{ createdBy: "ENV", comment: "c" }, { createdBy: "RUN", comment: "c", step: 2 }, { createdBy: "CMD", comment: "c" }, { createdBy: "WORKDIR", comment: "c", step: 3 }],
};

test("history: an entry without a layer has the time of what came before it, or of the first new layer", () => {
  const made = (step: number) => ({ layers: step === 3 ? 0 : 1, created: 1_700_000_000_000_000_000n });
  const times = historyOf(IMAGE, made, undefined);
  assert.deepEqual(times.map((entry) => [entry["created_by"], entry["created"], entry["empty_layer"] ?? false]), [
    ["base", "2020-01-01T00:00:00Z", false], ["ENV", "2023-11-14T22:13:20Z", true], ["RUN", "2023-11-14T22:13:20Z", false], ["CMD", "2023-11-14T22:13:20Z", true], ["WORKDIR", "2023-11-14T22:13:20Z", true],
  ]);
  assert.deepEqual(historyOf(IMAGE, made, 1_500_000_000).map(({ created }) => created), ["2020-01-01T00:00:00Z", ...Array.from({ length: 4 }, () => "2017-07-14T02:40:00Z")]);
  const plain = { ...IMAGE, history: [{ createdBy: "ENV", comment: "c" }] };
  assert.equal(historyOf(plain, made, undefined)[1]!["created"], "2020-01-01T00:00:00Z");
});

test("a configuration: keys in order, the time of its last entry, and nothing that is not known", () => {
  const text = configurationText({ image: IMAGE, diffIds: [], history: IMAGE.baseHistory, extra: { "a.cache": "x" } });
  assert.equal(text, '{"a.cache":"x","architecture":"arm64","config":{"Cmd":["x"]},"created":"2020-01-01T00:00:00Z","history":[{"created":"2020-01-01T00:00:00Z","created_by":"base"}],"os":"linux","rootfs":{"type":"layers","diff_ids":[]}}');
  assert.doesNotMatch(configurationText({ image: IMAGE, diffIds: [], history: [] }), /created/);
});

test("an archive made over: later times are the epoch's, all else is as it was, in whatever pieces it comes", async () => {
  const xattrs = { "user.a": Buffer.from([0, 255]) };
  const archive = tarArchive([
    { name: "d/", type: "directory", mode: 0o711, sec: 50 },
    { name: `d/${"n".repeat(150)}ü`, type: "file", mode: 0o4755, uid: 3_000_000, sec: 200, nsec: 5, data: "x".repeat(700), xattrs },
    { name: "l", type: "link", linkName: "d/f", sec: 100 },
    { name: "s", type: "symlink", linkName: "/else", sec: 101 },
    { name: "c", type: "char", major: 1, minor: 3 },
  ]);
  const pieces = async function* (size: number) {
    for (let at = 0; at < archive.length; at += size) yield archive.subarray(at, at + size);
  };
  const made = async (size: number) => Buffer.concat(await Array.fromAsync(remakeArchive(pieces(size), { epoch: 100, folder: "p/" })));
  const whole = await made(archive.length);
  assert.ok((await made(97)).equals(whole));
  const entries = [...tarReader().push(whole)].flatMap((event) => (event.kind === "entry" ? [event.entry] : []));
  assert.deepEqual(entries.map(({ sec, nsec }) => [sec, nsec]), [[50, 0], [100, 0], [100, 0], [100, 0], [0, 0]]);
  assert.deepEqual(entries.map(({ name, linkName }) => `${String(name)}>${String(linkName)}`), ["p/d/>", `p/d/${"n".repeat(150)}ü>`, "p/l>p/d/f", "p/s>/else", "p/c>"]);
  assert.deepEqual([entries[1]!.mode, entries[1]!.uid, entries[1]!.size, entries[1]!.xattrs[0]![1], entries[4]!.minor], [0o4755, 3_000_000, 700, xattrs["user.a"], 3]);
});

test("records of packages", () => {
  const dpkg = "Package: a\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:2.0-1\nDescription: x\n folded: no field\n\nPackage: gone\nStatus: deinstall ok config-files\nVersion: 1\n";
  const apk = "P:musl\nV:1.2\nA:x86_64\nL:MIT\n\nP:broken\n";
  const of = (path: string, text: string, release = "") => packagesOf({ kind: recordsKind(path)!, path, text }, release).filter((one) => one !== undefined).map(({ url, license }) => [url, license]).toArray();
  assert.deepEqual(of("var/lib/dpkg/status", dpkg, 'ID="ubuntu"\n'), [["pkg:deb/ubuntu/a@1:2.0-1?arch=amd64", undefined]]);
  assert.deepEqual(of("lib/apk/db/installed", apk), [["pkg:apk/alpine/musl@1.2?arch=x86_64", "MIT"]]);
  assert.deepEqual(of("srv/node_modules/@s/p/package.json", '{"name":"@s/p","version":"1.0.0","license":"ISC"}'), [["pkg:npm/%40s/p@1.0.0", "ISC"]]);
  assert.deepEqual(of("usr/lib/python3/Some_Thing-1.dist-info/METADATA", "Name: Some_Thing\nVersion: 1\n\nName: other\n"), [["pkg:pypi/some-thing@1", undefined]]);
  assert.deepEqual(of("node_modules/x/package.json", "no JSON"), []);
  assert.deepEqual(of("var/lib/dpkg/status.d/a", "\n\nPackages\nPackage: a\nVersion: 1\n\n\nPackage: b\nVersion: 2"), [["pkg:deb/debian/a@1", undefined], ["pkg:deb/debian/b@2", undefined]]);
  const long = packagesOf({ kind: "dpkg", path: "var/lib/dpkg/status", text: `Package: a\n${"x\n".repeat(25_000)}Version: 1\n` }, "").toArray();
  assert.deepEqual(long.map((one) => one?.name), [undefined, undefined, "a"], "one long record is read with pauses");
  for (const path of ["var/lib/dpkg/info/x", "package.json", "node_modules/x/lib/package.json"]) assert.equal(recordsKind(path), undefined, path);
});

test("BLD-13: an address is told without who asks and what may be a token", () => {
  assert.equal(withoutSecrets("https://u:pw@h/r.git?access_token=x#main"), "https://h/r.git#main");
  assert.equal(withoutSecrets("ssh://git@h/r"), "ssh://h/r");
  assert.equal(withoutSecrets("https://u:p@w@h/@r.git"), "https://h/@r.git");
});
