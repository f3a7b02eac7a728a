import assert from "node:assert/strict";
import { test } from "node:test";
import { parsePlace } from "./places.ts";
import { placeArchive, splitEntry } from "./placement.ts";
import { place } from "./unpack.ts";

const file = (path: string) => ({ path, directory: false });
const directory = (path: string) => ({ path, directory: true });
const absent = (path: string) => ({ path, exists: false, directory: false });
const aFile = (path: string) => ({ path, exists: true, directory: false });
const aDirectory = (path: string) => ({ path, exists: true, directory: true });

const good: [string, Parameters<typeof placeArchive>, ReturnType<typeof placeArchive>][] = [
  ["a file into a directory", [file("/s/f"), aDirectory("/d")], { directory: "/d", from: "f", to: "f" }],
  ["a file under another name", [file("/s/f"), absent("/d/g")], { directory: "/d", from: "f", to: "g" }],
  ["a file over a file", [file("/s/f"), aFile("/d/g")], { directory: "/d", from: "f", to: "g" }],
  ["a directory into a directory", [directory("/s/e"), aDirectory("/d/")], { directory: "/d/", from: "e", to: "e" }],
  ["a directory under another name", [directory("/s/e/"), absent("/d/n")], { directory: "/d", from: "e", to: "n" }],
  ["a directory under another name, said to be one", [directory("/s/e"), absent("/d/n/")], { directory: "/d", from: "e", to: "n" }],
  ["what is in a directory", [directory("/s/e/."), aDirectory("/d")], { directory: "/d", from: ".", to: "" }],
  ["what is in a directory, as a new one", [directory("/s/e/."), absent("/d/n")], { directory: "/d", from: ".", to: "n" }],
  ["a whole root", [directory("/"), aDirectory("/d")], { directory: "/d", from: "/", to: "" }],
  ["what a link led to, under the link's name", [{ path: "/s/real", directory: false, rename: "link" }, aDirectory("/d")], { directory: "/d", from: "real", to: "link" }],
];
for (const [title, given, expected] of good) test(title, () => assert.deepEqual(placeArchive(...given), expected));

test("what cannot be", () => {
  assert.throws(() => placeArchive(directory("/s/e"), aFile("/d/f")), /^Failure: cannot copy directory$|cannot copy directory/);
  assert.throws(() => placeArchive(file("/s/f"), absent("/d/n/")), /no such directory/);
});

test("paths are split with what their end means", () => {
  assert.deepEqual(["/a/b", "/a/b/", "/a/b/.", "/", "/a/../b"].map(splitEntry), [
    { directory: "/a", base: "b" }, { directory: "/a", base: "b" }, { directory: "/a/b", base: "." }, { directory: "/", base: "/" }, { directory: "/", base: "b" },
  ]);
});

test("containers and paths of this machine", () => {
  assert.deepEqual(["c:/x", "/a:b", "./a:b", "a", "c:"].map(parsePlace), [
    { container: "c", path: "/x" }, { container: "", path: "/a:b" }, { container: "", path: "./a:b" }, { container: "", path: "a" }, { container: "c", path: "" },
  ]);
});

test("names of an archive stay below what was asked for", () => {
  const where = { directory: "/d", from: "e", to: "n" };
  const of = (name: string, placement = where) => place(Buffer.from(name), placement);
  assert.deepEqual(of("e/"), ["n"]);
  assert.deepEqual(of("./e//a/./b"), ["n", "a", "b"]);
  assert.deepEqual(of("/bin/sh", { directory: "/d", from: "/", to: "" }), ["bin", "sh"]);
  for (const name of ["other", "/etc/passwd", "e/../x", "../e", "e/a/../../.."]) assert.throws(() => of(name), /not what was asked for/, name);
});
