import assert from "node:assert/strict";
import { test } from "node:test";
import { parseBind, parseVolumesFrom } from "./bind.ts";

const good: [string, Partial<ReturnType<typeof parseBind>>][] = [
  ["/a", { type: "volume", source: "", destination: "/a", readOnly: false, copy: true }],
  ["/a/../b/", { type: "volume", source: "", destination: "/b" }],
  ["/h:/c", { type: "bind", source: "/h", destination: "/c", mode: "", propagation: "" }],
  ["/h/:/c/:ro", { type: "bind", source: "/h", destination: "/c", readOnly: true, mode: "ro" }],
  ["name:/c", { type: "volume", source: "name", destination: "/c" }],
  ["name:/c:ro,nocopy", { readOnly: true, copy: false, mode: "ro,nocopy" }],
  ["/h:/c:rw,rslave,z", { readOnly: false, propagation: "rslave", mode: "rw,rslave,z" }],
  ["/h:/c:consistent", { type: "bind" }],
  ["/h:/c:ro,U", { type: "bind", readOnly: true, idMap: true, mode: "ro,U" }],
  ["name:/c", { idMap: false }],
];
for (const [raw, expected] of good) {
  test(`-v ${raw}`, () => {
    const found = parseBind(raw);
    assert.deepEqual({ ...found, ...expected }, found);
  });
}

const bad: [string, RegExp][] = [
  ["", /^invalid volume specification: ''$/],
  ["/a:", /invalid volume specification/],
  [":/a", /invalid volume specification/],
  ["/a:ro", /invalid volume specification: '\/a:ro'/],
  ["/a:/b:ro:x", /invalid volume specification/],
  ["/a:/b:foo", /^invalid mode: foo$/],
  ["/a:/b:ro,rw", /^invalid mode: ro,rw$/],
  ["/a:/b:z,Z", /^invalid mode: z,Z$/],
  ["name:/b:rshared", /invalid mode: rshared/],
  ["a:b", /invalid volume specification: 'a:b': invalid mount config for type "volume": invalid mount path: 'b' mount path must be absolute/],
  ["/a:/", /invalid volume specification: '\/a:\/': invalid mount config for type "bind": invalid specification: destination can't be '\/'/],
  ["/a:/x/..", /destination can't be '\/'/],
];
for (const [raw, message] of bad) {
  test(`-v ${JSON.stringify(raw)} is refused`, () => assert.throws(() => parseBind(raw), { kind: "invalid", message }));
}

test("--volumes-from", () => {
  assert.deepEqual(parseVolumesFrom("c"), { container: "c", mode: "", readOnly: false });
  assert.deepEqual(parseVolumesFrom("c:ro"), { container: "c", mode: "ro", readOnly: true });
  for (const spec of ["", ":ro", "c:xx", "c:ro:z"]) assert.throws(() => parseVolumesFrom(spec), { kind: "invalid" });
});
