/** Graphs that stand for an address, case by case; all others are none. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { bool, bytes, int64, many, map, message, sub, text } from "#base/protobuf.ts";
import { remoteGraph } from "./remote-graph.ts";

const op = message("pb.Op", {
  inputs: many(sub(1, message("pb.Input", { digest: text(1), index: int64(2) }))),
  exec: bytes(2),
  source: sub(3, message("pb.SourceOp", { identifier: text(1), attrs: map(2, text(0)) })),
  file: sub(4, message("pb.FileOp", { actions: many(sub(2, message("pb.FileAction", { copy: sub(4, message("pb.Copy", { src: text(1), dest: text(2), unpack: bool(7), includes: many(text(12)) })) }))) })),
});
const git = { source: { identifier: "git://HOST/r.git#main:a", attrs: { "git.fullurl": "https://HOST/r.git" } } };
const file = { source: { identifier: "https://HOST/f", attrs: { "http.filename": "g" } } };
const last = { inputs: [{ digest: "sha256:x" }] };
const copied = (copy: object) => ({ ...last, file: { actions: [{ copy }] } });

const cases: { readonly what: string; readonly ops: readonly object[]; readonly stands?: { readonly url: string; readonly file: string | undefined; readonly from: string } }[] = [
  { what: "a repository", ops: [git, last], stands: { url: "https://HOST/r.git#main:a", file: undefined, from: "git" } },
  { what: "its default branch", ops: [{ source: { identifier: "git://HOST/r.git", attrs: { "git.fullurl": "git@HOST:r.git" } } }, last], stands: { url: "git@HOST:r.git", file: undefined, from: "git" } },
  { what: "a folder of it", ops: [git, copied({ src: "/b/../c", dest: "/" }), last], stands: { url: "https://HOST/r.git#main:a/c", file: undefined, from: "git" } },
  { what: "a file", ops: [file, last], stands: { url: "https://HOST/f", file: "g", from: "http" } },
  { what: "what is in an archive", ops: [file, copied({ src: "/g", dest: "/", unpack: true }), last], stands: { url: "https://HOST/f", file: undefined, from: "http" } },
  { what: "another file than that", ops: [file, copied({ src: "/h", dest: "/", unpack: true }), last] },
  { what: "an archive of a repository", ops: [git, copied({ src: "/g", dest: "/", unpack: true }), last] },
  { what: "a folder of the client's", ops: [{ source: { identifier: "local://context", attrs: {} } }, last] },
  { what: "an image", ops: [{ source: { identifier: "docker-image://HOST/i", attrs: {} } }, last] },
  { what: "something that runs", ops: [git, { ...last, exec: Buffer.from([1]) }, last] },
  { what: "a part of a folder", ops: [git, copied({ src: "/b", dest: "/", includes: ["x"] }), last] },
  { what: "a folder elsewhere", ops: [git, copied({ src: "/b", dest: "/c" }), last] },
  { what: "a repository that is another one's name", ops: [{ source: { identifier: "git://HOST/r.git", attrs: { "git.fullurl": "https://HOST/r.git#x" } } }, last] },
  { what: "nothing", ops: [] },
];

for (const { what, ops, stands } of cases) {
  test(`${what} ${stands === undefined ? "is refused" : `is ${stands.url}`}`, () => {
    assert.deepEqual(remoteGraph({ def: ops.map((one) => op.encode(one as never)), metadata: {} } as never), stands);
  });
}
