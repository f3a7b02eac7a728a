import assert from "node:assert/strict";
import { test } from "node:test";
import { MS } from "#linux/constants.ts";
import { parseLocalOptions, serverOf, withServer } from "./local-options.ts";

const bad: [Record<string, string>, string][] = [
  [{ foo: "bar" }, 'invalid option: "foo"'],
  [{ type: "tmpfs" }, 'missing required option: "device"'],
  [{ device: "/x" }, 'missing required option: "type"'],
  [{ o: "bind" }, 'missing required option: "device"'],
  [{ o: "bind", device: "/x" }, 'missing required option: "type"'],
  [{ size: "ten" }, "invalid size: 'ten'"],
  [{ size: "-1" }, "invalid size: '-1'"],
];
for (const [options, message] of bad) {
  test(`${JSON.stringify(options)} is refused`, () => assert.throws(() => parseLocalOptions(options), { kind: "invalid", message }));
}

test("what is for the kernel and what is for the file system", () => {
  assert.deepEqual(parseLocalOptions({}), { mount: undefined, size: 0 });
  assert.deepEqual(parseLocalOptions({ size: "1.5k" }), { mount: undefined, size: 1536 });
  assert.deepEqual(parseLocalOptions({ size: "2GiB" }).size, 2 ** 31);
  const wish = parseLocalOptions({ type: "none", device: "/srv", o: "rbind,ro,nosuid,rslave" });
  assert.deepEqual(wish.mount, { type: "none", device: "/srv", flags: MS.BIND | MS.REC | MS.RDONLY | MS.NOSUID, propagation: MS.SLAVE | MS.REC, data: "" });
  assert.deepEqual(parseLocalOptions({ type: "tmpfs", device: "tmpfs", o: "size=1m,uid=5,ro,rw" }).mount, { type: "tmpfs", device: "tmpfs", flags: 0, propagation: 0, data: "size=1m,uid=5" });
});

test("the server of a network file system", () => {
  const { mount } = parseLocalOptions({ type: "nfs", device: ":/a", o: "addr=files.example,soft" });
  assert.equal(serverOf(mount!), "files.example");
  assert.equal(withServer(mount!, "192.0.2.7").data, "addr=192.0.2.7,soft");
  assert.equal(serverOf({ ...mount!, type: "tmpfs" }), undefined);
});
