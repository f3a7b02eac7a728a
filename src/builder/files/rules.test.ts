/**
 * COPY and ADD by a table: what there is of a base and a context, the actions, and what the layer holds then. What is
 * expected was compared with BuildKit and dockerd's classic builder. Anyone can add a row.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { tarArchive } from "#base/tar-write.ts";
import type { FileAction } from "../graph.ts";
import { bzip2Archive, xzArchive } from "../../../test/fixtures/compressed.ts";
import { copyOf, dir, type Entry, file, layerLines, openWorld, symlink } from "./files-fixture.ts";

const BASE: Entry[] = [
  dir("etc"), file("etc/passwd", "root:x:0:0::/:/bin/sh\nbroken\nbob:x:12:34::/:/bin/sh\n"), file("etc/group", "staff:x:77:\n"),
  dir("dir", 0o700), dir("dir/sub", 0o750), file("dir/sub/keep"), symlink("dir/sl", "sub"), dir("real"), symlink("ln", "/real"), symlink("dang", "/real/deep"),
  symlink("up", "../../../real"), symlink("loop", "loop"), file("file", "old"), symlink("fl", "/file"), dir("q"), symlink("q/sub", "/real"),
];
const ARCHIVE: Entry[] = [dir("t"), file("t/x", "x", { uid: 5, gid: 6 }), symlink("t/abs", "/t"), file("t/abs/through", "y"), file("../out", "o")];
const binary = (bytes: Buffer) => bytes as unknown as string;
const CONTEXT: Entry[] = [
  file("top", "T"), file("a-b", "1"), dir("s"), file("s/a", "A", { mode: 0o600, uid: 9, gid: 9 }), dir("s/sub", 0o711), file("s/sub/b", "B", { mode: 0o4755 }), dir("s/empty", 0o1777),
  symlink("s/la", "a"), symlink("s/ld", "sub"), symlink("s/dang", "nope"), symlink("s/esc", "../../../../top"), symlink("s/abs", "/s/a"), { name: "s/hard", type: "link", linkName: "s/a", sec: 1000 },
  dir("p"), file("p/x1.txt", "1"), file("p/x2.txt", "2"), file("p/.hid", "3"), file("p/[w]", "w"), dir("file"), file("file/f"), dir("g"), file("g/dir", "d"), dir("md"), dir("md/sub"), file("md/sub/n", "n"),
  symlink("sd", "s/sub"), dir("one"), file("one/ar.tar", binary(tarArchive(ARCHIVE.slice(0, 1)))), file("ar.tar", binary(tarArchive(ARCHIVE))), file("ar.tgz", binary(gzipSync(tarArchive(ARCHIVE)))), file("ar.tar.zst", binary(zstdCompressSync(tarArchive(ARCHIVE)))), file("ar.xz", binary(xzArchive)), file("ar.bz2", binary(bzip2Archive)), file("empty.tar", ""), file("zero.tar", "\0".repeat(1024)), file("bad.tar", "no"),
  { name: "dev", type: "char", major: 1, minor: 3, mode: 0o666, sec: 1000 }, { name: "pipe", type: "fifo", mode: 0o640, sec: 1000 }, file("caps", "c", { xattrs: { "user.x": "1", "trusted.y": "2" } }), file("ü/ö", "u"),
];
const SUB = (at: string) => [`f 4755 0:0 ${at}/b = B`];
const DIR = "d 755 0:0";
const UNPACKED = (at: string) => [`${DIR} ${at}`, `f 644 0:0 ${at}/out = o`, `${DIR} ${at}/t`, `l 0:0 ${at}/t/abs -> /t`, `f 644 0:0 ${at}/t/through = y`, `f 644 5:6 ${at}/t/x = x`];

type Row = readonly [name: string, action: FileAction | readonly FileAction[], expected: readonly string[] | RegExp];
const add = (sources: string, destination: string, more = {}) => copyOf(sources, destination, { unpack: true, ...more });

const ROWS: readonly Row[] = [
  ["a file, called anew", copyOf("top", "/new"), ["f 644 0:0 new = T"]],
  ["into a directory that the slash makes", copyOf("top", "/n/m/"), [`${DIR} n`, `${DIR} n/m`, "f 644 0:0 n/m/top = T"]],
  ["into a directory that is there: it keeps its mode", copyOf("top", "/dir"), ["d 700 0:0 dir", "f 644 0:0 dir/top = T"]],
  ["over a file", copyOf("top", "/file"), ["f 644 0:0 file = T"]],
  ["over a link: what it leads to", copyOf("top", "/fl"), ["f 644 0:0 file = T"]],
  ["through a link of the base, inside its root", copyOf("top", "/up/x"), [`${DIR} real`, "f 644 0:0 real/x = T"]],
  ["to a link to a directory", copyOf("top", "/ln"), [`${DIR} real`, "f 644 0:0 real/top = T"]],
  ["to a link to nothing", copyOf("top", "/dang"), [`${DIR} real`, "f 644 0:0 real/deep = T"]],
  ["below a link to nothing", copyOf("top", "/dang/x/"), [`${DIR} real`, `${DIR} real/deep`, `${DIR} real/deep/x`, "f 644 0:0 real/deep/x/top = T"]],
  ["a link to itself", copyOf("top", "/loop/x"), /ELOOP|too many levels/],
  ["a directory's content", copyOf("s/sub", "/new"), [`${DIR} new`, ...SUB("new")]],
  ["a directory's content into one that is there", copyOf("s/sub", "/dir/"), ["d 700 0:0 dir", ...SUB("dir")]],
  ["nested directories take the source's mode", copyOf("md", "/dir"), ["d 700 0:0 dir", `${DIR} dir/sub`, "f 644 0:0 dir/sub/n = n"]],
  ["a tree of everything", copyOf("s", "/w"), [
    `${DIR} w`, "f 600 0:0 w/a = A", "l 0:0 w/abs -> /s/a", "l 0:0 w/dang -> nope", "d 1777 0:0 w/empty", "l 0:0 w/esc -> ../../../../top", "h w/hard => w/a", "l 0:0 w/la -> a", "l 0:0 w/ld -> sub", "d 711 0:0 w/sub", ...SUB("w/sub")]],
  ["directory onto a link to one", copyOf("md", "/q"), /^cannot copy to non-directory: \/q\/sub$/],
  ["directory onto a file", copyOf("md", "/file"), /^cannot copy to non-directory: \/file$/],
  ["a file where a directory is", copyOf("g", "/"), /^cannot replace to directory \/dir with file$/],
  ["below a file", copyOf("top", "/file/x"), /^mkdir \/file: not a directory$/],
  ["a source's link to a file", copyOf("s/la", "/new"), ["f 600 0:0 new = A"]],
  ["a source's link is called what it is called", copyOf("s/abs", "/n/"), [`${DIR} n`, "f 600 0:0 n/abs = A"]],
  ["a source's link ends at the root", copyOf("s/esc", "/new"), ["f 644 0:0 new = T"]],
  ["a source's link to a directory", copyOf("sd", "/n/"), [`${DIR} n`, ...SUB("n")]],
  ["a source's link to nothing", copyOf("s/dang", "/new"), /^"\/s\/dang": not found$/],
  ["wildcards", copyOf("p/x*.txt", "/w/"), [`${DIR} w`, "f 644 0:0 w/x1.txt = 1", "f 644 0:0 w/x2.txt = 2"]],
  ["wildcards match names with a dot in front", copyOf("p/*", "/w/"), [`${DIR} w`, "f 644 0:0 w/.hid = 3", "f 644 0:0 w/[w] = w", "f 644 0:0 w/x1.txt = 1", "f 644 0:0 w/x2.txt = 2"]],
  ["wildcards in the middle", copyOf("*/x?.txt", "/w/"), [`${DIR} w`, "f 644 0:0 w/x1.txt = 1", "f 644 0:0 w/x2.txt = 2"]],
  ["wildcards that match directories", copyOf("m*", "/w/"), [`${DIR} w`, `${DIR} w/sub`, "f 644 0:0 w/sub/n = n"]],
  ["a class that stands for itself", copyOf("p/[[]w]", "/w/"), [`${DIR} w`, "f 644 0:0 w/[w] = w"]],
  ["a pattern that is none", copyOf("p/[", "/w/"), []],
  ["nothing matches, and may", copyOf("*.nope", "/w/"), []],
  ["nothing matches, and may not", copyOf("*.nope", "/w/", { allowEmpty: false }), /^"\/\*\.nope": not found$/],
  ["a path that is not there", copyOf("p/nope", "/w/"), /^"\/p\/nope": not found$/],
  ["a path below a file", copyOf("top/x", "/w/"), /^"\/top\/x": not found$/],
  ["dots do not leave the source", copyOf("../../top", "/new"), ["f 644 0:0 new = T"]],
  ["several sources", [copyOf(["top", "s/sub"], "/w/")], [`${DIR} w`, ...SUB("w"), "f 644 0:0 w/top = T"]],
  ["what comes later counts", [copyOf(["p/x1.txt", "p/x2.txt"], "/w")], ["f 644 0:0 w = 2"]],
  ["names that are not ASCII", copyOf("ü", "/w"), [`${DIR} w`, "f 644 0:0 w/ö = u"]],
  ["ADD of a directory with nothing in it but an archive", add("one", "/w/"), [`${DIR} w`, `f 644 0:0 w/ar.tar = ${tarArchive(ARCHIVE.slice(0, 1))}`]],
  ["devices and pipes", copyOf(["dev", "pipe"], "/n/"), [`${DIR} n`, "c 666 0:0 n/dev 1:3", "f 640 0:0 n/pipe"]],
  ["attributes that a layer carries", copyOf("caps", "/new"), ["f 644 0:0 new [user.x=1] = c"]],
  ["owner by names", copyOf("s/sub", "/n/m", { owner: "bob:staff" }), ["d 755 12:77 n", "d 755 12:77 n/m", "f 4755 12:77 n/m/b = B"]],
  ["owner by a name, with its group", copyOf("top", "/new", { owner: "bob" }), ["f 644 12:34 new = T"]],
  ["owner by a number", copyOf("top", "/new", { owner: "99" }), ["f 644 99:99 new = T"]],
  ["owner that is nobody", copyOf("top", "/new", { owner: "eve" }), /can't find uid for user eve: no such user: eve$/],
  ["group that is none", copyOf("top", "/new", { owner: "1:eve" }), /can't find gid for group eve: no such group: eve$/],
  ["mode as a number, of directories, too", copyOf("md", "/n/m", { mode: 0o640 }), ["d 640 0:0 n", "d 640 0:0 n/m", "d 640 0:0 n/m/sub", "f 640 0:0 n/m/sub/n = n"]],
  ["mode in words", copyOf("s", "/w", { mode: "u=rwX,go=rX", exclude: ["l*", "dang", "esc", "abs", "hard", "empty"] }), [`${DIR} w`, "f 644 0:0 w/a = A", `${DIR} w/sub`, "f 755 0:0 w/sub/b = B"]],
  ["without what is excluded", copyOf("s", "/w", { exclude: ["*", "!sub"] }), [`${DIR} w`, "d 711 0:0 w/sub", ...SUB("w/sub")]],
  ["without what is excluded below", copyOf("s", "/w", { exclude: ["**/b", "l*", "dang", "e*", "abs", "hard"] }), [`${DIR} w`, "f 600 0:0 w/a = A", "d 711 0:0 w/sub"]],
  ["with its parents", copyOf("s/sub/b", "/w/", { parents: true }), [`${DIR} w`, `${DIR} w/s`, "d 711 0:0 w/s/sub", ...SUB("w/s/sub")]],
  ["with its parents from a dot on", copyOf("s/./sub/b", "/w/", { parents: true }), [`${DIR} w`, "d 711 0:0 w/sub", ...SUB("w/sub")]],
  ["with parents by two stars", copyOf("**/*.txt", "/w/", { parents: true }), [`${DIR} w`, `${DIR} w/p`, "f 644 0:0 w/p/x1.txt = 1", "f 644 0:0 w/p/x2.txt = 2"]],
  ["with parents that are not there", copyOf("s/nope/b", "/w/", { parents: true }), /^"\/s\/nope\/b": not found$/],
  ["ADD of an archive", add("ar.tar", "/n"), UNPACKED("n")],
  ["ADD of one that is compressed", add("ar.tgz", "/n"), UNPACKED("n")],
  ["ADD of another one", add("ar.tar.zst", "/n/"), UNPACKED("n")],
  ["ADD of one by xz", add("ar.xz", "/n/"), [`${DIR} n`, "f 644 5:6 n/packed = x"]],
  ["ADD of one by bzip2", add("ar.bz2", "/n/"), [`${DIR} n`, "f 644 5:6 n/packed = x"]],
  ["ADD of an archive through a link", add("ar.tar", "/ln"), UNPACKED("real")],
  ["ADD of an archive, whose it shall be", add("ar.tar", "/n", { owner: "1:2" }), UNPACKED("n").map((line) => line.replace(/(\d+:\d+) n\//, "1:2 n/").replace(/^d 755 0:0 n$/, "d 755 1:2 n"))],
  ["ADD of what is no archive", add("bad.tar", "/n/"), [`${DIR} n`, "f 644 0:0 n/bad.tar = no"]],
  ["ADD of nothing", add("empty.tar", "/n/"), [`${DIR} n`, "f 644 0:0 n/empty.tar = "]],
  ["COPY of an archive", copyOf("zero.tar", "/n/"), [`${DIR} n`, `f 644 0:0 n/zero.tar = ${"\0".repeat(1024)}`]],
  ["a folder for work", { action: "mkdir", path: "/dir/w/x", mode: 0o755, parents: true, owner: "bob" }, ["d 700 0:0 dir", "d 755 12:34 dir/w", "d 755 12:34 dir/w/x"]],
  ["a folder that is there", { action: "mkdir", path: "/dir", mode: 0o755, parents: true }, []],
  ["a folder where a file is", { action: "mkdir", path: "/file/x", mode: 0o755, parents: true }, /^mkdir \/file: not a directory$/],
  ["a heredoc", { action: "mkfile", path: "/n/x", name: "EOF", data: "hi\n", mode: 0o640, owner: "bob" }, ["d 755 12:34 n", "f 640 12:34 n/x = hi\n"]],
  ["a heredoc in a directory", { action: "mkfile", path: "/ln", name: "EOF", data: "hi\n", mode: "u+x" }, [`${DIR} real`, "f 744 0:0 real/EOF = hi\n"]],
  ["one after another", [copyOf("s/sub", "/n/"), copyOf("top", "/n/b"), { action: "mkdir", path: "/n/c", mode: 0o700, parents: false }], [`${DIR} n`, "f 644 0:0 n/b = T", "d 700 0:0 n/c"]],
];

for (const driver of ["overlay", "vfs"] as const) {
  test(`what goes where, with ${driver}`, { skip: process.getuid?.() === 0 ? false : "trees are made by root" }, async (t) => {
    const world = await openWorld(t, driver);
    const base = await world.base(BASE);
    const context = await world.folder(CONTEXT);
    for (const [name, actions, expected] of ROWS) {
      const failed = (error: unknown) => [String(error)];
      const work = world.perform([actions].flat(), base, context).then((tree) => layerLines(world, tree));
      if (expected instanceof RegExp) await assert.rejects(work, { message: expected }, name);
      else assert.deepEqual(await work.catch(failed), expected, name);
    }
    assert.deepEqual(execFileSync("ls", [`${world.core.root}/content/ingest`], { encoding: "utf8" }), "", "nothing half-made is left");
  });
}

test("what a COPY takes is known by its names, whatever their bytes", { skip: process.getuid?.() === 0 ? false : "trees are made by root" }, async (t) => {
  const world = await openWorld(t);
  const { signal } = new AbortController();
  const digestOf = async (byte: number, link: number) => {
    const base = await world.base([dir("d"), { ...file("", "x"), name: Buffer.from([0x64, 0x2f, byte]) }, { ...symlink("d/l", ""), linkName: Buffer.from([link]) }]);
    return await world.files.selection(base, ["d"], { exclude: [], signal });
  };
  assert.equal(new Set([await digestOf(0xff, 0xff), await digestOf(0xfe, 0xff), await digestOf(0xff, 0xfe)]).size, 3);
});
