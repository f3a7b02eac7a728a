import assert from "node:assert/strict";
import { test } from "node:test";
import { resolveUser } from "./user.ts";

const passwd = `root:x:0:0:root:/root:/bin/sh
# a comment
daemon:x:1:1:daemon:/usr/sbin:/bin/false
ann:x:1000:1001:Ann:/home/ann:/bin/sh
4294967296:x:0:0::/:/bin/sh
-1:x:0:0::/:/bin/sh
0x0:x:0:0::/:/bin/sh
1e3:x:7:7::/seven:
2000:x:0:0::/:/bin/sh
broken:x:zero:0::/:/bin/sh
empty:x::::/:
nohome:x:5:5:::
`;
const group = `root:x:0:
audio:x:29:root,ann
video:x:44:ann
staff:x:50:
1000:x:0:
bad:x:nine:ann
`;
const files = { passwd, group };

test("ID-08, ID-10: every form of a user", () => {
  const table: [string, string[], [uid: number, gid: number, groups: number[], home: string]][] = [
    ["", [], [0, 0, [0, 29], "/root"]],
    ["0", [], [0, 0, [0, 29], "/root"]],
    ["root", [], [0, 0, [0, 29], "/root"]],
    ["ann", [], [1000, 1001, [1001, 29, 44], "/home/ann"]],
    ["1000", [], [1000, 1001, [1001, 29, 44], "/home/ann"]],
    ["1000:1000", [], [1000, 1000, [1000], "/home/ann"]],
    ["ann:audio", [], [1000, 29, [29], "/home/ann"]],
    [":50", [], [0, 50, [50], "/root"]],
    ["3000", [], [3000, 0, [0], "/"]],
    ["3000:staff", [], [3000, 50, [50], "/"]],
    ["2000", [], [2000, 0, [0], "/"]],
    ["ann", ["staff", "7", "29"], [1000, 1001, [1001, 29, 44, 50, 7], "/home/ann"]],
    ["nohome", [], [5, 5, [5], "/"]],
    ["1e3", [], [7, 7, [7], "/seven"]],
    ["2147483647:2147483647", [], [2147483647, 2147483647, [2147483647], "/"]],
  ];
  for (const [spec, add, [uid, gid, groups, home]] of table) assert.deepEqual(resolveUser(spec, files, add), { uid, gid, groups, home }, JSON.stringify(spec));
});

test("ID-09: numbers that are none are refused, never root", () => {
  for (const spec of ["4294967296", "2147483648", "-1", "4294967295", "00", "+5", "1000:4294967296", "1000:-1"]) {
    assert.throws(() => resolveUser(spec, files), /uids and gids must be in range 0-2147483647/, spec);
  }
  for (const spec of ["１", " 1000", "broken", "empty", "nobody", "a:b:c", "0x1"]) {
    assert.throws(() => resolveUser(spec, files), /unable to find user .*: no matching entries in passwd file/, JSON.stringify(spec));
  }
  assert.throws(() => resolveUser("ann:nobody", files), { message: "unable to find group nobody: no matching entries in group file" });
  assert.throws(() => resolveUser("ann", files, ["nobody"]), { message: "Unable to find group nobody" });
});

test("without the files root is root and numbers are numbers", () => {
  const none = { passwd: "", group: "" };
  assert.deepEqual(resolveUser("", none), { uid: 0, gid: 0, groups: [0], home: "/" });
  assert.deepEqual(resolveUser("5:6", none), { uid: 5, gid: 6, groups: [6], home: "/" });
  assert.throws(() => resolveUser("ann", none), { message: "unable to find user ann: no matching entries in passwd file" });
});

test("ID-11: five million lines do not hold the engine up", () => {
  const many = "x:x:1:1::/:\n".repeat(800_000);
  assert.throws(() => resolveUser("ann", { passwd: many, group: "" }), /unable to find user ann/);
});
